"""The outbox of alerts: written before anybody is told, so that no kill loses one.

An alert that is the same as the newest of its key, and follows soon, is counted and not told again.
Every function takes a connection; the transaction is the caller's.
"""

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, desc, select, text

from activities.store.records import NewAlert, StoredAlert
from activities.store.schema import alerts
from domain.grid.events import AlertLevel

#: What repeats itself within this time is counted, and nobody is told again.
QUIET: Final = timedelta(minutes=5)
#: What nobody could be told within this time is no news any more; it stays in the list.
STALE: Final = timedelta(days=1)
_NUMBERS: Final = re.compile(r"[\w.\-]*\d[\w.\-]*")
_log: Final = logging.getLogger(__name__)
_LOUDNESS: Final[Mapping[AlertLevel, int]] = {
    AlertLevel.INFO: logging.INFO,
    AlertLevel.WARNING: logging.WARNING,
    AlertLevel.ERROR: logging.ERROR,
    AlertLevel.CRITICAL: logging.CRITICAL,
}


def gist(words: str) -> str:
    """Return *words* as a key: what differs in numbers and ids only is said again, not news."""
    return _NUMBERS.sub("#", words)


def add(connection: Connection, new: NewAlert) -> bool:
    """Log *new* and put it into the outbox; False if it was only counted there."""
    _log.log(_LOUDNESS[new.level], "%s: %s", new.key, new.message)
    if connection.dialect.name == "postgresql":
        # Two processes that say the same at once are to be counted. SQLite has one writer anyway.
        connection.execute(text("LOCK TABLE alerts IN SHARE ROW EXCLUSIVE MODE"))
    query = select(alerts).where(alerts.c.key == new.key).order_by(desc(alerts.c.id)).limit(1)
    newest = connection.execute(query).first()
    if newest is not None and _repeats(newest, new):
        counted = alerts.update().where(alerts.c.id == newest.id)
        connection.execute(counted.values(times=alerts.c.times + 1))
        return False
    values = {**asdict(new), "level": new.level.value, "fields": dict(new.fields)}
    connection.execute(alerts.insert().values(**values, times=1, attempts=0, error=""))
    return True


def _repeats(newest: Row[Any], new: NewAlert) -> bool:
    return bool(newest.level == new.level.value and new.at - newest.at < QUIET)


def undelivered(connection: Connection, now: datetime, limit: int) -> list[StoredAlert]:
    """Return the oldest *limit* alerts that not every channel has yet, oldest first."""
    waiting = alerts.c.delivered_at.is_(None) & (alerts.c.at > now - STALE)
    query = select(alerts).where(waiting).order_by(alerts.c.id).limit(limit)
    return [_alert(row) for row in connection.execute(query)]


def claim(connection: Connection, alert: StoredAlert) -> bool:
    """Count an attempt that is about to be made; False if somebody else makes it."""
    statement = alerts.update().where(
        (alerts.c.id == alert.id)
        & (alerts.c.attempts == alert.attempts)
        & alerts.c.delivered_at.is_(None)
    )
    counted = statement.values(attempts=alert.attempts + 1).returning(alerts.c.id)
    return connection.execute(counted).first() is not None


def settle(connection: Connection, alert_id: int, errors: Mapping[str, str], now: datetime) -> None:
    """Note what came of an attempt: delivered, or the *errors* of the channels that failed."""
    values = {
        "error": json.dumps(dict(errors)) if errors else "",
        "delivered_at": None if errors else now,
    }
    connection.execute(alerts.update().where(alerts.c.id == alert_id).values(values))


def newest(connection: Connection, limit: int, after: int) -> list[StoredAlert]:
    """Return the newest *limit* alerts with an id above *after*, oldest first."""
    query = select(alerts).where(alerts.c.id > after).order_by(desc(alerts.c.id)).limit(limit)
    return [_alert(row) for row in connection.execute(query)][::-1]


def _alert(row: Row[Any]) -> StoredAlert:
    return StoredAlert(
        row.id,
        row.at,
        AlertLevel(row.level),
        row.key,
        row.message,
        row.fields,
        row.times,
        row.attempts,
        row.delivered_at,
        json.loads(row.error) if row.error else {},
    )
