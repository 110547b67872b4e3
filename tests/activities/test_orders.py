"""The order desk: each order exists once, whatever breaks between deciding and knowing."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from activities.gate import SizeGate
from domain.errors import (
    AuthenticationError,
    ClockSkewError,
    InvalidValueError,
    NotSentError,
    RateLimitedError,
    UnknownOutcomeError,
    VenueUnavailableError,
)
from domain.grid.events import Place, Refused, Reported, Surfaced
from domain.money import Quantity
from domain.orders import OrderReport, OrderStatus
from tests.activities.wire import (
    Desk,
    cancel,
    client_id,
    desk_at,
    leave,
    look_up,
    order,
    told,
)


@pytest.fixture(name="desk")
async def _desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """A desk that has sent its first batch."""
    async with desk_at(tmp_path / "ledger.db") as desk:
        await desk.warm()
        yield desk


def limited(seconds: float) -> RateLimitedError:
    return RateLimitedError("slow down", retry_after=timedelta(seconds=seconds))


# --- the marker comes first ------------------------------------------------------------------


async def test_the_marker_is_on_disk_before_the_order_leaves(desk: Desk) -> None:
    requests = [order(n, price=59_900 - n) for n in range(1, 21)]
    events = await desk.do(*map(Place, requests))
    assert told(events) == ["open"] * 20
    assert desk.wire.marked == {request.client_id: True for request in requests}
    assert desk.working() >= {request.client_id for request in requests}


async def test_the_same_batch_again_places_nothing_twice(desk: Desk) -> None:
    batch = [Place(order(1)), Place(order(2, price=59_800))]
    first = await desk.do(*batch)
    desk.wire.calls.clear()
    assert await desk.do(*batch) == first
    assert desk.calls("place") == []
    assert desk.calls("look_up") == [client_id(1), client_id(2, key=59_800)]


async def test_a_batch_that_died_in_the_middle_is_finished_not_repeated(desk: Desk) -> None:
    """The process dies after the first of three orders; another one does the batch again."""
    batch = [Place(order(n, price=60_000 - 100 * n)) for n in (1, 2, 3)]
    desk.wire.before = [None, KeyboardInterrupt()]  # type: ignore[list-item]  # kills the desk
    with pytest.raises(KeyboardInterrupt):
        await desk.do(*batch)
    desk.restarted()
    desk.wire.calls.clear()
    events = await desk.do(*batch)
    # The second and third may be on their way as far as anybody knows: not sent again.
    assert told(events) == ["open", "unknown", "unknown"]
    assert desk.calls("place") == []
    desk.clock.passes(2.5)
    events = await desk.do(look_up(order(2, price=59_800)), look_up(order(3, price=59_700)))
    assert told(events) == ["absent", "absent"]


async def test_the_first_batch_of_a_process_is_looked_up_even_without_markers(
    tmp_path: Path,
) -> None:
    """Power was lost: the order is at the venue, its marker never reached the disk."""
    async with desk_at(tmp_path / "ledger.db") as desk:
        lost = order(1)
        await desk.wire.venue.place(lost)
        desk.wire.calls.clear()
        events = await desk.do(Place(lost), Place(order(2, price=59_800)))
        assert told(events) == ["open", "open"]
        assert desk.calls("look_up") == [lost.client_id, client_id(2, key=59_800)]
        assert desk.calls("place") == [client_id(2, key=59_800)]
        desk.wire.calls.clear()
        await desk.do(Place(order(3, price=59_700)))
        assert desk.calls("look_up") == []


# --- what nobody remembers -------------------------------------------------------------------


async def test_what_an_unremembered_decision_has_sent_comes_to_light_before_anything_is_sent(
    desk: Desk,
) -> None:
    """A workflow task dies after its orders were sent; done again, it decides something else."""
    await desk.do(Place(order(1)), Place(order(2, price=59_800)), Place(order(3, price=59_700)))
    desk.trade(59_800)
    desk.wire.calls.clear()
    events = await desk.do(Place(order(1)), Place(order(2, price=59_500)))
    assert told(events) == ["filled", "surfaced"]
    surfaced = events[-1]
    assert isinstance(surfaced, Surfaced)
    assert [(report.client_id, report.status) for report in surfaced.orders] == [
        (client_id(2, key=59_800), "filled"),
        (client_id(3, key=59_700), "open"),
    ]
    assert surfaced.unsent == (client_id(2, key=59_500),)
    assert desk.calls("place") == []
    # What is decided next has higher generations, and goes out as ever.
    assert told(await desk.do(Place(order(4, price=59_500)))) == ["open"]


async def test_what_an_unremembered_decision_did_not_get_out_is_absent(desk: Desk) -> None:
    desk.wire.before = [UnknownOutcomeError("the line broke")]
    await desk.do(Place(order(1)))
    desk.clock.passes(3)
    assert told(await desk.do(Place(order(1, price=59_500)))) == ["open"]
    stored = await desk.ledger.order(client_id(1))
    assert stored is not None
    assert stored.status == "refused"


async def test_nothing_is_sent_while_nobody_can_tell_what_was(desk: Desk) -> None:
    await desk.do(Place(order(1)))
    desk.wire.calls.clear()
    desk.wire.deaf = [VenueUnavailableError("down")]
    with pytest.raises(VenueUnavailableError):
        await desk.do(Place(order(1, price=59_500)))
    assert desk.calls("place") == []


# --- answers that do not come ----------------------------------------------------------------


async def test_a_lost_answer_is_settled_by_a_look_up(desk: Desk) -> None:
    desk.wire.after = [UnknownOutcomeError("the line broke")]
    events = await desk.do(Place(order(1)))
    assert told(events) == ["open"]
    assert (desk.calls("place"), desk.calls("look_up")) == ([client_id(1)], [client_id(1)])


async def test_an_order_is_absent_only_when_it_can_no_longer_arrive(desk: Desk) -> None:
    request = order(1)
    desk.wire.before = [UnknownOutcomeError("the line broke")]
    assert told(await desk.do(Place(request))) == ["unknown"]
    desk.clock.passes(1.9)
    assert told(await desk.do(look_up(request))) == ["unknown"]
    desk.clock.passes(0.2)
    assert told(await desk.do(look_up(request))) == ["absent"]
    stored = await desk.ledger.order(request.client_id)
    assert stored is not None
    assert stored.status == "refused"


async def test_an_order_that_arrives_late_is_found_and_not_called_absent(desk: Desk) -> None:
    request = order(1)
    desk.wire.before = [UnknownOutcomeError("the line broke")]
    await desk.do(Place(request))
    await desk.wire.venue.place(request)  # it was on its way after all
    assert told(await desk.do(look_up(request))) == ["open"]


async def test_what_was_proved_absent_is_never_sent_under_its_old_id(desk: Desk) -> None:
    request = order(1)
    desk.wire.before = [UnknownOutcomeError("the line broke")]
    await desk.do(Place(request))
    desk.clock.passes(3)
    desk.wire.calls.clear()
    assert told(await desk.do(Place(request))) == ["absent"]
    assert desk.calls("place") == []
    assert told(await desk.do(Place(order(2)))) == ["open"]  # the engine's next generation


async def test_a_look_up_that_fails_proves_nothing(desk: Desk) -> None:
    request = order(1)
    desk.wire.after = [UnknownOutcomeError("the line broke")]
    desk.wire.deaf = [VenueUnavailableError("down"), VenueUnavailableError("still down")]
    assert told(await desk.do(Place(request))) == ["unknown"]
    desk.clock.passes(100)
    assert told(await desk.do(look_up(request))) == ["unknown"]
    assert told(await desk.do(look_up(request))) == ["open"]


async def test_wrong_credentials_are_a_definite_no_with_the_cure_in_it(desk: Desk) -> None:
    desk.wire.before = [AuthenticationError("the key was withdrawn: check it")]
    (event,) = await desk.do(Place(order(1)))
    assert isinstance(event, Refused)
    assert event.refusal.message == "the key was withdrawn: check it"


async def test_an_order_that_was_refused_for_its_time_is_sent_again(desk: Desk) -> None:
    desk.wire.before = [ClockSkewError("the clock is off"), ClockSkewError("the clock is off")]
    assert told(await desk.do(Place(order(1)))) == ["open"]
    assert len(desk.calls("place")) == 3


async def test_a_clock_that_stays_wrong_is_a_refusal_that_says_so(desk: Desk) -> None:
    desk.wire.before = [ClockSkewError("the clock is off")] * 4
    (event,) = await desk.do(Place(order(1)))
    assert isinstance(event, Refused)
    assert event.refusal.message == "not taken in 4 tries: the clock is off"


async def test_an_order_that_is_found_after_its_answer_was_lost_is_told_of(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.wire.after = [UnknownOutcomeError("the line broke")]
    assert told(await desk.do(Place(order(1)))) == ["open"]
    assert f"order {order(1).client_id} has arrived though its answer was lost" in caplog.text


async def test_what_the_venue_cannot_read_is_refused_and_the_rest_goes_on(desk: Desk) -> None:
    desk.wire.before = [InvalidValueError("symbol was unknown")]
    events = await desk.do(Place(order(1)), Place(order(2, price=59_800)))
    assert told(events) == ["invalid", "open"]


# --- a ledger that cannot be written ---------------------------------------------------------


async def test_without_a_ledger_no_entry_leaves(desk: Desk) -> None:
    with desk.locked():
        events = await desk.do(Place(order(1)))
    assert told(events) == ["risk"]
    assert desk.calls("place") == []


async def test_without_a_ledger_an_exit_leaves_once_a_look_up_has_not_found_it(desk: Desk) -> None:
    request = leave(1)
    with desk.locked():
        assert told(await desk.do(Place(request))) == ["open"]
        assert told(await desk.do(Place(request))) == ["open"]
    assert desk.calls("look_up") == [request.client_id, request.client_id]
    assert desk.calls("place") == [request.client_id]


async def test_an_exit_without_a_marker_is_not_absent_before_it_could_have_arrived(
    desk: Desk,
) -> None:
    request = leave(1)
    desk.wire.before = [UnknownOutcomeError("the line broke")]
    with desk.locked():
        assert told(await desk.do(Place(request))) == ["unknown"]
    assert told(await desk.do(look_up(request))) == ["unknown"]
    desk.clock.passes(2.5)
    assert told(await desk.do(look_up(request))) == ["absent"]


async def test_an_answer_reaches_the_engine_also_when_it_cannot_be_recorded(desk: Desk) -> None:
    request = order(1)
    await desk.do(Place(request))
    desk.trade(59_900)
    with desk.locked():
        events = await desk.do(look_up(request))
    assert told(events) == ["filled"]
    stored = await desk.ledger.order(request.client_id)
    assert stored is not None
    assert stored.filled == Quantity(0)  # a resync back-fills it


# --- slow venues, and none -------------------------------------------------------------------


async def test_a_short_rate_limit_is_waited_for(desk: Desk) -> None:
    desk.wire.before = [limited(0.01), limited(0.02)]
    assert told(await desk.do(Place(order(1)))) == ["open"]
    assert len(desk.calls("place")) == 3


async def test_a_long_rate_limit_is_the_engines_to_know(desk: Desk) -> None:
    desk.wire.before = [limited(30)]
    events = await desk.do(Place(order(1)))
    assert told(events) == ["other"]
    assert isinstance(events[0], Refused)
    assert events[0].refusal.message == "rate limited for 30 s"
    assert len(desk.calls("place")) == 1


async def test_what_was_not_sent_is_tried_again_and_then_refused(desk: Desk) -> None:
    desk.wire.before = [NotSentError("no line"), NotSentError("no line")]
    assert told(await desk.do(Place(order(1)))) == ["open"]
    desk.wire.before = [NotSentError("no line")] * 9
    assert told(await desk.do(Place(order(2, price=59_800)))) == ["other"]
    assert client_id(2, key=59_800) not in desk.working()


async def test_an_order_whose_marker_is_old_is_not_sent_any_more(desk: Desk) -> None:
    """A process that was frozen wakes up when another one has long proved its order absent."""
    request, other = order(1), order(2, price=59_800)
    desk.wire.slow = 1.5  # more than half of the arrival limit
    assert told(await desk.do(Place(request), Place(other))) == ["open", "unknown"]
    assert desk.calls("place") == [request.client_id]


async def test_a_slow_venue_gets_all_orders_of_a_large_batch_in_time(desk: Desk) -> None:
    desk.wire.slow = 0.1
    events = await desk.do(*(Place(order(n, price=59_900 - n)) for n in range(1, 31)))
    assert told(events) == ["open"] * 30


# --- cancels ---------------------------------------------------------------------------------


async def test_a_cancel_comes_before_the_orders_of_its_batch(desk: Desk) -> None:
    await desk.do(Place(order(1)))
    desk.wire.calls.clear()
    events = await desk.do(Place(order(2, price=59_800)), cancel(order(1)))
    assert told(events) == ["canceled", "open"]
    assert [name for name, _ in desk.wire.calls] == ["cancel", "place"]


async def test_the_cancel_of_a_filled_order_tells_the_fill(desk: Desk) -> None:
    await desk.do(Place(order(1)))
    desk.trade(59_900)
    events = await desk.do(cancel(order(1)))
    assert told(events) == ["filled"]
    assert isinstance(events[0], Reported)
    assert events[0].report.filled == Quantity(2)


async def test_the_cancel_of_a_part_filled_order_tells_the_part(desk: Desk) -> None:
    await desk.do(Place(order(1)))
    desk.trade(59_900, lots=1)
    (event,) = await desk.do(cancel(order(1)))
    assert isinstance(event, Reported)
    assert (event.report.status, event.report.filled) == (OrderStatus.CANCELED, Quantity(1))


async def test_a_cancel_that_is_not_answered_leaves_the_order_unknown(desk: Desk) -> None:
    await desk.do(Place(order(1)))
    desk.wire.deaf = [UnknownOutcomeError("the line broke")]
    assert told(await desk.do(cancel(order(1)))) == ["unknown"]
    assert client_id(1) in desk.working()


async def test_the_cancel_of_what_never_arrived_proves_nothing_too_early(desk: Desk) -> None:
    desk.wire.before = [UnknownOutcomeError("the line broke")]
    await desk.do(Place(order(1)))
    assert told(await desk.do(cancel(order(1)))) == ["unknown"]
    desk.clock.passes(3)
    assert told(await desk.do(cancel(order(1)))) == ["absent"]


# --- the gate, and what is remembered --------------------------------------------------------


async def test_the_gate_holds_back_large_entries_and_no_exit(tmp_path: Path) -> None:
    async with desk_at(tmp_path / "ledger.db", SizeGate(Decimal(200))) as desk:
        events = await desk.do(Place(order(1, lots=4)), Place(order(2, lots=2, price=59_800)))
        assert sorted(told(events)) == ["open", "risk"]
        assert desk.working() == {client_id(2, key=59_800)}
        assert told(await desk.do(Place(leave(3, lots=40)))) == ["open"]
        assert await desk.ledger.order(client_id(1)) is None  # it has no marker: it never left


async def test_only_the_very_report_that_was_an_answer_is_known_as_one(desk: Desk) -> None:
    (event,) = await desk.do(Place(order(1)))
    assert isinstance(event, Reported)
    report: OrderReport = event.report
    assert desk.orders.has_answered(report)
    filled = replace(report, status=OrderStatus.PARTIALLY_FILLED, filled=Quantity(1))
    assert not desk.orders.has_answered(filled)


async def test_every_answer_is_in_the_ledger(desk: Desk) -> None:
    await desk.do(Place(order(1)), Place(order(2, price=59_800)))
    desk.trade(59_900)
    await desk.do(look_up(order(1)), cancel(order(2, price=59_800)))
    stored = await desk.ledger.orders([client_id(1), client_id(2, key=59_800)])
    assert [stored[each].status for each in sorted(stored)] == ["canceled", "filled"]
