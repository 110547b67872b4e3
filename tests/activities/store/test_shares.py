"""Processes that share the rates of an account through the ledger, on both databases."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from activities.store.ledger import Ledger
from activities.store.processes import has_died, this_process
from activities.store.shares import Seat
from activities.venues.ccxt.pacing import Pacer, steady_now
from activities.venues.ccxt.sharing import SharedRates, Together
from domain import sharing
from domain.errors import RateLimitedError
from domain.limiter import Counted, Priority, Rate
from tests.eventually import eventually

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HERE = this_process()


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


# ---- rows


async def test_who_comes_gets_a_number_that_was_never_seen_and_the_rows_of_others(url: str) -> None:
    async with Ledger.open(url) as ledger:
        first, nobody = await ledger.join_rates(["a", "b"], HERE, NOW)
        second, others = await ledger.join_rates(["a"], HERE, after(1))
        assert (first, nobody, second) == ({"a": 1, "b": 1}, {"a": [], "b": []}, {"a": 2})
        assert [(each.number, each.seen, each.renewed_at) for each in others["a"]] == [(1, 1, NOW)]
        seen = await ledger.renew_rates({"a": Seat(1, 2), "b": Seat(1, 1)}, after(2), after(60))
        assert seen is not None
        assert [each.number for each in seen["a"]] == [2]
        await ledger.leave_rates(second, after(3), None)
        third, others = await ledger.join_rates(["a"], HERE, after(30))
        assert third == {"a": 3}  # the row of the second is forgotten, its number is not
        assert [(each.number, each.paused_until) for each in others["a"]] == [(1, after(60))]


async def test_a_row_that_somebody_has_given_up_cannot_be_renewed(url: str) -> None:
    async with Ledger.open(url) as ledger:
        mine, _ = await ledger.join_rates(["a"], HERE, NOW)
        await ledger.join_rates(["a"], HERE, after(60))
        assert await ledger.renew_rates({"a": Seat(mine["a"], 1)}, after(61), None) is None


async def test_many_that_come_at_once_have_a_number_each(url: str) -> None:
    async with Ledger.open(url) as ledger:
        came = await asyncio.gather(*(ledger.join_rates(["a"], HERE, NOW) for _ in range(8)))
        assert sorted(numbers["a"] for numbers, _ in came) == list(range(1, 9))
        assert sorted(len(others["a"]) for _, others in came) == list(range(8))


def test_a_process_of_this_machine_is_known_to_be_dead_and_others_are_not() -> None:
    code = "from activities.store.processes import *; print(this_process(), flush=True); input()"
    with _python(code) as process:
        assert process.stdout is not None
        name = process.stdout.readline().decode().strip()
        assert not has_died(name)
        process.kill()
    assert has_died(name)
    assert not has_died(HERE)
    assert not has_died(name.replace(name[:8], "elsewhere"))
    assert not has_died("?/1")


# ---- clients


def pacer(amount: int = 10) -> Pacer:
    return Pacer({"orders": Rate(amount, SECOND), "weight": Rate(100, SECOND, Counted.ADDRESS)})


def shared(ledger: Ledger, pacer: Pacer) -> SharedRates:
    together = [Together("v/m/u", ["orders"], True), Together("v/*/*", ["weight"], False)]
    return SharedRates(ledger, pacer, together)


async def until_parts(parts: Sequence[int], *pacers: Pacer) -> None:
    def there() -> bool:
        return [each.limiter.most("orders", steady_now()) for each in pacers] == list(parts)

    await eventually(there, what=f"parts of {parts}")


async def test_one_alone_has_all_two_have_half_and_who_is_left_has_all_again(url: str) -> None:
    async with Ledger.open(url) as ledger:
        first, second = pacer(), pacer()
        async with shared(ledger, first):
            assert first.limiter.most("orders", steady_now()) == 10
            async with shared(ledger, second):
                assert first.limiter.most("orders", steady_now()) == 5
                await until_parts((5, 5), first, second)
                assert second.limiter.most("weight", steady_now()) == 50
            assert second.limiter.most("orders", steady_now()) == 0
            await until_parts((10,), first)


async def test_a_pause_of_one_is_a_pause_of_all_also_of_one_that_comes_later(
    sqlite_database: str,
) -> None:
    async with Ledger.open(sqlite_database) as ledger:
        first, second, third = pacer(), pacer(), pacer()
        async with shared(ledger, first):
            async with shared(ledger, second):
                second.pause(timedelta(minutes=5), "HTTP 418")
                await eventually(first.paused)
            async with shared(ledger, third):
                assert third.paused() > timedelta(minutes=4)
                with pytest.raises(RateLimitedError, match=r"another process .* nothing is sent"):
                    await third.turn(Priority.CANCEL, {"orders": 1}, SECOND).__aenter__()


async def test_the_part_of_a_killed_process_is_taken_over_at_once(sqlite_database: str) -> None:
    code = (
        "import asyncio, sys; from activities.store.ledger import Ledger; "
        "from tests.activities.store.test_shares import pacer, shared\n"
        "async def main():\n"
        "    async with Ledger.open(sys.argv[1]) as ledger, shared(ledger, pacer()):\n"
        "        print('there', flush=True); await asyncio.sleep(600)\n"
        "asyncio.run(main())"
    )
    with _python(code, sqlite_database) as process:
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == b"there\n"
        process.kill()
    async with Ledger.open(sqlite_database) as ledger:
        mine = pacer()
        async with asyncio.timeout(sharing.LEASE.total_seconds() / 2), shared(ledger, mine):
            assert mine.limiter.most("orders", steady_now()) == 0  # what it sent counts still
            await until_parts((10,), mine)


async def test_a_ledger_that_cannot_be_written_leaves_the_last_part_in_use(
    sqlite_database: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sharing, "LEASE", 3 * SECOND)
    path = sqlite_database.removeprefix("sqlite:///")
    async with Ledger.open(sqlite_database, busy_timeout=timedelta(milliseconds=50)) as ledger:
        mine = pacer()
        async with shared(ledger, mine):
            with closing(sqlite3.connect(path, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                await eventually(lambda: "not shared" in caplog.text)
                async with mine.turn(Priority.REDUCE, {"orders": 10}, SECOND):
                    pass
            await eventually(lambda: "shared again" in caplog.text)
            await until_parts((10,), mine)


def _python(code: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'proto'}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
