"""Whatever the venue and the network do, in whatever order: the books agree in the end."""

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pydantic import TypeAdapter

from domain.grid.config import GridConfig
from domain.grid.decide import SLACK, skewed_center
from domain.grid.engine import check_reconfigure, step
from domain.grid.events import (
    Alert,
    Cancel,
    FeedChanged,
    GridAction,
    GridEvent,
    LookUp,
    PauseAsked,
    Place,
    PriceMoved,
    ReconfigureAsked,
    Refused,
    Reported,
    ResumeAsked,
    Resync,
    Resynced,
    RiskChanged,
    StopAsked,
    TimePassed,
    VolatilityMeasured,
)
from domain.grid.slot import SlotState
from domain.grid.spec import StopMode
from domain.grid.state import GridState, Phase, begin
from domain.money import Price
from domain.order_ids import decode
from domain.orders import OrderReport, OrderStatus, Refusal, RefusalReason
from tests.domain.grid.harness import (
    SPOT,
    T0,
    TAG,
    Venue,
    absent,
    configured,
    earned,
    held,
    refused,
    unknown,
)

STATES = TypeAdapter(GridState)

CONFIGS: dict[str, GridConfig] = {
    "spot": configured(SPOT),
    "long": configured(skew={"factor": "0.5", "max_levels": 2}),
    "short": configured(direction="short"),
    "neutral": configured(direction="neutral", order_budget=5),
    "taker": configured(direction="neutral", post_only={"then": "taker", "retries": 1}),
    "geometric": configured(spacing="geometric", step_percent="1", buy_window=5),
    "range": configured(range={"lower": "950", "upper": "1050", "levels": 8}, direction="neutral"),
    "bounded": configured(bounds={"lower": "960", "upper": "1040"}, direction="neutral"),
    "adaptive": configured(SPOT, adaptive={"scale": "1"}),
    "alarmed": configured(
        stop_loss={"price": "900"}, take_profit={"price": "1100", "then": "keep"}
    ),
    "triggered": configured(trigger_price="1005"),
    # so small that a part of a fill is less than the venue would take back
    "tiny": configured(SPOT, amount="6.1"),
}


class GridMachine(RuleBasedStateMachine):
    """The engine, a venue, and a network between them that loses, repeats and reorders."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox: list[GridAction] = []  # asked for, not yet done
        self.news: list[GridEvent] = []  # on its way to us
        self.told: list[OrderReport] = []  # heard before
        self.snapshots: list[GridState] = []
        self.ids: Counter[str] = Counter()
        self.seen_generation = 0

    @initialize(name=st.sampled_from(sorted(CONFIGS)))
    def begins(self, name: str) -> None:
        self.config = CONFIGS[name]
        self.venue = Venue(self.config.instrument, 10_000)
        self.state = begin(self.config, TAG)
        self.tell(FeedChanged(live=True, at=T0))
        self.tell(PriceMoved(Price(10_000), T0))

    def tell(self, event: GridEvent) -> None:
        before = self.state
        decided = step(self.state, event)
        self.state = decided.state
        for action in decided.actions:
            if isinstance(action, Place):
                self.ids[action.request.client_id] += 1
                assert self.may_send(before, action), f"{action} in {self.state.phase}"
        if isinstance(event, Reported):
            self.told.append(event.report)
        self.outbox += [a for a in decided.actions if not isinstance(a, Alert)]

    def may_send(self, before: GridState, place: Place) -> bool:
        state = self.state
        entries_flow = state.phase is Phase.RUNNING and state.feed_live and not state.halted
        return state.synced and (entries_flow or not place.request.entry)

    # --- the market

    @rule(ticks=st.integers(8_900, 11_100), full=st.booleans())
    def price_moves(self, ticks: int, full: bool) -> None:
        self.venue.price = ticks
        for order in self.venue.reached():
            lots = order.leaves if full else max(order.leaves // 2, 1)
            self.news.append(Reported(self.venue.fill(order, lots)))
        self.tell(PriceMoved(Price(ticks), T0))

    @rule(by=st.integers(-150, 150))
    def price_drifts(self, by: int) -> None:
        self.price_moves(max(self.venue.price + by, 8_000), full=True)

    @rule(data=st.data(), share=st.integers(1, 4))
    def somebody_trades_with_us(self, data: st.DataObject, share: int) -> None:
        working = self.venue.working()
        if not working:
            return
        order = data.draw(st.sampled_from(working))
        self.news.append(Reported(self.venue.fill(order, max(order.leaves // share, 1))))

    # --- the venue and the network

    def take(self, data: st.DataObject) -> Place | Cancel | LookUp | Resync:
        first = [a for a in self.outbox if isinstance(a, Place | Cancel | LookUp | Resync)]
        action = data.draw(st.sampled_from(first[:3]))
        self.outbox.remove(action)
        return action

    @precondition(lambda self: self.outbox)
    @rule(data=st.data())
    def venue_answers(self, data: st.DataObject) -> None:
        action = self.take(data)
        if isinstance(action, LookUp) and self.is_on_its_way(action.client_id):
            self.outbox.append(action)  # absence is proof only when nothing can arrive any more
            return
        self.news += self.answers(action)

    @precondition(lambda self: self.outbox)
    @rule(data=st.data(), arrives=st.booleans())
    def answer_is_lost(self, data: st.DataObject, arrives: bool) -> None:
        action = self.take(data)
        if isinstance(action, Resync):
            self.outbox.append(action)
            return
        if isinstance(action, LookUp):
            self.news.append(unknown(action.client_id))
            return
        if arrives:
            self.answers(action)
        client_id = action.request.client_id if isinstance(action, Place) else action.client_id
        self.news.append(unknown(client_id))

    @precondition(lambda self: self.outbox)
    @rule(
        data=st.data(),
        reason=st.sampled_from(
            [
                RefusalReason.INSUFFICIENT_FUNDS,
                RefusalReason.RISK,
                RefusalReason.WOULD_CROSS,
                RefusalReason.OTHER,
            ]
        ),
    )
    def venue_refuses(self, data: st.DataObject, reason: RefusalReason) -> None:
        action = self.take(data)
        if isinstance(action, Place) and action.request.client_id not in self.venue.orders:
            self.news.append(refused(action.request.client_id, reason))
        else:
            self.outbox.append(action)

    @rule(
        data=st.data(),
        status=st.sampled_from([OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED]),
        crossing=st.booleans(),
    )
    def venue_ends_an_order(self, data: st.DataObject, status: OrderStatus, crossing: bool) -> None:
        working = self.venue.working()
        if not working:
            return
        order = data.draw(st.sampled_from(working))
        self.venue.end(order, status, RefusalReason.WOULD_CROSS if crossing else None)
        self.news.append(Reported(order.report()))

    @precondition(lambda self: self.news)
    @rule(data=st.data(), again=st.booleans())
    def news_arrives_in_any_order(self, data: st.DataObject, again: bool) -> None:
        event = data.draw(st.sampled_from(self.news))
        if not again or not isinstance(event, Reported):
            self.news.remove(event)
        self.tell(event)

    @rule()
    def all_news_arrives(self) -> None:
        news, self.news = self.news, []
        for event in news:
            self.tell(event)

    @rule(data=st.data())
    def some_news_is_lost(self, data: st.DataObject) -> None:
        reports = [event for event in self.news if isinstance(event, Reported)]
        if reports:
            self.news.remove(data.draw(st.sampled_from(reports)))

    @precondition(lambda self: self.told)
    @rule(data=st.data())
    def old_news_changes_nothing(self, data: st.DataObject) -> None:
        report = data.draw(st.sampled_from(self.told))
        doubtful = {order.client_id for order in self.state.working() if order.unknown}
        if report.client_id in doubtful:
            return
        decided = step(self.state, Reported(report))
        assert decided.state == self.state
        assert decided.actions == ()

    # --- people and circumstances

    @rule()
    def time_passes(self) -> None:
        self.tell(TimePassed(T0))

    @rule(live=st.booleans())
    def feed_flaps(self, live: bool) -> None:
        self.tell(FeedChanged(live=live, at=T0))

    @rule(halted=st.booleans())
    def risk_flips(self, halted: bool) -> None:
        self.tell(RiskChanged(halted=halted, at=T0, why="a test"))

    @rule(atr=st.integers(50, 400))
    def volatility_turns(self, atr: int) -> None:
        self.tell(VolatilityMeasured(Decimal(atr), T0))

    @rule()
    def somebody_pauses(self) -> None:
        self.tell(PauseAsked(T0))

    @rule()
    def somebody_resumes(self) -> None:
        self.tell(ResumeAsked(T0))

    @precondition(lambda self: len(self.ids) > 8)
    @rule(mode=st.sampled_from(StopMode), really=st.integers(0, 3))
    def somebody_stops(self, mode: StopMode, really: int) -> None:
        if really == 0 or self.state.phase is Phase.STOPPING:
            self.tell(StopAsked(mode, T0))

    @rule(
        changes=st.fixed_dictionaries(
            {},
            optional={
                "amount": st.sampled_from(["100", "150"]),
                "order_budget": st.integers(2, 9),
                "buy_window": st.integers(1, 6),
                "sell_window": st.integers(1, 6),
                "bounds": st.sampled_from([{}, {"lower": "980"}]),
                "trigger_price": st.sampled_from([None, "990"]),
                "skew": st.sampled_from([None, {"factor": "1", "max_levels": 1}]),
            },
        ),
        interval=st.sampled_from([None, "5", "20"]),
    )
    def somebody_reconfigures(self, changes: dict[str, Any], interval: str | None) -> None:
        spec = self.state.config.spec.model_dump(mode="json")
        if spec["range"] is not None:
            changes.pop("bounds", None)
        if interval and spec["interval"] is not None:
            changes["interval"] = interval
        config = configured(self.config.instrument, **{**spec, **changes})
        if self.state.phase not in (Phase.STOPPING, Phase.FINISHED):
            check_reconfigure(self.state, config)
        self.tell(ReconfigureAsked(config, T0))

    @rule()
    def a_checkpoint_is_flushed(self) -> None:
        if not self.state.finished:
            self.snapshots = [*self.snapshots[-2:], self.state]

    @precondition(lambda self: self.snapshots)
    @rule(data=st.data())
    def power_is_lost(self, data: st.DataObject) -> None:
        self.state = data.draw(st.sampled_from(self.snapshots))
        self.snapshots = [s for s in self.snapshots if s.generation <= self.state.generation]
        self.seen_generation = self.state.generation
        self.outbox, self.news, self.told = [], [], []
        self.ids.clear()  # an order of before is found again, or never arrived
        self.tell(FeedChanged(live=True, at=T0))

    @rule()
    def a_worker_dies(self) -> None:
        """What was asked for is done again from the start: the same orders, the same ids."""
        self.state = STATES.validate_json(STATES.dump_json(self.state))
        self.outbox = [*self.outbox, *(a for a in self.outbox if isinstance(a, Place | Cancel))]

    # --- what the venue does

    def is_on_its_way(self, client_id: str) -> bool:
        return any(isinstance(a, Place) and a.request.client_id == client_id for a in self.outbox)

    def answers(self, action: GridAction) -> list[GridEvent]:
        match action:
            case Place(request):
                said = self.venue.place(request)
                return [Refused(said) if isinstance(said, Refusal) else Reported(said)]
            case Cancel(_, client_id):
                report = self.venue.cancel(client_id)
                return [Reported(report) if report else absent(client_id)]
            case LookUp(_, client_id):
                order = self.venue.orders.get(client_id)
                return [Reported(order.report()) if order else absent(client_id)]
            case Resync():
                reports = tuple(order.report() for order in self.venue.orders.values())
                return [Resynced(reports, T0)]
        return []

    # --- what holds at every moment

    @invariant()
    def a_slot_works_an_order_exactly_while_pending_or_locked(self) -> None:
        for slot in self.state.slots.values() if hasattr(self, "state") else ():
            assert (slot.order is not None) == (slot.state is not SlotState.FREE)

    @invariant()
    def orders_are_named_once_and_decode_to_their_slot(self) -> None:
        assert all(times == 1 for times in self.ids.values())
        for key, slot in self.state.slots.items() if hasattr(self, "state") else ():
            named = decode(slot.order.client_id) if slot.order else None
            assert named is None or (named.key == key == slot.entry.ticks)

    @invariant()
    def generations_never_go_down(self) -> None:
        if hasattr(self, "state"):
            assert self.state.generation >= self.seen_generation
            self.seen_generation = self.state.generation

    @invariant()
    def the_books_balance_whatever_the_mark(self) -> None:
        if hasattr(self, "state") and self.state.price is not None:
            flat = held(self.state) == 0
            if flat:  # then nothing floats
                assert earned(self.state, 1) == earned(self.state, 10_000)

    @rule()
    def a_stored_state_is_the_same_and_goes_on_the_same(self) -> None:
        again = STATES.validate_json(STATES.dump_json(self.state))
        assert again == self.state
        for event in (PriceMoved(Price(9_333), T0), StopAsked(StopMode.CLOSE, T0)):
            assert step(again, event) == step(self.state, event)

    # --- what holds once everything is delivered

    @rule()
    def it_all_comes_right_in_the_end(self) -> None:
        self.settle()
        self.check_settled()

    def settle(self) -> None:
        self.tell(FeedChanged(live=True, at=T0))
        for _ in range(60):
            while self.outbox or self.news:
                news, self.news = self.news, []
                for event in news:
                    self.tell(event)
                outbox, self.outbox = self.outbox, []
                for place in [a for a in outbox if not isinstance(a, LookUp)]:
                    self.news += self.answers(place)
                for look_up in [a for a in outbox if isinstance(a, LookUp)]:
                    self.news += self.answers(look_up)
                assert sum(self.ids.values()) < 3_000, "a hot loop"
            before = self.state
            self.tell(TimePassed(T0))
            self.tell(PriceMoved(Price(self.venue.price), T0))
            if not self.outbox and not self.news and self.state == before:
                return
        raise AssertionError(f"it never settles: {self.outbox}")

    def check_settled(self) -> None:
        state, venue = self.state, self.venue
        if state.finished and state.stop_mode is StopMode.KEEP:
            return  # its orders are somebody else's now
        ours = {order.client_id for order in state.working()}
        assert ours == {order.request.client_id for order in venue.working()}
        assert held(state) == venue.base
        assert earned(state, venue.price) == venue.worth(venue.price)
        assert state.finished or state.phase is not Phase.STOPPING
        if state.finished:
            return
        instrument = state.config.instrument
        for slot in state.slots.values():
            assert not slot.leaving(instrument) or slot.order is not None
        entries = [slot for slot in state.slots.values() if slot.entering]
        assert len(entries) <= state.config.spec.order_budget
        if state.phase is not Phase.RUNNING or state.halted:
            assert not entries
        for slot in entries:
            assert state.lattice is not None
            level = state.lattice.at_or_below(slot.entry)
            assert state.lattice.price(level) == slot.entry
            away = (skewed_center(state) - level) * slot.side.sign
            assert away <= state.config.window(slot.side) + SLACK
        self.check_refills()

    def check_refills(self) -> None:
        """The next price is quiet or a decision; asking again decides nothing new."""
        decided = step(replace(self.state), TimePassed(T0))
        assert decided.state == self.state
        assert decided.actions == ()

    def teardown(self) -> None:
        if hasattr(self, "state"):
            self.settle()
            self.check_settled()


def test_whatever_happens_the_books_agree_in_the_end() -> None:
    run_state_machine_as_test(
        GridMachine,
        settings=settings(max_examples=4 * settings().max_examples, stateful_step_count=80),
    )
