"""Whatever works on a pair is ended and begun anew, again and again, and nothing comes twice."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from activities.legs import LegDesk
from activities.store.checkpoint import CheckpointStore
from domain.errors import AlreadyRunningError, InvalidValueError
from tests.eventually import eventually
from tests.pairs.ground import HEDGE, TRADABLE, Ground, KilledError, ground
from workflows.names import trade_workflow_id

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

WAITS = {"hedge": {**HEDGE, "passive_for": 5}, "lead_for": 30, "cool_off": 3600}


async def test_an_entry_goes_on_wherever_it_was(tmp_path: Path, client: Client | None) -> None:
    async with ground(tmp_path, client=client) as pair:
        await pair.start(**WAITS)
        await eventually(pair.sides[1].resting, what="the lead's order")
        await pair.crash()
        pair.sides[1].print(990, lots=40)
        await eventually(pair.sides[2].orders, what="the follower's order")
        await pair.crash()
        pair.sides[1].print(990)
        await pair.crash()
        pair.sides[2].print(1010)
        await pair.is_quiet()
        await pair.check(flat=False)
        await pair.crash()
        await pair.stop()
        await pair.result()
        await pair.check(flat=True)


async def test_an_exit_goes_on_wherever_it_was(tmp_path: Path, client: Client | None) -> None:
    async with ground(tmp_path, client=client) as pair:
        await pair.start(cool_off=3600)
        await pair.is_quiet("the entry")
        pair.sides[2].refuses()
        await pair.leave()
        await eventually(lambda: pair.sides[1].held() < TRADABLE, what="one leg given back")
        await pair.crash()
        pair.sides[2].heal()
        await pair.crash()
        await pair.until("the exit", lambda found: found.trades == 2 and not found.trade)
        await pair.check(flat=True)


async def test_a_second_start_of_an_entry_finds_the_first(
    tmp_path: Path, client: Client | None
) -> None:
    async with ground(tmp_path, client=client) as pair:
        await pair.start(**WAITS)
        await eventually(pair.sides[1].resting, what="the lead's order")
        if client is None:
            with pytest.raises(AlreadyRunningError):
                CheckpointStore.open(tmp_path / "simple.db", pair.run_id)
        else:
            trades = [each async for each in client.list_workflows("WorkflowType = 'PairTradeRun'")]
            mine = [each for each in trades if each.id.startswith(f"{pair.run_id}/")]
            tag = mine[0].id.rpartition("/")[2]
            assert mine[0].id == trade_workflow_id(pair.run_id, tag)
            assert len(mine) == 1
        assert len(pair.sides[1].orders()) == 1


async def test_a_trade_that_somebody_ended_is_found_in_the_books_and_trimmed(
    tmp_path: Path, client: Client | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Terminated in the middle, with one leg traded: the pair gives back what is naked.

    And the worker lets go of the trade: it once went round in it for ever, and could not end.
    """
    if client is None:
        pytest.skip("nobody can end a trade of the simple runner but with its whole process")
    async with ground(tmp_path, client=client) as pair:
        await pair.start(**WAITS)
        await eventually(pair.sides[1].resting, what="the lead's order")
        pair.sides[2].refuses()
        handle = None
        async for each in client.list_workflows("WorkflowType = 'PairTradeRun'"):
            if each.id.startswith(f"{pair.run_id}/"):
                handle = client.get_workflow_handle(each.id)
        assert handle is not None
        await handle.terminate("by hand")
        pair.sides[1].print(990)
        await eventually(lambda: not pair.sides[1].resting(), what="the stray's end")
        pair.sides[2].heal()
        # What is naked is given back, and what still pays is entered again.
        await pair.until("the next entry", lambda found: found.trades == 3 and not found.trade)
        assert [order.side for order in pair.sides[1].orders() if order.filled][:2] == [
            "buy",
            "sell",
        ]
        await pair.check(flat=False)
        await pair.end()
    assert not [each for each in caplog.messages if "evict" in each or "has not ended" in each]


async def test_random_ends_leave_nothing_naked(tmp_path: Path, client: Client | None) -> None:
    """A pair that enters and leaves for a while, with everything ended every now and then."""
    async with ground(tmp_path, client=client) as pair:
        await pair.start(cool_off=0, hedge={**HEDGE, "passive_for": 0})
        for turn in range(6):
            pair.sides[2].announce("0.001" if turn % 2 else "-0.001")
            await asyncio.sleep(0.4 + 0.17 * turn)  # anywhere: the moment is what is varied
            await pair.crash()
        pair.sides[2].announce("-0.001")
        await pair.until("the last exit", lambda found: not found.trade and not found.direction)
        await pair.check(flat=True)


class Dying:
    """A desk of legs whose process ends when *method* is called for the *times*-th time."""

    def __init__(self, desk: LegDesk, method: str, times: int = 1) -> None:
        self._desk = desk
        self._method = method
        self._left = times

    def __getattr__(self, name: str) -> Any:
        if name == self._method:
            self._left -= 1
            if self._left <= 0:
                raise KilledError
        return getattr(self._desk, name)


async def test_a_simple_pair_that_dies_as_it_begins_goes_on(tmp_path: Path) -> None:
    """Its books are half open and nothing else is done: the name has to be its own still."""
    async with ground(tmp_path) as pair:
        # The second leg is asked twice: dry, and then for its books.
        await pair.dies(lambda desk, number: Dying(desk, "open", 2) if number == 2 else desk)
        assert await pair.ledger.run(f"{pair.run_id}.1") is not None
        assert await pair.ledger.run(f"{pair.run_id}.2") is None
        await pair.start(cool_off=3600)
        await pair.is_quiet("the entry")
        await pair.check(flat=False)


async def test_a_simple_pair_that_dies_as_it_ends_closes_its_books(tmp_path: Path) -> None:
    async with ground(tmp_path) as pair:
        await pair.start(cool_off=3600)
        await pair.is_quiet("the entry")
        await pair.end()
        await pair.dies(lambda desk, number: Dying(desk, "close") if number == 2 else desk)
        assert [await closed(pair, number) for number in (1, 2)] == [True, False]
        await pair.start(cool_off=3600)
        await pair.result()
        assert [await closed(pair, number) for number in (1, 2)] == [True, True]
        await pair.check(flat=True)
        await pair.end()
        with pytest.raises(InvalidValueError, match="has ended; choose another --name"):
            await pair.start(cool_off=3600)


async def test_a_simple_pair_whose_start_fails_for_good_leaves_nothing(tmp_path: Path) -> None:
    """Admitted when it was looked at, and somebody else takes the room before its books are."""
    async with ground(tmp_path) as pair:

        class Full(Dying):
            def __getattr__(self, name: str) -> Any:
                try:
                    return super().__getattr__(name)
                except KilledError as error:
                    raise InvalidValueError("there is no room") from error

        with pytest.raises(InvalidValueError, match="there is no room"):
            await pair.dies(lambda desk, number: Full(desk, "open", 2) if number == 2 else desk)
        await pair.end()
        assert await closed(pair, 1)
        assert await pair.ledger.run(f"{pair.run_id}.2") is None
        with pytest.raises(InvalidValueError, match="was used by a run"):
            await pair.start()


async def closed(pair: Ground, number: int) -> bool:
    run = await pair.ledger.run(f"{pair.run_id}.{number}")
    return run is not None and run.closed_at is not None
