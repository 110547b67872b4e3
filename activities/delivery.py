"""Brings alerts from the outbox to their channels: at least once, some attempts apart.

An attempt is counted before it is made. Whoever is killed between telling and noting it tells it
again after a pause; that an alert is told twice is better than never.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from activities.clock import utc_now
from activities.store.ledger import Ledger
from activities.store.records import StoredAlert
from domain.errors import StoreError
from domain.grid.events import AlertLevel

_LOOK_EVERY: Final = timedelta(seconds=1)
#: Between the attempts; the last one again and again.
_PAUSES: Final = tuple(timedelta(seconds=each) for each in (0, 5, 10, 30, 60, 120, 300, 600))
_log: Final = logging.getLogger(__name__)


class ChannelError(Exception):
    """A channel did not take a message; it may later. The message is fit to be logged."""


class Channel(Protocol):
    """One way to people."""

    @property
    def name(self) -> str: ...

    def wants(self, level: AlertLevel) -> bool:
        """Return whether an alert of *level* is loud enough for this channel."""
        ...

    async def send(self, alert: StoredAlert) -> None:
        """Tell *alert*; raises ChannelError if the channel did not take it."""
        ...


class Delivery:
    """Tells alerts to *channels*. Several of it may run, in any processes, on one ledger."""

    def __init__(
        self,
        ledger: Ledger,
        channels: Sequence[Channel],
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._ledger = ledger
        self._channels = channels
        self._clock = clock
        #: When this process may try an alert again: old ones are not tried all at once either.
        self._not_before: dict[int, datetime] = {}

    async def run(self) -> None:
        """Deliver for ever; ends only by cancellation."""
        while True:
            try:
                await self.deliver()
            except StoreError as error:
                _log.warning("alerts wait for the ledger: %s", error)
            await asyncio.sleep(_LOOK_EVERY.total_seconds())

    async def deliver(self) -> None:
        """Try everything that is due, all channels of an alert side by side."""
        waiting = await self._ledger.undelivered_alerts(self._clock())
        known = {alert.id for alert in waiting}
        self._not_before = {k: at for k, at in self._not_before.items() if k in known}
        for alert in sorted(waiting, key=lambda alert: alert.attempts):  # news before what failed
            if self._is_due(alert) and await self._ledger.claim_alert(alert):
                await self._try(alert)

    def _is_due(self, alert: StoredAlert) -> bool:
        """Return whether to try *alert* now, which others may have tried already."""
        now = self._clock()
        due = alert.at + sum((_pause(number) for number in range(alert.attempts + 1)), timedelta())
        return now >= due and now >= self._not_before.get(alert.id, now)

    async def _try(self, alert: StoredAlert) -> None:
        self._not_before[alert.id] = self._clock() + _pause(alert.attempts + 1)
        wanting = [channel for channel in self._channels if _wants(channel, alert)]
        answers = await asyncio.gather(*(_answer(channel, alert) for channel in wanting))
        errors = {channel.name: why for channel, why in zip(wanting, answers, strict=True) if why}
        for name, why in errors.items():
            _log.warning("alert %d was not taken by channel %s: %s", alert.id, name, why)
        await self._ledger.settle_alert(alert.id, errors, self._clock())


def _pause(number: int) -> timedelta:
    return _PAUSES[min(number, len(_PAUSES) - 1)]


def _wants(channel: Channel, alert: StoredAlert) -> bool:
    """Return whether *channel* has still to hear *alert*: not if it took it before."""
    return channel.wants(alert.level) and (not alert.errors or channel.name in alert.errors)


async def _answer(channel: Channel, alert: StoredAlert) -> str:
    try:
        await channel.send(alert)
    except ChannelError as error:
        return str(error)
    return ""
