"""Keeps one client's row among those who share its rates, and its limiter to what the rows say."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Final, Self

from activities.store.ledger import Ledger
from activities.store.processes import this_process
from activities.store.shares import Others, Seat
from activities.venues.ccxt.pacing import Pacer, steady_now
from domain.errors import StoreError
from domain.sharing import RENEWED_EVERY, Share

_log: Final = logging.getLogger(__name__)
#: While somebody waits for somebody.
_SOON: Final = timedelta(milliseconds=100)
#: A database that takes longer is as good as away.
_PATIENCE: Final = 3.0


@dataclass(frozen=True, slots=True)
class Together:
    """Buckets that a venue counts over all who share the *scope*: a name of them."""

    scope: str
    buckets: Sequence[str]
    #: All of them are one user: a pause of one is a pause of all.
    one_user: bool


class SharedRates:
    """A context: inside it the limiter lets no more leave than this client's part of its rates.

    Entering it returns once there is a part, at once if nobody else is there. When the database
    cannot be reached the part stays in use until its lease ends, and then still: the order desk
    sends no entries then, and exits and cancels must not wait for a database. Only in that case,
    and only if others can reach it and take the part over, more may leave than the rate.
    """

    def __init__(self, ledger: Ledger, pacer: Pacer, together: Sequence[Together]) -> None:
        self._ledger = ledger
        self._pacer = pacer
        self._shares = {each.scope: Share(pacer.limiter, each.buckets) for each in together}
        self._one_user = [each.scope for each in together if each.one_user]
        self._others: Others = {}
        self._written: Mapping[str, Seat] = {}
        self._away = False

    async def __aenter__(self) -> Self:
        await self._come()
        try:
            while any(share.standing is None for share in self._shares.values()):
                await asyncio.sleep(_SOON.total_seconds())
                await self._renew()
        except BaseException:
            await self._leave()
            raise
        self._keeping = asyncio.create_task(self._keep())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._keeping.cancel()
        await asyncio.gather(self._keeping, return_exceptions=True)
        await self._leave()

    async def _keep(self) -> None:
        while True:
            pause = _SOON if self._somebody_waits() else RENEWED_EVERY
            await asyncio.sleep(pause.total_seconds())
            try:
                async with asyncio.timeout(_PATIENCE):
                    await self._renew()
            except (StoreError, TimeoutError) as error:
                self._miss(error)
            self._pacer.release()

    async def _come(self) -> None:
        """Begin anew; whoever was there before may not be there any more."""
        asked, now = steady_now(), datetime.now(UTC)
        numbers, self._others = await self._ledger.join_rates(
            list(self._shares), this_process(), now
        )
        for scope, share in self._shares.items():
            share.come(numbers[scope], self._others[scope], asked, steady_now())
        self._written = self._seats()
        self._heed()

    async def _renew(self) -> None:
        asked, now = steady_now(), datetime.now(UTC)
        seats = self._seats()
        if any(share.lapsed(asked) for share in self._shares.values()):
            await self._leave_rows(now)
            await self._come()
            return
        others = await self._ledger.renew_rates(seats, now, self._paused_until(now))
        if others is None:
            for share in self._shares.values():
                share.lose(steady_now())
            return
        self._others, self._written = others, seats
        before = {scope: share.standing for scope, share in self._shares.items()}
        for scope, share in self._shares.items():
            share.renewed(others[scope], now, asked, steady_now())
            if share.standing != before[scope] and share.standing is not None:
                _log.info("%s: its rates are shared by %d", scope, share.standing.of)
        self._heed()

    def _heed(self) -> None:
        """Wait as long as the venue told another process of this account to."""
        now = datetime.now(UTC)
        told = [each.paused_until for scope in self._one_user for each in self._others[scope]]
        longest = max((until - now for until in told if until is not None), default=timedelta())
        if longest > self._pacer.paused():
            self._pacer.pause(longest, "another process of this account was told to wait")
        if self._away:
            self._away = False
            _log.warning("the rates are shared again: the ledger can be written")

    def _miss(self, error: Exception) -> None:
        at = steady_now()
        for share in self._shares.values():
            if share.lapsed(at):
                share.cut_off(at)
        if not self._away:
            self._away = True
            _log.warning("the rates are not shared while the ledger cannot be written: %s", error)

    def _somebody_waits(self) -> bool:
        return self._seats() != self._written or any(
            share.standing is None or share.waited_for(self._others[scope])
            for scope, share in self._shares.items()
        )

    def _seats(self) -> Mapping[str, Seat]:
        return {scope: Seat(share.number, share.seen) for scope, share in self._shares.items()}

    def _paused_until(self, now: datetime) -> datetime | None:
        paused = self._pacer.paused()
        return now + paused if paused else None

    async def _leave(self) -> None:
        """Give the parts free; if that fails they are when the lease ends."""
        for share in self._shares.values():
            share.lose(steady_now())
        with suppress(StoreError):
            await self._leave_rows(datetime.now(UTC))

    async def _leave_rows(self, now: datetime) -> None:
        numbers = {scope: share.number for scope, share in self._shares.items()}
        await self._ledger.leave_rates(numbers, now, self._paused_until(now))
