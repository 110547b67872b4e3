"""A workflow that is canceled ends by itself, and one that is evicted ends at once."""

import asyncio

import pytest

from workflows.canceling import uncanceled

#: What asks more often than this asks for ever, without ever giving way to anything else.
_OFTEN = 10


class Asked:
    """Counts cancels."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1
        assert self.times < _OFTEN, "it goes round and round"


async def test_what_is_canceled_goes_on_and_is_told_each_time() -> None:
    over, asked = asyncio.Event(), Asked()

    async def work() -> str:
        await over.wait()
        return "done"

    whole = asyncio.create_task(uncanceled(asyncio.create_task(work()), asked))
    for times in (1, 2):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        whole.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert (asked.times, whole.done()) == (times, False)
    over.set()
    assert await whole == "done"


async def test_what_fails_fails() -> None:
    async def work() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await uncanceled(asyncio.create_task(work()), Asked())


@pytest.mark.parametrize("first", ["work", "whole"])
async def test_when_the_worker_lets_go_of_a_workflow_it_is_over(first: str) -> None:
    """An eviction cancels all tasks. It went round for ever, and the worker could not end."""
    asked = Asked()
    work = asyncio.create_task(asyncio.Event().wait())
    whole = asyncio.create_task(uncanceled(work, asked))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for task in (work, whole) if first == "work" else (whole, work):
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await whole
    assert work.cancelled()
