"""What people should hear of and no risk event tells: words of engines, and lost streams.

To tell must never hinder trading: what cannot be put into the outbox is logged, and that is all.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from activities.clock import utc_now
from activities.store.alerts import gist
from activities.store.ledger import Ledger
from activities.store.records import NewAlert
from domain.errors import StoreError
from domain.grid.events import Alert, AlertLevel

#: Streams that are lost for so long are no hiccup.
PERSISTENT: Final = timedelta(minutes=1)
_log: Final = logging.getLogger(__name__)


class AlertDesk:
    """Puts alerts of one process into the outbox of the ledger."""

    def __init__(self, ledger: Ledger, clock: Callable[[], datetime] = utc_now) -> None:
        self._ledger = ledger
        self._clock = clock
        #: By account: how loudly its streams were last told to be lost; absent: they are live.
        self._streams: dict[str, AlertLevel] = {}

    async def of_engine(self, run_id: str, alerts: Sequence[Alert]) -> None:
        """Tell what the engine of a run has to say."""
        for each in alerts:
            key = f"run {run_id}: {gist(each.message)}"
            await self._tell(each.level, key, f"run {run_id}: {each.message}", {"run": run_id})

    async def streams(self, account: str, lost_since: datetime | None, why: str = "") -> None:
        """Tell that the streams of *account* are lost, that they still are, or are back (None)."""
        told = self._streams.get(account)
        if lost_since is None:
            if self._streams.pop(account, None) is not None:
                message = f"the streams of account {account} are back"
                await self._tell(AlertLevel.INFO, f"streams {account}", message)
            return
        lasts = self._clock() - lost_since >= PERSISTENT
        level = AlertLevel.ERROR if lasts else AlertLevel.WARNING
        if level is not told:
            self._streams[account] = level
            message = f"the streams of account {account} are lost since {lost_since:%F %T}: {why}"
            await self._tell(level, f"streams {account}", message)

    async def _tell(
        self, level: AlertLevel, key: str, message: str, fields: Mapping[str, str] | None = None
    ) -> None:
        try:
            await self._ledger.add_alert(NewAlert(self._clock(), level, key, message, fields or {}))
        except StoreError as error:
            _log.error("an alert is not in the outbox (%s): %s", error, message)
