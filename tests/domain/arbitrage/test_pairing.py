"""A pair against two simulated exchanges that refuse, lose answers and fill parts: never naked."""

from collections import deque
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.arbitrage.hedging import HedgeSpec, Rung
from domain.arbitrage.legs import Leg
from domain.arbitrage.pair import Kind, PairStep, PairTrade, Stage, unwinding_is_cheaper
from domain.arbitrage.pair_events import AbortAsked, LegHalted, LegTold, OnLeg, PairEvent, QuoteSeen
from domain.arbitrage.pairing import begin, step
from domain.errors import InvalidValueError
from domain.grid.events import (
    Alert,
    Cancel,
    LookUp,
    OutcomeUnknown,
    Place,
    Refused,
    Reported,
    TimePassed,
)
from domain.market import Quote
from domain.money import Instrument, MarketKind, Price, Quantity
from domain.order_ids import run_tag
from domain.orders import OrderReport, OrderStatus, Refusal, RefusalReason, Side, Unknown
from domain.simulation.exchange import SimulatedExchange
from domain.simulation.rules import ExchangeRules
from domain.simulation.tape import Quoted, TradePrinted

BEGIN = datetime(2025, 6, 22, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SPOT = Instrument(
    "BTC/USDT", MarketKind.SPOT, "BTC", "USDT", Decimal("0.01"), Decimal("0.001"),
    Quantity(1), Decimal(5), Decimal("0.001"), Decimal("0.001"),
)  # fmt: skip
PERPETUAL = Instrument(
    "BTC/USDT:USDT", MarketKind.PERPETUAL, "BTC", "USDT", Decimal("0.1"), Decimal("0.002"),
    Quantity(1), Decimal(5), Decimal("0.0002"), Decimal("0.0005"),
)  # fmt: skip
TAGS = run_tag("leg 1"), run_tag("leg 2")
FUNDS = {"arb": {"USDT": Decimal(1_000_000), "BTC": Decimal(10)}}
TICKS = {1: 100, 2: 10}  # a whole dollar, by leg


class Market:
    """Two exchanges, a leg each, and what they do to the next orders."""

    def __init__(self) -> None:
        self.exchanges = {
            number: SimulatedExchange(ExchangeRules((instrument,), FUNDS), BEGIN)
            for number, instrument in ((1, SPOT), (2, PERPETUAL))
        }
        self.instruments = {1: SPOT, 2: PERPETUAL}
        self.read = {1: 0, 2: 0}
        self.quotes: dict[int, tuple[Price, Price]] = {}
        self.faults: deque[str] = deque()
        self.down: set[int] = set()
        self.muted: set[int] = set()
        #: Orders that were canceled unfilled are not found any more.
        self.forgetful = False
        self.now = BEGIN
        self.placed: list[str] = []
        self.alerts: list[str] = []

    def quote(self, number: int, dollars: int) -> QuoteSeen:
        ticks, instrument = dollars * TICKS[number], self.instruments[number]
        bid, ask, much = Price(ticks - 1), Price(ticks + 1), Quantity(1_000_000)
        self.exchanges[number].on(Quoted(instrument.symbol, bid, ask, much, much, self.now))
        self.quotes[number] = bid, ask
        return QuoteSeen(number, bid, ask, self.now)

    def still(self) -> list[QuoteSeen]:
        """Return the prices as they stand, of the venues that answer."""
        told = [(n, quote) for n, quote in self.quotes.items() if n not in self.down]
        return [QuoteSeen(n, bid, ask, self.now) for n, (bid, ask) in told]

    def print(self, number: int, dollars: int, lots: int) -> None:
        symbol, price = self.instruments[number].symbol, Price(dollars * TICKS[number])
        self.exchanges[number].on(TradePrinted(symbol, price, Quantity(lots), self.now))

    def news(self) -> list[PairEvent]:
        found: list[PairEvent] = []
        for number, exchange in self.exchanges.items():
            if number in self.muted:
                continue
            new = exchange.reports_after("arb", self.read[number])
            self.read[number] += len(new)
            found += [LegTold(number, Reported(report)) for _, report in new]
        return found

    def do(self, asked: OnLeg) -> list[PairEvent]:
        action, exchange = asked.action, self.exchanges[asked.leg]
        symbol = self.instruments[asked.leg].symbol
        if isinstance(action, Place):
            return [LegTold(asked.leg, self._place(exchange, asked.leg, action))]
        if asked.leg in self.down:
            unknown = Unknown(action.client_id, "the look-up was not answered")
            return [LegTold(asked.leg, OutcomeUnknown(unknown))]
        known = (
            exchange.cancel("arb", symbol, action.client_id)
            if isinstance(action, Cancel)
            else exchange.look_up("arb", symbol, action.client_id)
        )
        forgotten = self.forgetful and known and not (known.status.working or known.filled)
        if known is None or forgotten:
            absent = Refusal(action.client_id, RefusalReason.ABSENT)
            return [LegTold(asked.leg, Refused(absent))]
        return [LegTold(asked.leg, Reported(known))]

    def _place(
        self, exchange: SimulatedExchange, leg: int, action: Place
    ) -> Reported | Refused | OutcomeUnknown:
        client_id = action.request.client_id
        assert client_id not in self.placed, "an id was used twice"
        self.placed.append(client_id)
        fault = "lost before" if leg in self.down else self.faults.popleft() if self.faults else ""
        if fault == "refused":
            return Refused(Refusal(client_id, RefusalReason.INSUFFICIENT_FUNDS, "no funds"))
        if fault == "lost before":
            return OutcomeUnknown(Unknown(client_id, "no answer"))
        outcome = exchange.place("arb", action.request)
        if fault == "lost after":
            return OutcomeUnknown(Unknown(client_id, "no answer"))
        return Refused(outcome) if isinstance(outcome, Refusal) else Reported(outcome)

    def look_at(self, leg: Leg) -> list[PairEvent]:
        """Return what the runners ask for in each turn: what became of the order of *leg*."""
        if leg.order is None:
            return []
        return self.do(OnLeg(leg.number, LookUp(leg.instrument.symbol, leg.order.client_id)))

    def held(self, number: int) -> int:
        fills = self.exchanges[number].fills_since("arb", self.instruments[number].symbol, BEGIN)
        return sum(fill.quantity.lots * fill.side.sign for fill in fills)


class Play:
    """A trade and its market, one event after the other."""

    def __init__(self, trade: PairTrade) -> None:
        self.market = Market()
        self.trade = trade
        self.ages: list[timedelta] = []
        self._take(begin(trade))

    def tell(self, *events: PairEvent) -> None:
        todo = deque(events)
        while todo or (todo := deque(self.market.news())):
            self._take(step(self.trade, todo.popleft()), todo)
            self.check()

    def _take(self, done: PairStep, todo: "deque[PairEvent] | None" = None) -> None:
        self.trade = done.state
        self.ages.append(self.trade.debt_age())
        for action in done.actions:
            if isinstance(action, Alert):
                self.market.alerts.append(action.message)
            else:
                told = self.market.do(action)
                if todo is None:
                    self.tell(*told)
                else:
                    todo.extend(told)

    def check(self) -> None:
        for number, exchange in self.market.exchanges.items():
            symbol = self.market.instruments[number].symbol
            assert len(exchange.open_orders("arb", symbol)) <= 1, "two orders work on one leg"

    def quotes(self, spot: int = 100_000, perpetual: int = 100_050) -> None:
        self.tell(self.market.quote(1, spot), self.market.quote(2, perpetual))

    def pass_time(self, seconds: int = 1) -> None:
        for _ in range(seconds):
            self.market.now += SECOND
            for exchange in self.market.exchanges.values():
                exchange.advance(self.market.now)
            looks = [told for leg in self.trade.legs for told in self.market.look_at(leg)]
            self.tell(*looks, *self.market.still(), TimePassed(self.market.now))

    def settle(self) -> None:
        """Let all be well from now on, until the trade is over."""
        self.market.faults.clear()
        self.market.down.clear()
        for _ in range(120):
            if self.trade.finished:
                return
            self.quotes()
            self.pass_time()
        raise AssertionError(f"not over after two minutes: {self.trade}")


def enter(lots: int = 100, **options: object) -> PairTrade:
    """Buy 0.1 BTC on spot, and sell as much of the perpetual; a lot there is two here."""
    made = PairTrade(
        tag="a trade",
        kind=Kind.ENTER,
        lead=Leg(1, "spot", TAGS[0], SPOT, lots),
        follow=Leg(2, "perp", TAGS[1], PERPETUAL, -lots // 2),
        spec=HedgeSpec(),
        begun_at=BEGIN,
        now=BEGIN,
        lead_for=timedelta(seconds=20),
        basis=Decimal(50),
    )
    return replace(made, **options)  # type: ignore[arg-type]


def hedged(play: Play) -> bool:
    """Whether less is naked than a lot of the finer leg, by the exchanges' own books."""
    spot, perpetual = play.market.held(1), play.market.held(2)
    naked = Decimal(spot) * SPOT.lot_size + Decimal(perpetual) * PERPETUAL.lot_size
    return abs(naked) <= SPOT.lot_size and abs(play.trade.debt) < SPOT.lot_size


def test_an_entry_leads_passively_and_hedges_what_was_executed() -> None:
    play = Play(enter())
    play.quotes()
    play.market.print(1, 99_999, 30)  # a part of the bid at 99,999.99
    play.tell()

    assert play.market.held(1) == 30
    play.settle()
    assert play.market.held(1) == 100
    assert play.market.held(2) == -50  # 0.1 less the fee in base: 49.95 lots of 0.002
    assert hedged(play)


def test_a_lead_that_nobody_fills_leaves_nothing() -> None:
    play = Play(enter(spec=HedgeSpec(passive_for=60), lead_for=timedelta(seconds=5)))
    play.quotes()
    play.pass_time(10)

    assert play.trade.finished
    assert "lead had 5 s" in play.trade.gave_up
    assert play.market.held(1) == play.market.held(2) == 0


def test_a_refused_lead_ends_the_entry() -> None:
    play = Play(enter())
    play.market.faults.append("refused")
    play.quotes()

    assert play.trade.finished
    assert play.market.held(1) == 0


def test_a_follower_that_is_refused_for_good_is_undone_on_the_lead() -> None:
    play = Play(enter(spec=HedgeSpec(passive_for=0)))
    play.market.faults.extend(["", "refused"])
    play.quotes()
    play.settle()

    assert play.market.held(2) == 0
    assert abs(play.market.held(1)) <= 1  # the fee was taken in base
    assert hedged(play)


def test_a_follower_that_is_down_for_ten_minutes_has_its_lead_given_back() -> None:
    play = Play(enter(spec=HedgeSpec(passive_for=0)))
    play.market.down.add(2)
    play.quotes()
    play.pass_time(600)

    assert max(play.ages) < timedelta(seconds=20)
    assert play.market.held(1) == 1  # what is left after the fee is too little to be sold
    assert len(play.market.placed) == 3, "an order in doubt is not sent again"
    assert not play.trade.finished, "nobody knows yet what became of it"
    play.settle()
    assert play.market.held(2) == 0


def test_an_answer_that_was_lost_after_acceptance_is_no_second_order() -> None:
    play = Play(enter(spec=HedgeSpec(passive_for=0)))
    play.market.faults.extend(["", "lost after"])
    play.quotes()
    play.settle()

    assert play.market.held(2) == -50
    assert len(play.market.placed) == 2


def test_risk_ends_the_lead_of_an_entry_and_never_its_hedge() -> None:
    play = Play(enter())
    play.quotes()
    play.market.print(1, 99_999, 30)
    play.tell(LegHalted(1, halted=True, at=BEGIN, why="a storm"))
    play.settle()

    assert play.market.held(1) == 30
    assert hedged(play)


def test_risk_does_not_touch_an_exit() -> None:
    play = Play(leave(play_of_entry()))
    play.tell(LegHalted(1, halted=True, at=BEGIN, why="a storm"))
    play.settle()

    assert play.market.held(1) == -100
    assert play.market.held(2) == 50


def play_of_entry() -> tuple[int, int]:
    return 100, -50


def leave(held: tuple[int, int], **options: object) -> PairTrade:
    """Give back what both legs hold; the exchange of the perpetual is short already."""
    made = PairTrade(
        tag="a trade",
        kind=Kind.EXIT,
        lead=Leg(1, "spot", TAGS[0], SPOT, -held[0], closing=True, held=held[0] * SPOT.lot_size),
        follow=Leg(2, "perp", TAGS[1], PERPETUAL, -held[1], held=held[1] * PERPETUAL.lot_size),
        spec=HedgeSpec(),
        begun_at=BEGIN,
        now=BEGIN,
        lead_for=timedelta(seconds=20),
    )
    return replace(made, **options)  # type: ignore[arg-type]


def test_no_lead_trades_into_a_venue_that_is_silent() -> None:
    play = Play(enter(spec=HedgeSpec(passive_for=60), lead_for=timedelta(seconds=30)))
    play.quotes()
    play.market.down.add(2)
    play.pass_time(5)

    assert "perp does not answer" in play.trade.gave_up
    play.pass_time(2)
    assert play.trade.finished
    assert (play.market.held(1), play.market.held(2)) == (0, 0)


def test_a_debt_is_worked_off_where_somebody_answers() -> None:
    play = Play(enter(spec=HedgeSpec(passive_for=60), lead_for=timedelta(seconds=30)))
    play.quotes()
    play.pass_time(1)
    play.market.down.add(2)
    play.pass_time(2)
    play.market.print(1, 99_000, 40)  # the lead is filled just as its follower falls silent
    play.pass_time(70)

    assert play.market.held(2) == 0
    assert play.market.held(1) == 1  # a lot less the fee that spot took: too little to be sold
    assert not play.trade.finished  # what became of the follower's order is not known
    play.market.down.clear()
    play.pass_time()
    assert play.trade.finished, play.trade
    assert hedged(play)


def test_an_order_in_doubt_that_had_traded_is_worked_off_when_that_is_known() -> None:
    play = Play(enter(spec=HedgeSpec(passive_for=0)))
    play.market.faults.extend(["", "lost after"])
    play.market.muted.add(2)
    play.quotes()
    assert (play.market.held(1), play.market.held(2)) == (100, -50)
    play.market.down.add(2)
    play.pass_time(20)
    assert play.market.held(1) == 1  # given back: nobody could tell that it was hedged

    play.market.muted.clear()
    play.settle()
    assert play.market.held(2) == 0


def test_an_exit_waits_for_a_venue_that_is_silent() -> None:
    play = Play(leave((100, -50)))
    play.quotes()
    play.market.down.add(2)
    play.pass_time(60)
    assert play.market.held(1) == 0  # nothing was given back that the other leg could not follow

    play.settle()
    assert (play.market.held(1), play.market.held(2)) == (-100, 50)


def test_an_exit_climbs_to_the_market_if_nobody_comes() -> None:
    play = Play(leave((100, -50)))
    play.quotes()
    play.pass_time(20)

    assert play.trade.finished
    assert play.market.held(1) == -100


@pytest.mark.parametrize("parallel", [False, True])
def test_an_exit_whose_other_leg_falls_silent_is_taken_back_and_goes_on_later(
    parallel: bool,
) -> None:
    trade = leave((100, -50), parallel=parallel, spec=HedgeSpec(passive_for=0))
    play = Play(trade)
    play.market.down.add(2)
    play.quotes()  # the lead has sold by now, and what became of the other's order nobody knows
    assert play.market.held(1) == -100
    play.pass_time(60)

    assert play.market.held(1) == play.trade.lead.traded == 0
    assert not play.trade.finished
    assert max(play.ages) < timedelta(seconds=20)
    play.settle()
    # A lead that had been done is done: what is held is left by another trade.
    assert (play.market.held(1), play.market.held(2)) == ((-100, 50) if parallel else (0, 0))


def test_an_exit_does_not_begin_while_a_venue_is_silent() -> None:
    trade = leave((100, -50), parallel=True, spec=HedgeSpec(passive_for=0))
    old = Quote(Price(999_990), Price(1_000_010), BEGIN - timedelta(minutes=1))
    play = Play(replace(trade, follow=replace(trade.follow, quote=old, silent=True)))
    play.market.down.add(2)
    play.tell(play.market.quote(1, 100_000))
    play.pass_time(30)
    assert (play.market.held(1), play.market.held(2)) == (0, 0)
    play.settle()
    assert (play.market.held(1), play.market.held(2)) == (-100, 50)


def test_in_an_emergency_one_leg_does_not_wait_for_the_other() -> None:
    spec = HedgeSpec(passive_for=0)
    play = Play(leave((100, -50), parallel=True, endangered=2, spec=spec))
    play.market.down.add(1)
    play.quotes()

    assert play.market.held(2) == 50, "the leg that can be closed is"
    assert not play.trade.finished
    play.settle()
    assert play.market.held(1) == -100


def test_a_leg_that_somebody_else_has_closed_is_not_closed_again() -> None:
    trade = leave((100, -50))
    trade = replace(trade, follow=replace(trade.follow, closing=True))
    play = Play(trade)  # at this exchange there is no position: a reduce-only order is refused
    play.settle()

    assert play.trade.follow.gone
    assert play.market.held(2) == 0
    assert play.market.held(1) == -100
    assert any("closed by somebody else" in told for told in play.market.alerts)


def test_no_more_of_it_still_hedges_what_was_done() -> None:
    play = Play(enter())
    play.quotes()
    play.market.print(1, 99_999, 40)
    play.tell(AbortAsked(BEGIN, "enough"))
    play.settle()

    assert play.market.held(1) == 40
    assert hedged(play)


def test_a_hedge_that_became_dearer_than_giving_back_is_given_back() -> None:
    play = Play(enter(spec=HedgeSpec(passive_for=0)))
    play.market.faults.extend(["", "lost before"])
    play.quotes()  # the spot leg trades, the perpetual's order is lost
    play.quotes(perpetual=99_000)  # the basis was 50 and is -1,000 now
    play.tell(LegTold(2, Refused(Refusal(play.market.placed[-1], RefusalReason.ABSENT))))
    play.settle()

    assert hedged(play)


def test_a_follower_with_higher_fees_is_no_reason_to_give_back() -> None:
    """What the follower costs was known when the trade was decided, and is earned by holding."""
    cheap, dear = enter().follow, enter().lead
    lead = replace(cheap, number=1, account="perp", target=50, traded=50, value=50 * 500_000)
    follow = replace(dear, number=2, account="spot", target=-100)
    trade = enter(lead=lead, follow=follow, basis=Decimal(0), stage=Stage.SETTLING)
    lead = replace(lead, quote=Quote(Price(499_999), Price(500_001), BEGIN))
    follow = replace(follow, quote=Quote(Price(4_999_999), Price(5_000_001), BEGIN))
    trade = replace(trade, lead=lead, follow=follow)
    assert lead.instrument.taker_fee < follow.instrument.taker_fee
    assert not unwinding_is_cheaper(trade)
    fallen = replace(follow, quote=Quote(Price(4_970_000), Price(4_970_002), BEGIN))
    assert unwinding_is_cheaper(replace(trade, follow=fallen))


@pytest.mark.parametrize(
    "traded, ticks, decided, slipped",
    [
        (100, 10_001_000, "100000", "1.00000"),  # bought 0.1 at 100,010: 0.1 x 10 too dear
        (-100, 9_999_000, "100000", "1.00000"),  # sold 0.1 at 99,990: 0.1 x 10 too cheap
        (100, 9_999_900, "100000", "-0.10000"),  # a passive order, bought a dollar below
        (0, 0, None, "0"),
    ],
)
def test_slippage_is_what_it_cost_more_than_when_it_was_decided(
    traded: int, ticks: int, decided: str | None, slipped: str
) -> None:
    at = None if decided is None else Decimal(decided)
    leg = Leg(1, "spot", TAGS[0], SPOT, traded, traded=traded, value=traded * ticks, decided=at)
    assert leg.slippage == Decimal(slipped)
    assert replace(leg, traded=1, decided=None).slippage is None


def test_a_late_fill_opens_the_trade_again() -> None:
    play = Play(enter(spec=HedgeSpec(passive_for=60), lead_for=timedelta(seconds=5)))
    play.quotes()
    play.pass_time(10)
    assert play.trade.finished
    order = play.trade.lead.closed[0]
    late = OrderReport(
        order.client_id, "1", SPOT.symbol, Side.BUY, OrderStatus.CANCELED, order.quantity,
        Quantity(20), 20 * 10_000_000, order.price,
    )  # fmt: skip

    done = step(play.trade, LegTold(1, Reported(late)))

    assert done.state.stage is Stage.SETTLING
    assert done.state.debt == Decimal("0.020")


@given(
    faults=st.lists(st.sampled_from(["", "", "refused", "lost before", "lost after"]), max_size=12),
    moves=st.lists(
        st.tuples(
            st.sampled_from(["quote", "time", "print", "down", "up", "halt", "abort", "repeat"]),
            st.integers(1, 2),
            st.integers(-60, 60),
        ),
        max_size=40,
    ),
    kind=st.sampled_from(["enter", "exit", "emergency"]),
    passive=st.integers(0, 3),
    told=st.sampled_from(["streamed", "asked", "asked too late"]),
)
def test_whatever_happens_it_ends_hedged_and_every_order_is_one(
    faults: list[str], moves: list[tuple[str, int, int]], kind: str, passive: int, told: str
) -> None:
    spec = HedgeSpec(passive_for=passive)
    trade = enter(spec=spec) if kind == "enter" else leave((100, -50), spec=spec)
    danger = passive % 3 if kind == "emergency" else 0
    play = Play(replace(trade, parallel=kind == "emergency", endangered=danger))
    play.market.faults.extend(faults)
    play.market.muted = {1, 2} if told != "streamed" else set()  # as the runners do
    play.market.forgetful = told == "asked too late"
    old: list[PairEvent] = []
    for what, leg, size in moves:
        match what:
            case "quote":
                play.tell(play.market.quote(leg, 100_000 + size))
            case "time":
                play.pass_time(abs(size) // 10 + 1)
            case "print":
                play.market.print(leg, 100_000 + size, abs(size) + 1)
                old = play.market.news()
                play.tell(*old)
            case "repeat":  # reports may come twice, and late
                play.tell(*reversed(old))
            case "down":
                play.market.down.add(leg)
            case "up":
                play.market.down.discard(leg)
            case "halt":
                play.tell(LegHalted(1, halted=size > 0, at=play.market.now))
            case _:
                play.tell(AbortAsked(play.market.now, "enough"))
    play.settle()

    assert hedged(play)
    assert play.trade.lead.traded == play.market.held(1)
    assert play.trade.follow.traded == play.market.held(2)


@pytest.mark.parametrize(
    "seconds, rung",
    [(0, Rung.PASSIVE), (2, Rung.PASSIVE), (3, Rung.CROSS), (8, Rung.WIDE), (18, Rung.MARKET)],
)
def test_the_ladder_is_climbed_with_the_age(seconds: int, rung: Rung) -> None:
    """3 s passive, then 5 s across, then 10 s wide, then market."""
    assert HedgeSpec().rung(timedelta(seconds=seconds)) is rung


def test_limits_of_the_rungs() -> None:
    """100,000.0 x 1.0005 = 100,050; 99,990 x 0.995 = 99,490.05, down to the tick below."""
    spec, bid, ask = HedgeSpec(), Price(999_900), Price(1_000_000)

    assert spec.limit(Rung.PASSIVE, Side.BUY, bid, ask) == bid
    assert spec.limit(Rung.CROSS, Side.BUY, bid, ask) == Price(1_000_500)
    assert spec.limit(Rung.WIDE, Side.SELL, bid, ask) == Price(994_900)
    assert spec.limit(Rung.MARKET, Side.SELL, bid, ask) is None


def test_legs_that_trade_the_same_way_are_no_pair() -> None:
    with pytest.raises(InvalidValueError, match="against each other"):
        enter(follow=Leg(2, "perp", TAGS[1], PERPETUAL, 50))


def test_look_ups_and_cancels_of_unknown_orders_are_asked_again() -> None:
    play = Play(enter())
    play.market.down.add(1)
    play.quotes()

    done = step(play.trade, TimePassed(BEGIN + SECOND))

    assert [type(each.action) for each in done.actions if isinstance(each, OnLeg)] == [LookUp]


@pytest.mark.parametrize("unknown, canceling", [(True, False), (False, True), (False, False)])
def test_an_order_that_was_seen_and_that_the_venue_has_forgotten_is_over(
    unknown: bool,
    canceling: bool,
) -> None:
    """Venues forget what was canceled unfilled, one within hours; who asks too late finds none."""
    play = Play(enter(spec=HedgeSpec(passive_for=5), lead_for=timedelta(seconds=60)))
    play.quotes()
    play.market.print(1, 99_999, 40)
    play.tell()
    follow = play.trade.follow
    assert follow.order is not None
    doubted = replace(follow.order, unknown=unknown, canceling=canceling)
    trade = play.trade.with_leg(replace(follow, order=doubted))
    absent = Refusal(follow.order.client_id, RefusalReason.ABSENT)

    after = step(trade, LegTold(2, Refused(absent))).state.follow

    if not (
        unknown or canceling
    ):  # nobody asked for it: an answer that is older than what is known
        assert after.order == follow.order
        return
    assert after.order is not None
    assert after.order.client_id != follow.order.client_id  # what is not hedged is, by another one
    assert after.knows(follow.order.client_id)


def test_an_order_whose_look_up_failed_once_is_found_again_where_it_was() -> None:
    """It rests as it did before: that is no news of the order, but the end of the doubt."""
    play = Play(enter(spec=HedgeSpec(passive_for=5), lead_for=timedelta(seconds=60)))
    play.quotes()
    play.market.print(1, 99_999, 40)
    play.tell()
    resting = play.trade.follow.order
    assert resting is not None
    assert resting.rank > 0
    play.market.down.add(2)
    play.pass_time()
    assert play.trade.follow.order == replace(resting, unknown=True)
    play.market.down.clear()
    play.pass_time()
    assert play.trade.follow.order == resting
    play.pass_time(10)  # nobody takes it where it is
    assert hedged(play)
