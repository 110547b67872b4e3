"""What holds whatever is sent to the exchange, in whatever order.

1. Money and positions are conserved over all accounts, the market's and the fees' included.
2. An account's money is its start plus what its own fills, fees and funding say, exactly.
3. What is locked is what the resting orders need.
4. The book is never crossed; filled never exceeds quantity; a client id names one order for ever.
5. Reduce-only orders never exceed the position.
6. An exchange restored from JSON at any point goes on as the one that never stopped.
"""

import json
from datetime import timedelta
from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from domain.market import Candle
from domain.money import ZERO, Instrument, Price, Quantity, add
from domain.orders import (
    Fill,
    OrderReport,
    OrderRequest,
    OrderType,
    Refusal,
    RefusalReason,
    Side,
    TimeInForce,
)
from domain.simulation.exchange import SimulatedExchange
from domain.simulation.rules import CandleRule, ExchangeRules, FeeAsset, Liquidity
from domain.simulation.tape import (
    CandleClosed,
    DepthShown,
    FundingAnnounced,
    FundingDue,
    Marked,
    MarketEvent,
    Quoted,
    TradePrinted,
)
from tests.domain.simulation.helpers import (
    BUY,
    PERPETUAL,
    SELL,
    SPOT,
    START,
    everybody,
    locked,
    totals,
)

ACCOUNTS = ("ann", "bob")
SYMBOLS = (SPOT.symbol, PERPETUAL.symbol)
OWNED = {"USDT": Decimal(60), "BTC": Decimal("0.5")}

prices = st.integers(90, 110).map(Price)
lots = st.integers(0, 30).map(Quantity)
symbols = st.sampled_from(SYMBOLS)
accounts = st.sampled_from(ACCOUNTS)
client_ids = st.integers(0, 30).map(str)
#: Some that are well formed more often than not.
requests = st.builds(
    OrderRequest,
    client_id=client_ids,
    symbol=symbols,
    side=st.sampled_from((BUY, SELL)),
    quantity=lots,
    price=prices,
    time_in_force=st.sampled_from((TimeInForce.GTC,) * 3 + (TimeInForce.IOC, TimeInForce.FOK)),
    post_only=st.sampled_from((False, False, False, True)),
    reduce_only=st.sampled_from((False, False, True)),
) | st.builds(
    OrderRequest,
    client_id=client_ids,
    symbol=symbols,
    side=st.sampled_from((BUY, SELL)),
    quantity=lots,
    type=st.just(OrderType.MARKET),
    reduce_only=st.booleans(),
)


class ExchangeMachine(RuleBasedStateMachine):
    @initialize(
        liquidity=st.sampled_from(Liquidity),
        candle_rule=st.sampled_from(CandleRule),
        fee_asset=st.sampled_from(FeeAsset),
        touch=st.booleans(),
    )
    def open(
        self, liquidity: Liquidity, candle_rule: CandleRule, fee_asset: FeeAsset, touch: bool
    ) -> None:
        self.agreed = ExchangeRules(
            instruments=(SPOT, PERPETUAL),
            accounts=dict.fromkeys(ACCOUNTS, OWNED),
            leverage=Decimal(3),
            candle_rule=candle_rule,
            liquidity=liquidity,
            fee_asset=fee_asset,
            touch=touch,
        )
        self.at = SimulatedExchange(self.agreed, START)
        self.twin = SimulatedExchange(self.agreed, START)
        self.seconds = 0
        self.first_seen: dict[tuple[str, str], str] = {}

    def tell(self, event: MarketEvent) -> None:
        self.at.on(event)
        self.twin.on(event)

    def later(self) -> timedelta:
        self.seconds += 7
        return timedelta(seconds=self.seconds)

    @rule(account=accounts, request=requests)
    def order(self, account: str, request: OrderRequest) -> None:
        outcome = self.at.place(account, request)
        assert outcome == self.twin.place(account, request)
        key = (account, request.client_id)
        if isinstance(outcome, OrderReport):
            assert self.first_seen.setdefault(key, outcome.order_id) == outcome.order_id
            return
        assert isinstance(outcome, Refusal)
        assert key not in self.first_seen
        if outcome.reason is RefusalReason.WOULD_CROSS and outcome.best and request.price:
            assert outcome.best.ticks * request.side.sign < request.price.ticks * request.side.sign

    @rule(
        account=accounts,
        symbol=symbols,
        side=st.sampled_from((BUY, SELL)),
        off=st.lists(st.integers(0, 8), min_size=2, max_size=4),
    )
    def ladder(self, account: str, symbol: str, side: Side, off: list[int]) -> None:
        """Small orders away from the middle, most of which rest."""
        for ticks in off:
            self.seconds += 1
            price, name = Price(100 - side.sign * ticks), f"{account}{self.seconds}"
            request = OrderRequest(name, symbol, side, Quantity(3), price)
            assert self.at.place(account, request) == self.twin.place(account, request)

    @rule(account=accounts, symbol=symbols, client_id=client_ids)
    def cancel(self, account: str, symbol: str, client_id: str) -> None:
        outcome = self.at.cancel(account, symbol, client_id)
        assert outcome == self.twin.cancel(account, symbol, client_id)
        assert outcome is None or not outcome.status.working

    @rule(symbol=symbols, price=prices, quantity=st.integers(1, 40).map(Quantity))
    def trade(self, symbol: str, price: Price, quantity: Quantity) -> None:
        self.tell(TradePrinted(symbol, price, quantity, START + self.later()))

    @rule(symbol=symbols, bid=prices, spread=st.integers(1, 5), bids=lots, asks=lots)
    def quote(self, symbol: str, bid: Price, spread: int, bids: Quantity, asks: Quantity) -> None:
        self.tell(Quoted(symbol, bid, bid + spread, bids, asks, START + self.later()))

    @rule(
        symbol=symbols,
        middle=prices,
        bids=st.lists(lots, max_size=3),
        asks=st.lists(lots, max_size=3),
    )
    def depth(self, symbol: str, middle: Price, bids: list[Quantity], asks: list[Quantity]) -> None:
        below = tuple((Price(middle.ticks - 1 - n), each) for n, each in enumerate(bids))
        above = tuple((Price(middle.ticks + 1 + n), each) for n, each in enumerate(asks))
        self.tell(DepthShown(symbol, below, above, START + self.later()))

    @rule(low=prices, up=st.integers(0, 9), down=st.integers(0, 9), volume=lots)
    def candle(self, low: Price, up: int, down: int, volume: Quantity) -> None:
        minutes = self.seconds // 60 + 1
        opened_at = START + timedelta(minutes=minutes)
        high = low + up + down
        bar = Candle(SPOT.symbol, opened_at, low + up, high, low, low + down, volume)
        self.seconds = (minutes + 1) * 60
        self.tell(CandleClosed(bar, timedelta(minutes=1)))

    @rule(price=prices, rate=st.integers(-100, 100))
    def funding(self, price: Price, rate: int) -> None:
        self.tell(Marked(PERPETUAL.symbol, price, START + self.later()))
        at = START + self.later()
        self.tell(FundingAnnounced(PERPETUAL.symbol, Decimal(rate) / 100_000, at, at))
        due = FundingDue(PERPETUAL.symbol, Decimal(rate) / 100_000, START + self.later())
        self.tell(due)

    @rule()
    def stop_and_go_on(self) -> None:
        state = json.loads(json.dumps(self.at.dump()))
        self.at = SimulatedExchange.restore(self.agreed, state)
        assert self.at.dump() == self.twin.dump()
        for account in everybody(self.at):
            assert self.at.reports_after(account, 0) == self.twin.reports_after(account, 0)

    @invariant()
    def nothing_appears_and_nothing_vanishes(self) -> None:
        sums = {"USDT": ZERO, "BTC": ZERO}
        held = 0
        for account in everybody(self.at):
            for asset, total in totals(self.at, account).items():
                sums[asset] = add(sums[asset], total)
            for position in self.at.positions(account):
                held += position.lots
                sums["USDT"] = add(sums["USDT"], PERPETUAL.notional_of(-position.cost))
        assert held == 0
        assert sums == {asset: 2 * amount for asset, amount in OWNED.items()}

    @invariant()
    def money_is_what_fills_fees_and_funding_say(self) -> None:
        for account in ACCOUNTS:
            quote, base = OWNED["USDT"], OWNED["BTC"]
            for fill in self.at.fills_since(account, SPOT.symbol, START):
                quote = add(quote, _cash(SPOT, fill))
                base = add(base, fill.side.sign * SPOT.base_of(fill.quantity))
            for fill in self.at.fills_since(account, PERPETUAL.symbol, START):
                quote = add(quote, _cash(PERPETUAL, fill))
            for position in self.at.positions(account):
                quote = add(quote, PERPETUAL.notional_of(position.cost))  # bought, not lost
            sums = self.at.totals(account)
            quote = add(quote, -sums.fees.get("USDT", ZERO), sums.funding.get("USDT", ZERO))
            base = add(base, -sums.fees.get("BTC", ZERO))
            assert totals(self.at, account) == {"USDT": quote, "BTC": base}
            assert base >= 0

    @invariant()
    def locked_is_what_resting_orders_need(self) -> None:
        rate = SPOT.taker_fee if self.agreed.fee_asset is FeeAsset.QUOTE else ZERO
        for account in ACCOUNTS:
            quote = base = ZERO
            for order in self.at.open_orders(account, SPOT.symbol):
                assert order.price is not None
                if order.side is BUY:
                    quote = add(quote, SPOT.notional(order.price, order.leaves) * (1 + rate))
                else:
                    base = add(base, SPOT.base_of(order.leaves))
            quote = add(quote, self._margin(account))
            assert locked(self.at, account) == {"USDT": quote, "BTC": base}

    def _margin(self, account: str) -> Decimal:
        worst = {BUY: 0, SELL: 0}
        for order in self.at.open_orders(account, PERPETUAL.symbol):
            assert order.price is not None
            if not order.reduce_only:
                worst[order.side] += order.price.ticks * order.leaves.lots
        held = 0
        for position in self.at.positions(account):
            held = position.lots * position.mark.ticks if position.mark else position.cost
        notional = PERPETUAL.notional_of(max(abs(held + worst[BUY]), abs(held - worst[SELL])))
        return (notional / 3).quantize(Decimal("1e-12"), "ROUND_CEILING")

    @invariant()
    def the_book_is_not_crossed_and_no_order_is_overfilled(self) -> None:
        for symbol in SYMBOLS:
            working = [
                order for account in ACCOUNTS for order in self.at.open_orders(account, symbol)
            ]
            bids = [order.price for order in working if order.side is BUY and order.price]
            asks = [order.price for order in working if order.side is SELL and order.price]
            assert not bids or not asks or max(bids) < min(asks)
            assert all(order.leaves for order in working)
            market = self.at._markets[symbol]
            assert market.book.best_bid == max((price.ticks for price in bids), default=0)

    @invariant()
    def fills_add_up_to_their_orders(self) -> None:
        for account in ACCOUNTS:
            for symbol in SYMBOLS:
                fills = self.at.fills_since(account, symbol, START)
                for order in self.at.orders_since(account, symbol, START):
                    own = [fill for fill in fills if fill.client_id == order.client_id]
                    assert order.filled.lots == sum(fill.quantity.lots for fill in own)
                    assert order.filled <= order.quantity
                    assert order.value == sum(fill.price.ticks * fill.quantity.lots for fill in own)

    @invariant()
    def reduce_only_orders_never_exceed_the_position(self) -> None:
        for account in ACCOUNTS:
            held = sum(position.lots for position in self.at.positions(account))
            for side in (BUY, SELL):
                reducing = sum(
                    order.leaves.lots
                    for order in self.at.open_orders(account, PERPETUAL.symbol)
                    if order.reduce_only and order.side is side
                )
                assert reducing <= max(0, -side.sign * held)

    def teardown(self) -> None:
        if hasattr(self, "at"):
            assert self.at.dump() == self.twin.dump()


def _cash(instrument: Instrument, fill: Fill) -> Decimal:
    return instrument.notional(fill.price, fill.quantity) * -fill.side.sign


TestExchange = ExchangeMachine.TestCase
TestExchange.settings = settings(max_examples=80, stateful_step_count=50, deadline=None)
