"""Requests counted at the fronts, and the most of them within a span."""

from datetime import UTC, datetime, timedelta

from workers.exchange.faults import Operation
from workers.exchange.fronts.arrivals import Arrival, Arrivals, Filter, Kind, Most
from workers.exchange.fronts.asked import Asked

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
ASKED = Asked("GET", "host", "/path", "", "", {})
ALL = Filter()
SECOND = timedelta(seconds=1)


def arrived(
    arrivals: Arrivals,
    seconds: float,
    operation: Operation | None = Operation.PLACE,
    account: str = "alice",
    status: int = 200,
    orders: int = 1,
) -> None:
    names = [f"order{number}" for number in range(orders)]
    came_at = BEGAN + timedelta(seconds=seconds)
    arrival = Arrival(operation, ASKED, "okx", account, names, at=seconds, came_at=came_at)
    arrivals.note(arrival)
    arrival.status = status
    arrivals.close(arrival)


def test_requests_are_counted_by_kind() -> None:
    arrivals = Arrivals()
    arrived(arrivals, 0)
    arrived(arrivals, 1, Operation.PLACE_BATCH, orders=5)
    arrived(arrivals, 2, Operation.PLACE_BATCH, orders=5)
    arrived(arrivals, 3, None, account="", status=404, orders=0)
    assert set(arrivals.counts(ALL)) == {
        (Kind("okx", "rest.place", "alice", 200), 1, 1),
        (Kind("okx", "rest.place_batch", "alice", 200), 2, 10),
        (Kind("okx", "rest.unknown", "", 404), 1, 0),
    }
    ((_, requests, _),) = arrivals.counts(Filter("okx", "rest.p*e", "alice", 200))
    assert requests == 1
    for none in (Filter(venue="gate"), Filter(account="bob"), Filter(status=500)):
        assert list(arrivals.counts(none)) == []


def test_a_request_that_is_not_answered_yet_came_and_is_not_counted_yet() -> None:
    arrivals = Arrivals()
    arrivals.note(Arrival(Operation.PLACE, ASKED))
    assert len(arrivals.all()) == 1
    assert list(arrivals.counts(ALL)) == []
    assert arrivals.most_requests(SECOND, ALL).count == 1


def test_the_fullest_span_is_found_and_does_not_count_its_own_end() -> None:
    arrivals = Arrivals()
    for seconds in (0.0, 0.5, 2.0, 2.1, 2.9, 3.0, 5.0):
        arrived(arrivals, seconds, orders=2)
    most = Most(3, BEGAN + timedelta(seconds=2))
    assert arrivals.most_requests(SECOND, ALL) == most  # 2.0, 2.1, 2.9: 3.0 is a second later
    assert arrivals.most_orders(SECOND, ALL) == Most(6, most.began_at)
    assert arrivals.most_requests(timedelta(hours=1), ALL).count == 7
    assert arrivals.most_requests(SECOND, Filter(account="bob")) == Most(0, None)


def test_counting_begins_anew() -> None:
    arrivals = Arrivals()
    arrived(arrivals, 0)
    arrivals.clear()
    assert arrivals.all() == []
    assert list(arrivals.counts(ALL)) == []
