"""What risk knows, and who has reserved what: read, changed and told of in one transaction.

Changes come one after the other, whoever makes them: what one of them has read, no other one
changes meanwhile. Every function takes a connection; the transaction is the caller's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, delete, func, select, text

from activities.store.records import AuditEntry, RiskEvent
from activities.store.runs import audit, record_risk, run
from activities.store.schema import reservations, risk_states
from activities.store.statements import insert_into

#: What is stored, by scope; a scope that nothing was ever stored of is absent.
States = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RiskChange:
    """What to store of each scope that changes, and what to tell of it."""

    states: States = field(default_factory=dict)
    events: Sequence[RiskEvent] = ()
    entries: Sequence[AuditEntry] = ()


def version(connection: Connection) -> int:
    """Return a number that every change of any state makes greater; 0 before the first."""
    return connection.execute(select(func.max(risk_states.c.version))).scalar() or 0


def states(connection: Connection, scopes: Sequence[str]) -> States:
    """Return what is stored of *scopes*."""
    query = select(risk_states.c.scope, risk_states.c.state)
    rows = connection.execute(query.where(risk_states.c.scope.in_(scopes)))
    return {row.scope: row.state for row in rows}


def look(
    connection: Connection, scopes: Sequence[str], known: int | None
) -> tuple[int, States | None]:
    """Return the version, and what is stored of *scopes* unless that is the version *known*."""
    now = version(connection)
    return now, None if now == known else states(connection, scopes)


def change(
    connection: Connection,
    scopes: Sequence[str],
    work: Callable[[States], RiskChange],
    now: datetime,
) -> None:
    """Store what *work* makes of what is stored of *scopes*, with what it tells."""
    _lock(connection, risk_states)
    done = work(states(connection, scopes))
    newest = version(connection)
    for number, (scope, state) in enumerate(done.states.items(), newest + 1):
        values = {"version": number, "changed_at": now, "state": state}
        statement = insert_into(connection, risk_states).values(scope=scope, **values)
        connection.execute(
            statement.on_conflict_do_update(index_elements=[risk_states.c.scope], set_=values)
        )
    for event in done.events:
        record_risk(connection, _of_account(connection, event))
    for entry in done.entries:
        audit(connection, entry)


def _of_account(connection: Connection, event: RiskEvent) -> RiskEvent:
    """Return *event* with the account of its run, which who tells of a run need not know."""
    known = run(connection, event.run_id) if event.run_id and not event.account else None
    return replace(event, account=known.account) if known else event


def reserved(connection: Connection) -> States:
    """Return what every run has reserved, by run id."""
    rows = connection.execute(select(reservations.c.run_id, reservations.c.asked))
    return {row.run_id: row.asked for row in rows}


def reserve(
    connection: Connection,
    run_id: str,
    account: str,
    asked: Any,
    refused: Callable[[States], str | None],
    now: datetime,
) -> str | None:
    """Reserve *asked* for a run, in place of what it had; or return why that is *refused*."""
    _lock(connection, reservations)
    why = refused(reserved(connection))
    if why is not None:
        return why
    values = {"account": account, "asked": asked, "at": now}
    statement = insert_into(connection, reservations).values(run_id=run_id, **values)
    connection.execute(
        statement.on_conflict_do_update(index_elements=[reservations.c.run_id], set_=values)
    )
    return None


def release(connection: Connection, run_id: str) -> None:
    """Give free what a run had reserved."""
    connection.execute(delete(reservations).where(reservations.c.run_id == run_id))


def _lock(connection: Connection, table: Table) -> None:
    if connection.dialect.name == "postgresql":
        # SQLite has one writer at a time anyway.
        connection.execute(text(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE"))
