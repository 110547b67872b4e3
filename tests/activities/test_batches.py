"""The order desk at venues that take several orders by one request: still each exactly once.

The venues are the local exchange behind their own protocols, and their real clients.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from activities.gate import SizeGate
from activities.orders import OrderDesk
from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from activities.store.migrations import upgrade
from activities.venues.ccxt.registry import quirks_of
from activities.venues.ccxt.venue import CcxtVenue
from domain.grid.events import Cancel, GridEvent, LookUp, Place, Reported
from domain.money import MarketKind, Price, Quantity
from domain.order_ids import OrderKey, Purpose, encode, run_tag
from domain.orders import OrderReport, OrderRequest, Outcome, Side
from tests.activities.wire import Clock, told
from tests.contract.bench import PERPETUAL, SPOT, UNHURRIED, Bench, credentials, opened
from workers.exchange.faults import FaultRule

TAG = run_tag("a run")
ALL = pytest.mark.parametrize("desk", ["binance", "bitget", "bybit", "gate", "okx"], indirect=True)
#: One whose ladders take several requests, and one whose answers tell an id only.
TWO = pytest.mark.parametrize("desk", ["binance", "okx"], indirect=True)


class DiedError(BaseException):
    """The process is killed here."""


@dataclass
class Wire:
    """The way to a venue: it writes down what leaves, and whether each order had its marker."""

    venue: CcxtVenue
    ledger: Ledger
    calls: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    unmarked: list[str] = field(default_factory=list)
    #: Where the process dies: before a batch leaves, or once its answer is there.
    dies: str = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.venue, name)

    async def place(self, request: OrderRequest) -> Any:
        await self._note("place", [request])
        return await self.venue.place(request)

    async def place_batch(self, requests: Sequence[OrderRequest]) -> Sequence[Outcome]:
        await self._note("place_batch", requests)
        self._perhaps_die("before")
        answer = await self.venue.place_batch(requests)
        self._perhaps_die("after")
        return answer

    async def cancel(self, symbol: str, client_id: str) -> OrderReport | None:
        self.calls.append(("cancel", (client_id,)))
        return await self.venue.cancel(symbol, client_id)

    async def cancel_batch(
        self, symbol: str, client_ids: Sequence[str]
    ) -> Sequence[OrderReport | None]:
        self.calls.append(("cancel_batch", tuple(client_ids)))
        return await self.venue.cancel_batch(symbol, client_ids)

    async def look_up(self, symbol: str, client_id: str) -> OrderReport | None:
        self.calls.append(("look_up", (client_id,)))
        return await self.venue.look_up(symbol, client_id)

    async def _note(self, name: str, requests: Sequence[OrderRequest]) -> None:
        self.calls.append((name, tuple(request.client_id for request in requests)))
        for request in requests:
            stored = await self.ledger.order(request.client_id)
            if stored is None or stored.sent_at is None:
                self.unmarked.append(request.client_id)

    def _perhaps_die(self, where: str) -> None:
        if self.dies == where:
            self.dies = ""
            raise DiedError


@dataclass
class Desk:
    """An order desk, and the exchange behind the wire."""

    bench: Bench
    wire: Wire
    ledger: Ledger
    clock: Clock
    orders: OrderDesk

    async def do(self, *actions: Any) -> list[GridEvent]:
        instrument = PERPETUAL if self.bench.kind is MarketKind.PERPETUAL else SPOT
        return await self.orders.submit(instrument, actions)

    def restarted(self) -> None:
        """Give the desk the memory of a process that just began."""
        self.orders = OrderDesk("alice", self.wire, self.ledger, SizeGate(), self.clock)

    def order(self, generation: int, lots: int = 10, **changes: Any) -> OrderRequest:
        """Return an entry that rests below the price, the lower the later."""
        price = Price(9900 - 10 * generation)
        name = encode(OrderKey(TAG, Purpose.ENTRY_BUY, price.ticks, generation))
        values: dict[str, Any] = {"symbol": self.bench.symbol, "post_only": True} | changes
        return OrderRequest(name, side=Side.BUY, quantity=Quantity(lots), price=price, **values)

    def ladder(self, first: int, last: int) -> list[OrderRequest]:
        return [self.order(generation) for generation in range(first, last + 1)]

    def left(self, what: str) -> list[str]:
        """Return the client ids of the calls of one kind, in order."""
        return [each for name, ids in self.wire.calls if name == what for each in ids]

    def taken(self) -> list[str]:
        """Return the client ids of all orders that the exchange ever took, in its own order."""
        exchange, account = self.bench.exchange.host.exchange, self.bench.exchange.host.account
        reports = exchange.reports_after(account("alice"), 0)
        return list(dict.fromkeys(report.client_id for _, report in reports))

    def fail(self, *rules: tuple[str, str]) -> None:
        plan = [FaultRule.model_validate({"method": m, "kind": k}) for m, k in rules]
        self.bench.exchange.plan.set(plan)


@asynccontextmanager
async def desk_at(name: str, kind: MarketKind, path: Path) -> AsyncIterator[Desk]:
    """Yield a desk that has sent its first order, so that it looks nothing up without a reason."""
    url = sqlite_url(path / "ledger.db")
    upgrade(url)
    async with opened(name, kind, path / "exchange") as bench, Ledger.open(url) as ledger:
        bench.advance(1)
        async with patient(name, bench) as bench.venue:
            wire, clock = Wire(bench.venue, ledger), Clock()
            orders = OrderDesk("alice", wire, ledger, SizeGate(), clock)
            desk = Desk(bench, wire, ledger, clock, orders)
            assert told(await desk.do(Place(desk.order(0)))) == ["open"]
            wire.calls.clear()
            yield desk


def patient(name: str, bench: Bench) -> CcxtVenue:
    """Return a client that also waits for a machine with other things to do."""
    return CcxtVenue(
        quirks_of(name, bench.kind),
        credentials("alice"),
        local=bench.local,
        orders=UNHURRIED,
        timeout=timedelta(seconds=20),
    )


@pytest.fixture(name="desk")
async def _desk(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk_at(request.param, MarketKind.PERPETUAL, tmp_path) as desk:
        yield desk


def ids(requests: Sequence[OrderRequest]) -> list[str]:
    return [request.client_id for request in requests]


def sizes(orders: int, most: int) -> list[int]:
    """Return how many orders each request has."""
    return [min(most, orders - start) for start in range(0, orders, most)]


# --- batches ---------------------------------------------------------------------------------


@ALL
async def test_a_ladder_leaves_by_few_requests_in_its_order_after_all_its_markers(
    desk: Desk,
) -> None:
    ladder = desk.ladder(1, 12)
    events = await desk.do(*map(Place, ladder))
    assert told(events) == ["open"] * 12
    assert [event.report.client_id for event in events if isinstance(event, Reported)] == ids(
        ladder
    )
    most = desk.bench.venue.place_batch_of
    assert [len(batch) for _, batch in desk.wire.calls] == sizes(12, most)
    assert [each for name, batch in desk.wire.calls for each in batch] == ids(ladder)
    assert desk.wire.unmarked == []
    assert desk.taken()[1:] == ids(ladder)


@ALL
async def test_a_new_center_cancels_by_one_request_before_it_places(desk: Desk) -> None:
    old, new = desk.ladder(1, 4), desk.ladder(5, 8)
    await desk.do(*map(Place, old))
    desk.wire.calls.clear()
    cancels = [Cancel(each.symbol, each.client_id, "") for each in old]
    events = await desk.do(*map(Place, new), *cancels)
    assert told(events) == ["canceled"] * 4 + ["open"] * 4
    assert [each for _, batch in desk.wire.calls for each in batch] == ids(old) + ids(new)
    if desk.bench.venue.cancel_batch_of > 1:  # Gate has such a request for coins only
        assert desk.wire.calls[0] == ("cancel_batch", tuple(ids(old)))
    host = desk.bench.exchange.host
    working = host.exchange.open_orders(host.account("alice"), desk.bench.symbol)
    assert {report.client_id for report in working} == {desk.order(0).client_id, *ids(new)}


@ALL
async def test_one_refused_order_of_a_batch_leaves_the_others_be(desk: Desk) -> None:
    ladder = [desk.order(1), desk.order(2, lots=10_000_000), desk.order(3)]
    events = await desk.do(*map(Place, ladder))
    assert [word == "open" for word in told(events)] == [True, False, True]
    stored = await desk.ledger.orders(ids(ladder))
    assert [stored[each].status for each in ids(ladder)] == ["open", "refused", "open"]


@TWO
async def test_a_filled_and_a_missing_order_in_a_batch_of_cancels_are_told_apart(
    desk: Desk,
) -> None:
    await desk.do(*map(Place, desk.ladder(1, 2)))
    desk.bench.advance(3)  # the price falls to 990, and through both
    desk.fail(("rest.place_batch", "drop_connection"))
    await desk.do(*map(Place, desk.ladder(3, 4)))
    desk.fail()
    desk.clock.passes(desk.bench.venue.arrival_limit.total_seconds() + 1)
    named = [desk.order(0), *desk.ladder(1, 4)]
    events = await desk.do(*(Cancel(each.symbol, each.client_id, "") for each in named))
    assert told(events)[-2:] == ["absent", "absent"]
    assert set(told(events)[:-2]) <= {"filled", "canceled"}


# --- answers that do not come ----------------------------------------------------------------


@ALL
async def test_the_lost_answer_to_a_whole_batch_is_settled_order_by_order(desk: Desk) -> None:
    ladder = desk.ladder(1, 4)
    desk.fail(("rest.place_batch", "lost_answer"))
    events = await desk.do(*map(Place, ladder))
    assert told(events) == ["open"] * 4
    assert desk.left("look_up") == ids(ladder)
    assert desk.taken()[1:] == ids(ladder)


@TWO
async def test_orders_of_a_lost_batch_are_absent_only_when_they_can_no_longer_arrive(
    desk: Desk,
) -> None:
    ladder = desk.ladder(1, 3)
    desk.fail(("rest.place_batch", "drop_connection"))
    assert told(await desk.do(*map(Place, ladder))) == ["unknown"] * 3
    desk.fail()
    look_ups = [LookUp(each.symbol, each.client_id) for each in ladder]
    assert told(await desk.do(*look_ups)) == ["unknown"] * 3
    desk.clock.passes(desk.bench.venue.arrival_limit.total_seconds() + 1)
    assert told(await desk.do(*look_ups)) == ["absent"] * 3
    # Under their old ids they are never sent again; the engine gives them others.
    desk.wire.calls.clear()
    assert told(await desk.do(*map(Place, ladder))) == ["absent"] * 3
    assert desk.left("place_batch") == []
    assert told(await desk.do(*map(Place, desk.ladder(4, 6)))) == ["open"] * 3


@TWO
async def test_a_venue_that_has_gone_silent_is_not_asked_for_each_order(desk: Desk) -> None:
    ladder = desk.ladder(1, 5)
    desk.fail(("rest.place_batch", "lost_answer"), ("rest.order", "server_error"))
    assert told(await desk.do(*map(Place, ladder))) == ["unknown"] * 5
    assert desk.left("look_up") == ids(ladder)[:1]


@TWO
async def test_the_lost_answer_to_a_batch_of_cancels_leaves_all_unknown(desk: Desk) -> None:
    ladder = desk.ladder(1, 3)
    await desk.do(*map(Place, ladder))
    desk.fail(("rest.cancel_batch", "lost_answer"))
    events = await desk.do(*(Cancel(each.symbol, each.client_id, "") for each in ladder))
    assert told(events) == ["unknown"] * 3
    desk.fail()
    look_ups = [LookUp(each.symbol, each.client_id) for each in ladder]
    assert told(await desk.do(*look_ups)) == ["canceled"] * 3


@TWO
async def test_a_batch_that_was_told_to_slow_down_is_sent_once_more(desk: Desk) -> None:
    ladder = desk.ladder(1, 4)
    slow = {"method": "rest.place_batch", "kind": "rate_limit", "count": 1, "delay": "PT1S"}
    desk.bench.exchange.plan.set([FaultRule.model_validate(slow)])
    assert told(await desk.do(*map(Place, ladder))) == ["open"] * 4
    assert desk.left("place_batch") == ids(ladder) * 2
    assert desk.taken()[1:] == ids(ladder)


# --- crashes ---------------------------------------------------------------------------------


@TWO
async def test_a_crash_between_the_markers_and_the_batch_sends_nothing_twice(desk: Desk) -> None:
    ladder = desk.ladder(1, 4)
    desk.wire.dies = "before"
    with pytest.raises(DiedError):
        await desk.do(*map(Place, ladder))
    assert set(await desk.ledger.orders(ids(ladder))) == set(ids(ladder))
    desk.restarted()
    desk.wire.calls.clear()
    # As far as anybody knows they may be on their way.
    assert told(await desk.do(*map(Place, ladder))) == ["unknown"] * 4
    desk.clock.passes(desk.bench.venue.arrival_limit.total_seconds() + 1)
    look_ups = [LookUp(each.symbol, each.client_id) for each in ladder]
    assert told(await desk.do(*look_ups)) == ["absent"] * 4
    assert desk.left("place_batch") == []
    assert desk.taken() == [desk.order(0).client_id]


@TWO
async def test_a_crash_after_the_batch_finds_every_order_of_it(desk: Desk) -> None:
    ladder = desk.ladder(1, 4)
    desk.wire.dies = "after"
    with pytest.raises(DiedError):
        await desk.do(*map(Place, ladder))
    desk.restarted()
    desk.wire.calls.clear()
    assert told(await desk.do(*map(Place, ladder))) == ["open"] * 4
    assert desk.left("place_batch") == []
    assert desk.taken()[1:] == ids(ladder)


@TWO
async def test_what_an_unremembered_batch_has_sent_comes_to_light_before_another_one_leaves(
    desk: Desk,
) -> None:
    desk.wire.dies = "after"
    with pytest.raises(DiedError):
        await desk.do(*map(Place, desk.ladder(1, 4)))
    desk.restarted()
    desk.wire.calls.clear()
    name = encode(OrderKey(TAG, Purpose.ENTRY_BUY, 9000, 2))
    changed = replace(desk.order(2), client_id=name, price=Price(9000))
    events = await desk.do(Place(desk.order(1)), Place(changed))
    assert told(events) == ["open", "surfaced"]
    assert desk.left("place_batch") == desk.left("place") == []


# --- batches that cannot be ------------------------------------------------------------------


@TWO
async def test_an_order_that_spoils_its_batch_is_found_by_sending_each_alone(desk: Desk) -> None:
    spoils = desk.order(2, symbol="NOTHING/USDT:USDT")
    events = await desk.do(Place(desk.order(1)), Place(spoils), Place(desk.order(3)))
    assert told(events) == ["open", "invalid", "open"]
    assert desk.left("place") == [desk.order(n).client_id for n in (1, 2, 3)]


async def test_a_venue_without_batches_gets_one_order_at_a_time_in_their_order(
    tmp_path: Path,
) -> None:
    async with desk_at("binance", MarketKind.SPOT, tmp_path) as desk:
        ladder = desk.ladder(1, 4)
        assert told(await desk.do(*map(Place, ladder))) == ["open"] * 4
        assert desk.wire.calls == [("place", (each,)) for each in ids(ladder)]
        events = await desk.do(*(Cancel(each.symbol, each.client_id, "") for each in ladder))
        assert told(events) == ["canceled"] * 4
        assert desk.left("cancel") == ids(ladder)
