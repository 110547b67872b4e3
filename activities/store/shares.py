"""Who shares the rates of an account: the rows of `domain.sharing`.

Every function is one look at all rows of some scopes and one change of the own ones, and they come
one after the other: what one of them has read, no other one changes meanwhile.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, delete, func, insert, select, text, update

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
    newest = select(_table.scope, func.max(_table.number).label("last")).group_by(_table.scope)
    last = {row.scope: row.last for row in connection.execute(newest)}
    numbers = {scope: 1 + last.get(scope, 0) for scope in scopes}
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
    there = {
        (scope, each.number) for scope, rows in found.items() for each in rows if not each.ended
    }
    if any((scope, seat.number) not in there for scope, seat in seats.items()):
        return None
    for scope, seat in seats.items():
        connection.execute(
            update(rate_holders)
            .where(_is(scope, seat.number))
            .values(seen=seat.seen, renewed_at=now, paused_until=paused_until)
        )
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
    """Return all rows that matter; the dead are marked, and what nobody needs is deleted.

    The newest row of a scope is kept for its number, which must not come again: somebody may
    believe to have seen it, or to be it.
    """
    if connection.dialect.name == "postgresql":
        # SQLite has one writer at a time anyway.
        connection.execute(text("LOCK TABLE rate_holders IN SHARE ROW EXCLUSIVE MODE"))
    found: dict[str, list[Holder]] = {scope: [] for scope in scopes}
    query = select(rate_holders).where(_table.scope.in_(scopes)).order_by(_table.number)
    rows = connection.execute(query).all()
    newest = {row.scope: row.number for row in rows}
    for row in rows:
        holder = _holder(row)
        if holder.forgotten(now):
            if row.number < newest[row.scope]:
                connection.execute(delete(rate_holders).where(_is(row.scope, row.number)))
            continue
        if not holder.ended and has_died(row.process):
            end(connection, {row.scope: row.number}, now, holder.paused_until)
            holder = _holder(row, ended=True, renewed_at=now)
        found[row.scope].append(holder)
    return found


def _is(scope: str, number: int) -> Any:
    return and_(_table.scope == scope, _table.number == number)


def _holder(row: Row[Any], **changed: Any) -> Holder:
    known = {
        name: getattr(row, name)
        for name in ("number", "seen", "renewed_at", "ended", "paused_until")
    }
    return Holder(**{**known, **changed})
