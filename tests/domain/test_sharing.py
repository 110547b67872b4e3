"""Processes that come, stall, are killed and end in any order never use more than the rate."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import cycle

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from domain.limiter import Limiter, Rate
from domain.sharing import (
    CLOCKS_APART,
    LEASE,
    RENEWED_EVERY,
    Holder,
    Share,
    Standing,
    standing,
)

T0 = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TICK = timedelta(milliseconds=100)
#: A request is at the venue within this time, even if nobody is there any more to hear the answer.
WAY = timedelta(milliseconds=400)
#: At a slow venue, as long as its sender lives.
SLOWLY = 3 * SECOND


def after(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


# ---- what the rows say


def holder(number: int, seen: int = 9, at: float = 0, *, ended: bool = False) -> Holder:
    return Holder(number, seen, after(at), ended)


@pytest.mark.parametrize(
    "amount, parts", [(10, (4, 3, 3)), (3, (1, 1, 1)), (2, (1, 1, 0)), (1, (1, 0, 0))]
)
def test_parts_add_up_and_the_rest_goes_to_those_who_came_first(
    amount: int, parts: tuple[int, ...]
) -> None:
    assert tuple(Standing(rank, 3).part(amount) for rank in range(3)) == parts


def test_who_is_not_seen_by_everybody_has_no_standing() -> None:
    assert standing(3, [holder(1), holder(2, seen=2)], T0) is None
    assert standing(3, [holder(1), holder(2, seen=3)], T0) == Standing(2, 3)
    assert standing(3, [holder(1), holder(2, seen=2, ended=True)], T0) == Standing(1, 2)


def test_a_lease_counts_until_it_has_ended_by_any_clock() -> None:
    rows = [holder(1, seen=1)]
    ended = LEASE + CLOCKS_APART
    assert standing(2, rows, T0 + ended) is None
    assert standing(2, rows, T0 + ended + TICK) == Standing(0, 1)


def test_a_row_matters_as_long_as_what_it_sent_or_was_told() -> None:
    told = replace(holder(1, ended=True), paused_until=after(60))
    assert not holder(1, ended=True).forgotten(after(2))
    assert holder(1, ended=True).forgotten(after(10))
    assert not holder(1).forgotten(after(12))
    assert not told.forgotten(after(60))
    assert told.forgotten(after(61))


# ---- what a process makes of them


def share(amount: int = 10) -> tuple[Share, Limiter]:
    limiter = Limiter({"orders": Rate(amount, SECOND)})
    return Share(limiter, ["orders"]), limiter


def test_one_that_comes_alone_has_all_of_it_at_once() -> None:
    alone, limiter = share()
    alone.come(1, [], T0, T0)
    assert limiter.most("orders", T0) == 10
    assert limiter.wait({"orders": 10}, after(9)) <= timedelta(0)
    assert limiter.wait({"orders": 1}, T0 + LEASE) > timedelta(0)


def test_one_that_comes_second_waits_until_it_was_seen_and_then_for_the_old_window() -> None:
    second, limiter = share()
    second.come(2, [holder(1, seen=1)], T0, T0)
    second.renewed([holder(1, seen=1)], after(1), after(1), after(1))
    assert second.standing is None
    second.renewed([holder(1, seen=2)], after(2), after(2), after(2))
    assert second.standing == Standing(1, 2)
    assert limiter.most("orders", after(3)) == 0
    assert limiter.most("orders", after(4)) == 5


def test_one_says_that_it_has_seen_a_newcomer_only_when_it_uses_no_more_than_its_new_part() -> None:
    first, limiter = share()
    first.come(1, [], T0, T0)
    limiter.take({"orders": 10})
    newcomer = [holder(2, seen=2)]
    first.renewed(newcomer, after(1), after(1), after(1))
    assert limiter.most("orders", after(1)) == 5
    assert first.waited_for(newcomer)
    limiter.land({"orders": 10}, after(1.2))
    first.renewed(newcomer, after(2), after(2), after(2))
    assert first.waited_for(newcomer)
    first.renewed(newcomer, after(2.3), after(2.3), after(2.3))
    assert first.seen == 2


def test_one_that_is_cut_off_keeps_its_last_part() -> None:
    alone, limiter = share()
    alone.come(1, [], T0, T0)
    alone.cut_off(T0 + LEASE)
    assert limiter.wait({"orders": 10}, T0 + 2 * LEASE) <= timedelta(0)
    assert alone.lapsed(T0 + LEASE)


# ---- any interleaving


@dataclass
class Process:
    """Sends whatever it may as soon as it may. Its clock is wrong and steady."""

    error: timedelta
    way: timedelta
    share: Share
    limiter: Limiter
    renews_at: datetime
    flying: deque[datetime] = field(default_factory=deque)


class World:
    """The rows, the processes, and what arrived at the venue."""

    def __init__(self, amount: int, ways: Sequence[int]) -> None:
        """Take how much may arrive in a second, and how long requests take, in turn: quarters."""
        self.amount = amount
        self.ways = cycle(ways)
        self.now = T0
        self.came = 0
        self.rows: dict[int, Holder] = {}
        self.processes: dict[int, Process] = {}
        self.arrived: list[datetime] = []

    # what happens to processes

    def come(self, error: timedelta, way: timedelta = WAY) -> None:
        limiter = Limiter({"orders": Rate(self.amount, SECOND)})
        process = Process(error, way, Share(limiter, ["orders"]), limiter, self.now)
        self.join(process)
        self.processes[len(self.processes) + 1] = process

    def kill(self, who: int, *, known: bool) -> None:
        """*known*: somebody can tell at once that it is dead."""
        process = self.processes.pop(who)
        self.lose_what_flies(process)
        if known:
            self.end_row(process)

    def end(self, who: int) -> None:
        process = self.processes.pop(who)
        self.lose_what_flies(process)
        self.end_row(process)

    def lose_what_flies(self, process: Process) -> None:
        for at in process.flying:
            if at > self.now + WAY:
                self.arrived.remove(at)

    def stall(self, who: int, how_long: timedelta) -> None:
        """It goes on sending, and its database does not answer."""
        process = self.processes[who]
        if process.way == WAY:
            process.renews_at = self.now + how_long

    # what a process does with the rows, as the gateway does it

    def end_row(self, process: Process) -> None:
        row = self.rows.get(process.share.number)
        if row is not None:
            self.rows[row.number] = replace(row, ended=True, renewed_at=self.wall(process))

    def join(self, process: Process) -> None:
        others = self.look(process)
        self.came += 1
        number = self.came
        self.rows[number] = Holder(number, number, self.wall(process))
        process.share.come(number, others, self.now, self.now)

    def renew(self, process: Process) -> None:
        share = process.share
        if share.lapsed(self.now):
            self.end_row(process)
            self.join(process)
            return
        others = [row for row in self.look(process) if row.number != share.number]
        if share.number not in self.rows:
            share.lose(self.now)
            return
        self.rows[share.number] = Holder(share.number, share.seen, self.wall(process))
        share.renewed(others, self.wall(process), self.now, self.now)

    def told(self, process: Process) -> bool:
        """Return whether its row says what it has seen."""
        row = self.rows.get(process.share.number)
        return row is not None and row.seen == process.share.seen

    def look(self, process: Process) -> Sequence[Holder]:
        now = self.wall(process)
        self.rows = {n: row for n, row in self.rows.items() if not row.forgotten(now)}
        return list(self.rows.values())

    def wall(self, process: Process) -> datetime:
        return self.now + process.error

    # time

    def go(self, how_long: timedelta) -> None:
        until = self.now + how_long
        while self.now < until:
            self.now += TICK
            for process in list(self.processes.values()):
                if self.now >= process.renews_at:
                    self.renew(process)
                    waits = process.share.standing is None or not self.told(process)
                    process.renews_at = self.now + (TICK if waits else RENEWED_EVERY)
                self.send(process)

    def send(self, process: Process) -> None:
        while process.flying and process.flying[0] < self.now:
            process.limiter.land({"orders": 1}, process.flying.popleft())
        while process.limiter.wait({"orders": 1}, self.now) <= timedelta(0):
            process.limiter.take({"orders": 1})
            arrives = self.now + next(self.ways) * process.way / 4
            self.arrived.append(arrives)
            process.flying = deque(sorted([*process.flying, arrives]))

    def most_in_a_window(self) -> int:
        arrived, most, first = sorted(self.arrived), 0, 0
        for last, at in enumerate(arrived):
            while arrived[first] <= at - SECOND:
                first += 1
            most = max(most, last - first + 1)
        return most


@st.composite
def _happenings(draw: st.DrawFn) -> list[tuple[str, int, timedelta, timedelta]]:
    """What happens to whom, with which delay or clock, and how much time passes after it."""
    kinds = st.sampled_from(["come", "come slow", "kill", "kill known", "end", "stall"])
    each = st.tuples(
        kinds,
        st.integers(0, 5),
        st.integers(-5, 5).map(lambda tenths: CLOCKS_APART * tenths / 10),
        st.sampled_from([0.1, 0.1, 0.3, 0.9, 1.7, 4, 13]).map(lambda s: timedelta(seconds=s)),
    )
    return draw(st.lists(each, min_size=2, max_size=14))


@given(
    st.integers(1, 7),
    _happenings(),
    st.lists(st.integers(0, 4), min_size=1, max_size=7),
    st.sampled_from([WAY, SLOWLY]),
)
def test_no_more_than_the_rate_arrives_whatever_happens_to_whom(
    amount: int,
    happenings: list[tuple[str, int, timedelta, timedelta]],
    ways: list[int],
    first: timedelta,
) -> None:
    world = World(amount, ways)
    world.come(timedelta(), first)
    for kind, which, delay, passes in happenings:
        alive = sorted(world.processes)
        who = alive[which % len(alive)] if alive else 0
        if kind in ("come", "come slow") and len(alive) < 4:
            world.come(delay, WAY if kind == "come" else SLOWLY)
        elif who and kind in ("kill", "kill known"):
            world.kill(who, known=kind == "kill known")
        elif who and kind == "end":
            world.end(who)
        elif who and kind == "stall":
            world.stall(who, 60 * abs(delay) + TICK)
        world.go(passes)
        event(f"{len(world.processes)} processes")
    assert world.most_in_a_window() <= amount


def test_the_whole_rate_is_used_again_after_a_death_that_nobody_could_see() -> None:
    world = World(10, [1])
    world.come(timedelta())
    world.come(timedelta())
    world.go(timedelta(seconds=5))
    world.kill(1, known=False)
    world.go(LEASE + CLOCKS_APART + timedelta(seconds=5))
    assert world.processes[2].limiter.most("orders", world.now) == 10
    since = world.now - timedelta(seconds=1)
    assert sum(at > since for at in world.arrived) > 5


def test_what_is_still_under_way_at_a_slow_venue_is_waited_for() -> None:
    world = World(10, [4] * 10 + [0] * 10)
    world.come(timedelta(), SLOWLY)
    world.go(TICK)
    world.come(timedelta())
    world.go(timedelta(seconds=10))
    assert world.processes[2].share.standing == Standing(1, 2)
    assert world.most_in_a_window() <= 10


def test_what_a_killed_process_sent_at_last_is_waited_for() -> None:
    world = World(10, [4] * 10 + [0] * 10)
    world.come(timedelta())
    world.go(TICK)
    world.kill(1, known=True)
    world.come(timedelta())
    world.go(timedelta(seconds=2))
    assert len(world.arrived) == 20
    assert world.most_in_a_window() <= 10


def test_clocks_may_differ() -> None:
    world = World(10, [0])
    world.come(-CLOCKS_APART / 2)
    world.go(SECOND)
    world.stall(1, 3 * LEASE)
    world.come(CLOCKS_APART / 2)
    world.go(2 * LEASE)
    assert world.processes[2].limiter.most("orders", world.now) == 10
    assert world.most_in_a_window() <= 10
