"""Ladders of orders on recorded markets: the same fills twice, and the money adds up exactly."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache

from domain.market import Candle
from domain.money import ZERO, Instrument, MarketKind, Price, Quantity, add
from domain.orders import Fill, OrderStatus
from domain.position import Holding, trade
from domain.simulation import decode
from domain.simulation.exchange import SimulatedExchange
from domain.simulation.rules import CandleRule, ExchangeRules, Liquidity
from domain.simulation.tape import CandleClosed, FundingDue, MarketEvent, TradePrinted
from tests.domain.simulation.helpers import BUY, SELL, equity, limit, market, rows

PERPETUAL = Instrument(
    symbol="BTC/USDT:USDT",
    kind=MarketKind.PERPETUAL,
    base="BTC",
    quote="USDT",
    tick_size=Decimal("0.1"),
    lot_size=Decimal("0.001"),
    min_quantity=Quantity(1),
    min_notional=Decimal(5),
    maker_fee=Decimal("0.0002"),
    taker_fee=Decimal("0.0005"),
)
SPOT = Instrument(
    symbol="BTC/USDT",
    kind=MarketKind.SPOT,
    base="BTC",
    quote="USDT",
    tick_size=Decimal("0.01"),
    lot_size=Decimal("0.00001"),
    min_quantity=Quantity(1),
    min_notional=Decimal(10),
    maker_fee=Decimal("0.001"),
    taker_fee=Decimal("0.001"),
)
MINUTE = timedelta(minutes=1)


@cache
def trades() -> Sequence[TradePrinted]:
    name = "trades/binance_usdm_BTCUSDT_trades_20240808.csv.gz"
    return tuple(decode.trades(PERPETUAL, rows(name)))


@cache
def crash_day() -> Sequence[CandleClosed]:
    name = "ohlcv/binance_spot_BTCUSDT_1m_20210420_20210520.csv.gz"
    first = datetime(2021, 5, 19, tzinfo=UTC)
    day = (
        row
        for row in rows(name)
        if 0 <= int(row["open_time_ms"]) - first.timestamp() * 1000 < 86_400_000
    )
    return tuple(decode.candles(SPOT, day, MINUTE))


def run(
    at: SimulatedExchange, instrument: Instrument, tape: Sequence[MarketEvent], step: int, lots: int
) -> Sequence[Fill]:
    """Work a ladder of both sides of the first price: what fills is put back a step away."""
    at.on(tape[0])
    update = at.last_price(instrument.symbol)
    assert update is not None
    sent = 0
    for rung in range(1, 31):
        for side in (BUY, SELL):
            sent += 1
            ticks = update.price.ticks - side.sign * step * rung
            at.place("ann", limit(str(sent), side, ticks, lots, instrument.symbol))
    seen = len(at.reports_after("ann", 0))
    for event in tape[1:]:
        at.on(event)
        for number, report in at.reports_after("ann", seen):
            seen = number
            if report.status is OrderStatus.FILLED and report.price is not None:
                back = report.side.opposite
                sent += 1
                ticks = report.price.ticks - back.sign * step
                at.place("ann", limit(str(sent), back, ticks, lots, instrument.symbol))
    return at.fills_since("ann", instrument.symbol, tape[0].at - timedelta(days=1))


def on_trades() -> tuple[SimulatedExchange, Sequence[Fill]]:
    rules = ExchangeRules((PERPETUAL,), {"ann": {"USDT": Decimal(100_000)}})
    tape = trades()
    at = SimulatedExchange(rules, tape[0].at)
    middle = len(tape) // 2
    funding = FundingDue(PERPETUAL.symbol, Decimal("0.000101"), tape[middle].at)
    return at, run(at, PERPETUAL, [*tape[:middle], funding, *tape[middle:]], 37, 113)


def on_candles(**rules: object) -> tuple[SimulatedExchange, Sequence[Fill]]:
    settings: dict = {
        "instruments": (SPOT,),
        "accounts": {"ann": {"USDT": Decimal(1_000_000), "BTC": Decimal(2)}},
    }
    tape = crash_day()
    at = SimulatedExchange(ExchangeRules(**(settings | rules)), tape[0].candle.opened_at)
    return at, run(at, SPOT, tape, 40_000, 1_234)


def same_twice(make: Callable[[], tuple[SimulatedExchange, Sequence[Fill]]]) -> Sequence[Fill]:
    first, fills = make()
    second, again = make()
    assert fills == again
    assert first.dump() == second.dump()
    return fills


def test_recorded_trades_give_the_same_fills_twice() -> None:
    fills = same_twice(on_trades)
    assert len(fills) > 100
    assert len({fill.fill_id for fill in fills}) == len(fills)
    assert any(fill.quantity.lots < 113 for fill in fills)  # partial fills


def test_a_crash_day_gives_the_same_fills_twice() -> None:
    assert len(same_twice(on_candles)) > 50


def test_equity_of_a_perpetual_account_is_its_result_exactly() -> None:
    at, fills = on_trades()
    at.place("ann", market("close some", SELL, 50, PERPETUAL.symbol))
    sums = at.totals("ann")
    assert sums.funding["USDT"] != 0
    (position,) = at.positions("ann")
    assert position.mark is not None
    unrealized = PERPETUAL.notional_of(position.lots * position.mark.ticks - position.cost)
    change = equity(at, "ann", PERPETUAL) - 100_000
    assert change == add(
        sums.realized["USDT"], unrealized, -sums.fees["USDT"], sums.funding["USDT"]
    )
    # And the same from the fills alone, by the arithmetic of the ledger.
    holding, realized, fees = Holding(), ZERO, ZERO
    for fill in at.fills_since("ann", PERPETUAL.symbol, fills[0].at):
        value = fill.price.ticks * fill.quantity.lots
        done = trade(PERPETUAL, holding, fill.side, fill.quantity, value, quote_fee=fill.fee)
        holding, realized, fees = done.holding, realized + done.realized, fees + done.fee
    assert holding.lots == position.lots
    assert fees == sums.fees["USDT"]
    worth = holding.unrealized(PERPETUAL, position.mark)
    assert change == add(realized, worth, -fees, sums.funding["USDT"])


def test_equity_of_a_spot_account_is_its_result_exactly() -> None:
    at, fills = on_candles()
    tape = crash_day()
    first, last = tape[0].candle.close, tape[-1].candle.close
    # The two bitcoins of the start were bought at the first price, as it were.
    cost = SPOT.notional_of(first.ticks * 200_000)
    holding, realized, fees = Holding(200_000, cost=cost), ZERO, ZERO
    for fill in fills:
        base_fee = fill.fee if fill.fee_asset == "BTC" else ZERO
        done = trade(
            SPOT,
            holding,
            fill.side,
            fill.quantity,
            fill.price.ticks * fill.quantity.lots,
            base_fee=base_fee,
            quote_fee=ZERO if base_fee else fill.fee,
        )
        holding, realized, fees = done.holding, realized + done.realized, fees + done.fee
    balances = {balance.asset: balance.total for balance in at.balances("ann")}
    assert holding.base(SPOT) == balances["BTC"]
    change = equity(at, "ann", SPOT) - (1_000_000 + cost)
    assert change == add(realized, holding.unrealized(SPOT, last), -fees)


def test_a_pessimistic_candle_never_fills_what_was_only_touched() -> None:
    _, fills = on_candles()
    by_close = {bar.at: bar.candle for bar in crash_day()}
    for fill in fills:
        assert _strictly_within(by_close[fill.at], fill.price)


def test_touch_and_unlimited_liquidity_never_fill_less() -> None:
    def bought(**rules: object) -> int:
        at, _ = on_candles(**rules)
        return len([1 for _, each in at.reports_after("ann", 0) if each.status.name == "FILLED"])

    plain = bought()
    assert bought(candle_rule=CandleRule.TOUCH, liquidity=Liquidity.UNLIMITED) >= plain > 0


def test_candles_of_the_tape_come_back_as_they_were() -> None:
    at, _ = on_candles()
    assert at.candles(SPOT.symbol, MINUTE, 1440) == [bar.candle for bar in crash_day()]


def _strictly_within(candle: Candle, price: Price) -> bool:
    return candle.low < price < candle.high
