"""Who shares the rates of an account: the rows of `domain.sharing`.

Every function is one look at all rows of some scopes and one change of the own ones, and they come
one after the other: what one of them has read, no other one changes meanwhile.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, delete, insert, select, text, update

from activities.store.processes import has_died
from activities.store.schema import rate_holders
from domain.sharing import Holder

_table: Final = rate_holders.c


@dataclass(frozen=True, slots=True)
class Seat:
    """A holder's number in one scope, and what it has seen there."""

    number: int
    seen: int


#: The rows of others, by scope.
Others = Mapping[str, Sequence[Holder]]


def come(
    connection: Connection, scopes: Sequence[str], process: str, now: datetime
) -> tuple[Mapping[str, int], Others]:
    """Add a row for *process* to each scope; return their numbers, and the rows of others."""
    others = _look(connection, scopes, now)
    numbers = {scope: _next(others[scope]) for scope in scopes}
    rows = [
        {
            "scope": scope,
            "number": number,
            "process": process,
            "seen": number,
            "renewed_at": now,
            "ended": False,
        }
        for scope, number in numbers.items()
    ]
    connection.execute(insert(rate_holders), rows)
    return numbers, others


def renew(
    connection: Connection,
    seats: Mapping[str, Seat],
    now: datetime,
    paused_until: datetime | None,
) -> Others | None:
    """Renew the leases of *seats*; return the rows of others, or None if one of ours is gone."""
    found = _look(connection, list(seats), now)
    values = {"renewed_at": now, "paused_until": paused_until}
    for scope, seat in seats.items():
        renewed = connection.execute(
            update(rate_holders)
            .where(_is(scope, seat.number), _table.ended.is_(False))
            .values(seen=seat.seen, **values)
        )
        if renewed.rowcount != 1:
            return None
    return {
        scope: [each for each in holders if each.number != seats[scope].number]
        for scope, holders in found.items()
    }


def end(
    connection: Connection,
    numbers: Mapping[str, int],
    now: datetime,
    paused_until: datetime | None,
) -> None:
    """Note that these holders send nothing any more."""
    for scope, number in numbers.items():
        connection.execute(
            update(rate_holders)
            .where(_is(scope, number))
            .values(ended=True, renewed_at=now, paused_until=paused_until)
        )


def _look(connection: Connection, scopes: Sequence[str], now: datetime) -> dict[str, list[Holder]]:
    """Return all rows that matter; the dead are marked, and what nobody needs is deleted."""
    if connection.dialect.name == "postgresql":
        # SQLite has one writer at a time anyway.
        connection.execute(text("LOCK TABLE rate_holders IN SHARE ROW EXCLUSIVE MODE"))
    found: dict[str, list[Holder]] = {scope: [] for scope in scopes}
    query = select(rate_holders).where(_table.scope.in_(scopes)).order_by(_table.number)
    for row in connection.execute(query).all():
        holder = _holder(row)
        if holder.forgotten(now):
            connection.execute(delete(rate_holders).where(_is(row.scope, row.number)))
            continue
        if not holder.ended and has_died(row.process):
            end(connection, {row.scope: row.number}, now, holder.paused_until)
            holder = _holder(row, ended=True, renewed_at=now)
        found[row.scope].append(holder)
    return found


def _next(others: Sequence[Holder]) -> int:
    """Return a number above all that were seen: somebody may believe to have seen a lower one."""
    return 1 + max([0, *(max(each.number, each.seen) for each in others)])


def _is(scope: str, number: int) -> Any:
    return and_(_table.scope == scope, _table.number == number)


def _holder(row: Row[Any], **changed: Any) -> Holder:
    known = {
        name: getattr(row, name)
        for name in ("number", "seen", "renewed_at", "ended", "paused_until")
    }
    return Holder(**{**known, **changed})
