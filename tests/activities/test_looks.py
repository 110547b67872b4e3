"""Looks that are shared: never an answer that is older than the question."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from activities.looks import SharedLooks
from domain.errors import VenueUnavailableError
from tests.eventually import eventually


class Watched:
    """Something to look at; each look lasts until it is let go."""

    def __init__(self) -> None:
        self.begun = 0
        self.fails = False
        self._gate = asyncio.Semaphore(0)
        self.looks = SharedLooks(self._look)

    async def _look(self, name: str) -> str:
        self.begun += 1
        shown = f"{name} {self.begun}"
        await self._gate.acquire()
        if self.fails:
            raise VenueUnavailableError("down")
        return shown

    def let_go(self) -> None:
        self._gate.release()

    async def asked(self, name: str, *, begun: int) -> asyncio.Task[str]:
        """Ask, and return once *begun* looks have begun."""
        task = started(self.looks.at(name))
        await eventually(lambda: self.begun == begun, what="the look to begin")
        return task


def started(ask: Coroutine[Any, Any, str]) -> asyncio.Task[str]:
    return asyncio.create_task(ask)


async def test_who_asks_during_a_look_gets_the_next_one_and_shares_it() -> None:
    watched = Watched()
    first = await watched.asked("BTC", begun=1)
    later = [await watched.asked("BTC", begun=1) for _ in range(3)]
    await asyncio.sleep(0)
    assert watched.begun == 1
    watched.let_go()
    assert await first == "BTC 1"
    watched.let_go()
    assert await asyncio.gather(*later) == ["BTC 2"] * 3
    assert watched.begun == 2


async def test_those_who_ask_before_a_look_begins_share_it() -> None:
    watched = Watched()
    asked = [started(watched.looks.at("BTC")) for _ in range(3)]
    watched.let_go()
    assert await asyncio.gather(*asked) == ["BTC 1"] * 3


async def test_looks_at_different_things_do_not_wait_for_each_other() -> None:
    watched = Watched()
    asked = [await watched.asked("BTC", begun=1), await watched.asked("ETH", begun=2)]
    watched.let_go()
    watched.let_go()
    assert set(await asyncio.gather(*asked)) == {"BTC 1", "ETH 2"}


async def test_a_look_that_fails_fails_for_all_who_share_it_and_for_nobody_else() -> None:
    watched = Watched()
    watched.fails = True
    first = await watched.asked("BTC", begun=1)
    second = await watched.asked("BTC", begun=1)
    watched.let_go()
    with pytest.raises(VenueUnavailableError):
        await first
    await eventually(lambda: watched.begun == 2, what="the second look")
    watched.fails = False
    watched.let_go()
    assert await second == "BTC 2"


async def test_who_gives_up_takes_the_look_from_nobody() -> None:
    watched = Watched()
    gives_up = await watched.asked("BTC", begun=1)
    waits = await watched.asked("BTC", begun=1)
    leaves = await watched.asked("BTC", begun=1)
    gives_up.cancel()
    leaves.cancel()
    watched.let_go()
    watched.let_go()
    assert await waits == "BTC 2"
    assert gives_up.cancelled()
