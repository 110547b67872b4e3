"""A pair over recorded prices and rates: what it collects is what the rates file says."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from domain.arbitrage.engine import begin
from domain.arbitrage.pair import Kind
from domain.arbitrage.spec import parse_spec
from domain.arbitrage.state import Phase, bind
from domain.errors import InvalidValueError
from domain.money import Instrument, MarketKind, Quantity
from domain.simulation.exchange import SimulatedExchange
from domain.simulation.rules import ExchangeRules
from workers.pair_backtest import PairPlayed, play_pair
from workers.pair_tape import LegTape, Settlement, pair_tape, read_prices, read_settlements

D = Decimal
T0 = datetime(2025, 6, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)
MONEY = {"USDT": D(100_000)}


def market(kind: MarketKind, base: str = "BTC", lot: str = "0.001") -> Instrument:
    perpetual = kind is MarketKind.PERPETUAL
    return Instrument(
        f"{base}/USDT:USDT" if perpetual else f"{base}/USDT", kind, base, "USDT", D("0.01"), D(lot),
        Quantity(1), D(5), D("0.0002") if perpetual else D("0.0008"),
        D("0.0005") if perpetual else D("0.001"),
    )  # fmt: skip


SPOT, PERPETUAL = market(MarketKind.SPOT, lot="0.00001"), market(MarketKind.PERPETUAL)


def spec(first: Instrument, second: Instrument, **changes: Any) -> dict[str, Any]:
    return {
        "first": {"account": "one", "symbol": first.symbol},
        "second": {"account": "two", "symbol": second.symbol},
        "amount": 10_000,
        **changes,
    }


def played(first: LegTape, second: LegTape, **changes: Any) -> PairPlayed:
    config = bind(
        parse_spec(spec(first.instrument, second.instrument, **changes)),
        first.instrument,
        second.instrument,
    )
    exchanges = {
        number: SimulatedExchange(
            ExchangeRules((tape.instrument,), {account: MONEY}), tape.prices[0][0]
        )
        for number, tape, account in ((1, first, "one"), (2, second, "two"))
    }
    state = begin(config, "backtest", first.prices[0][0])
    return play_pair(exchanges, state, pair_tape(first, second))


def check(result: PairPlayed) -> None:
    """The books are those of the exchanges to the last digit, and nothing is left open."""
    assert result.residual == 0
    assert result.state.phase is Phase.ENDED
    assert not result.state.open
    kinds = [trade.kind for trade in result.trades]
    assert kinds[::2] == [Kind.ENTER] * len(kinds[::2])
    assert len({trade.tag for trade in result.trades}) == len(kinds)


# --- a made tape ---------------------------------------------------------------------------------


def made(rates: list[str], price: str = "50000") -> tuple[LegTape, LegTape]:
    """A market that stands still, with a settlement every eight hours from T0 on."""
    prices = [(T0 + hour * HOUR, D(price)) for hour in range(8 * len(rates) + 1)]
    settled = [Settlement(T0 + 8 * n * HOUR, D(rate)) for n, rate in enumerate(rates)]
    return LegTape(SPOT, prices), LegTape(PERPETUAL, prices, settled)


def test_it_enters_above_the_entry_and_leaves_below_the_exit() -> None:
    """0.03 % in 8 h are 32.85 % a year, 0.0005 % are 0.55 %."""
    result = played(*made(["0.0003"] * 6 + ["0.000005"] * 3 + ["0"]))
    check(result)
    enter, leave = result.trades
    # Known from the first settlement on, at which the rate is announced for the second.
    assert (enter.kind, enter.begun_at) == (Kind.ENTER, T0)
    assert (leave.kind, leave.begun_at) == (Kind.EXIT, T0 + 48 * HOUR)
    assert "below" in leave.why


def test_what_it_collects_is_the_sum_of_the_settlements_while_it_was_held() -> None:
    """0.2 BTC short, and the exchange marks at what was last quoted: 50000."""
    result = played(*made(["0.0003"] * 6 + ["0.000005"] * 3 + ["0"]))
    base = -result.trades[0].moved[1].base
    assert base == D("0.200")
    settled = [D("0.0003")] * 5 + [D("0.000005")]
    assert result.funding == {1: D(0), 2: base * D(50_000) * sum(settled)}


@pytest.mark.parametrize(
    "rates,why",
    [
        (["0.00001"] * 6, "1.1 % a year is below the entry of 10 %"),
        (["0.0001"] * 6, "10.95 % for a week are 0.21 %, less than the 0.3 % that it costs"),
        (["-0.0005"] * 6, "spot would have to be borrowed"),
    ],
)
def test_what_does_not_pay_is_not_entered(rates: list[str], why: str) -> None:
    result = played(*made(rates))
    assert result.trades == [], why
    assert result.residual == 0


def test_it_goes_to_the_side_that_earns_when_spot_may_be_borrowed() -> None:
    first, second = made(["-0.0005"] * 6)
    perpetuals = LegTape(market(MarketKind.PERPETUAL, lot="0.002"), first.prices, flat(second))
    result = played(perpetuals, second, both_ways=True)
    check(result)
    short, long = result.trades[0].moved
    assert short.base < 0 < long.base
    assert short.base + long.base == 0


def flat(tape: LegTape) -> list[Settlement]:
    return [Settlement(each.at, D(0)) for each in tape.settlements]


def test_legs_that_do_not_belong_together_are_refused() -> None:
    wanted = parse_spec(spec(SPOT, PERPETUAL))
    with pytest.raises(InvalidValueError, match="ETH/USDT:USDT"):
        bind(wanted, SPOT, market(MarketKind.PERPETUAL, "ETH"))
    with pytest.raises(InvalidValueError, match="must be a perpetual"):
        bind(wanted, SPOT, SPOT)
    with pytest.raises(InvalidValueError, match="exit_apr must be below entry_apr"):
        parse_spec(spec(SPOT, PERPETUAL, exit_apr="0.2"))


# --- recorded markets ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Recorded:
    """A pair of the recorded data: files, whose rates belong to which leg, and other settings."""

    first: str
    second: str
    rates: str
    venues: tuple[str, str]
    base: str = "BTC"
    changes: tuple[tuple[str, Any], ...] = ()


YEAR, LATER, WEEKS = "20210101_20211231", "20240221_20241229", "20250622_20250712"
#: In the summer of 2025 little was paid: who is to hold anything must be content with less.
CONTENT = (("entry_apr", "0.03"), ("hold_hours", 2000))


def _spot_pair(base: str, span: str, bar: str, rates: str, *changes: tuple[str, Any]) -> Recorded:
    return Recorded(
        f"binance_spot_{base}USDT_{bar}_{span}", f"binance_usdm_{base}USDT_{bar}_{span}",
        f"funding_rates_{base}_{rates}_{span}", ("", "binance"), base, changes,
    )  # fmt: skip


def _two_venues(base: str) -> Recorded:
    return Recorded(
        f"binance_usdm_{base}USDT_5m_{WEEKS}", f"bybit_perp_{base}USDT_5m_{WEEKS}",
        f"funding_rates_{base}_binance_bybit_{WEEKS}", ("binance", "bybit"), base,
        (*CONTENT, ("both_ways", True)),
    )  # fmt: skip


PAIRS = {
    "2021 BTC": _spot_pair("BTC", YEAR, "1h", "6venues"),
    "2021 ETH": _spot_pair("ETH", YEAR, "1h", "6venues"),
    "2024 BTC": _spot_pair("BTC", LATER, "1h", "binance"),
    "2025 BTC": _spot_pair("BTC", WEEKS, "5m", "binance_bybit", *CONTENT),
    "2025 ETH": _spot_pair("ETH", WEEKS, "5m", "binance_bybit", *CONTENT),
    "2025 BTC, two venues": _two_venues("BTC"),
    "2025 ETH, two venues": _two_venues("ETH"),
}


def tapes(pair: Recorded, folder: Path) -> tuple[LegTape, LegTape]:
    found = []
    for file, venue in zip((pair.first, pair.second), pair.venues, strict=True):
        kind, lot = (MarketKind.PERPETUAL, "0.001") if venue else (MarketKind.SPOT, "0.00001")
        settlements = read_settlements(folder / f"{pair.rates}.csv.gz", venue) if venue else []
        prices = read_prices(folder / f"{file}.csv.gz")
        found.append(LegTape(market(kind, pair.base, lot), prices, settlements))
    return found[0], found[1]


@pytest.mark.parametrize("name", PAIRS)
def test_recorded_pairs_collect_what_the_rates_file_says(name: str, shared_data: Path) -> None:
    pair = PAIRS[name]
    first, second = tapes(pair, shared_data / "funding")
    result = played(first, second, **dict(pair.changes))
    check(result)
    assert result.trades
    for number, tape in ((1, first), (2, second)):
        assert result.funding[number] == collected(result, number, tape)


def collected(result: PairPlayed, number: int, tape: LegTape) -> Decimal:
    """Add up the rates of the file over what was held, at the price of the last candle before.

    A sum of its own: it knows of the trades, the candles and the rates, and of nothing else.
    """
    prices, total = dict(tape.prices), D(0)
    for settlement in tape.settlements:
        base = sum(
            (
                trade.moved[number - 1].base
                for trade in result.trades
                if trade.ended_at < settlement.at
            ),
            D(0),
        )
        if base:
            before = max(at for at in prices if at < settlement.at)
            mark = tape.instrument.price_of(tape.instrument.price(prices[before]))
            total -= base * mark * settlement.rate
    return total
