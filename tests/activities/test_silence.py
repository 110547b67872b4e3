"""A stream that is silent: quiet or dead? What the venue lists decides."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest

from activities import silence
from activities.silence import Silence
from domain.errors import VenueUnavailableError
from tests.eventually import eventually

T0 = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Listed:
    """What a venue lists, and how often it was asked."""

    def __init__(self, at: datetime | None) -> None:
        self.at = at
        self.asked = 0
        self.down = False

    async def newest(self, _told_at: datetime | None) -> datetime | None:
        self.asked += 1
        if self.down:
            raise VenueUnavailableError("the venue is down")
        return self.at

    async def several(self) -> None:
        """Wait until it was asked a few times more."""
        wanted = self.asked + 3
        await eventually(lambda: self.asked >= wanted, every=0.005)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("QUIET", "GRACE"):
        monkeypatch.setattr(silence, name, timedelta(seconds=0.01))


@asynccontextmanager
async def doubted(stream: Silence, listed: Listed) -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.create_task(stream.doubt(listed.newest))
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, VenueUnavailableError):
            await task


async def test_a_stream_that_does_not_tell_what_the_venue_lists_is_dead() -> None:
    stream, listed = Silence("prices of X"), Listed(T0)
    stream.heard(T0)
    async with doubted(stream, listed) as task:
        await listed.several()
        assert not task.done()  # a quiet market
        listed.at = T0 + timedelta(seconds=10)
        with pytest.raises(VenueUnavailableError) as told:
            await asyncio.wait_for(task, 30)
    assert str(told.value) == (
        "the stream of prices of X is dead: it has told nothing since 12:00:00 UTC, and the venue "
        "lists something of 12:00:10"
    )


async def test_what_happened_before_a_stream_began_proves_nothing() -> None:
    stream, listed = Silence("prices of X"), Listed(T0)
    async with doubted(stream, listed) as task:
        await listed.several()
        assert not task.done()
        listed.at = T0 + timedelta(seconds=10)
        with pytest.raises(VenueUnavailableError):
            await asyncio.wait_for(task, 30)


async def test_a_stream_that_tells_it_in_the_end_is_alive() -> None:
    stream, listed = Silence("prices of X"), Listed(T0)
    stream.heard(T0)
    async with doubted(stream, listed) as task:
        later = T0 + timedelta(seconds=10)
        stream.heard(later)
        listed.at = later + timedelta(seconds=1)  # two clocks of one venue
        await listed.several()
        assert not task.done()


async def test_a_venue_that_cannot_be_asked_proves_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stream, listed = Silence("prices of X"), Listed(T0 + timedelta(days=1))
    stream.heard(T0)
    listed.down = True
    async with doubted(stream, listed) as task:
        await listed.several()
        assert not task.done()
    told = "the stream of prices of X is silent, why is not known: the venue is down"
    assert told in caplog.text


async def test_an_account_that_never_traded_is_quiet() -> None:
    stream, listed = Silence("orders of account a"), Listed(None)
    async with doubted(stream, listed) as task:
        await listed.several()
        assert not task.done()
