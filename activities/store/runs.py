"""Runs, what their feeds watch, what risk and people did to them, and their money over time.

Every function takes a connection; the transaction is the caller's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, desc, or_, select

from activities.store import alerts
from activities.store.instruments import from_json, to_json
from activities.store.records import (
    AuditEntry,
    EquityRecord,
    RiskEvent,
    Run,
    RunStatus,
    Span,
    Watch,
)
from activities.store.risk_alerts import alert_of
from activities.store.schema import audit_log, equity, risk_events, runs, watches
from activities.store.statements import insert_into
from domain.accounting import VenueView
from domain.errors import InvalidValueError
from domain.money import Price


def open_run(connection: Connection, new: Run) -> Run:
    """Add *new* and return it; return what is stored if this very start was recorded before.

    Raises InvalidValueError if the id or the tag belongs to another run.
    """
    statement = insert_into(connection, runs).values(_row(new)).on_conflict_do_nothing()
    if connection.execute(statement.returning(runs.c.run_id)).first():
        return new
    known = run(connection, new.run_id)
    if known is None:
        raise InvalidValueError(f"run tag {new.tag} of {new.run_id} belongs to another run")
    told = (new.tag, new.kind, new.account, new.symbol)
    if (known.tag, known.kind, known.account, known.symbol) != told:
        raise InvalidValueError(
            f"run {new.run_id} exists with other values: it is a {known.kind} on {known.symbol} at "
            f"{known.account}, tag {known.tag}; choose another run id"
        )
    return known


def set_status(
    connection: Connection, run_id: str, status: RunStatus, closed_at: datetime | None
) -> None:
    """Set where the run stands; raises InvalidValueError if there is no such run."""
    changed = connection.execute(
        runs.update()
        .where(runs.c.run_id == run_id)
        .values(status=status.value, closed_at=closed_at)
        .returning(runs.c.run_id)
    )
    if changed.first() is None:
        raise InvalidValueError(f"run_id must be a run in the ledger, was {run_id!r}")


def set_spec(connection: Connection, run_id: str, spec: Any) -> None:
    """Note the settings a run was reconfigured to; the audit log has the old ones."""
    connection.execute(runs.update().where(runs.c.run_id == run_id).values(spec=spec))


def run(connection: Connection, run_id: str) -> Run | None:
    """Return the run, or None if there is none of that id."""
    row = connection.execute(select(runs).where(runs.c.run_id == run_id)).first()
    return None if row is None else _run(row)


def list_runs(
    connection: Connection, account: str | None = None, statuses: Sequence[RunStatus] = ()
) -> list[Run]:
    """Return runs, oldest first; only those of *account*, only those in one of *statuses*."""
    query = select(runs).order_by(runs.c.opened_at, runs.c.run_id)
    if account is not None:
        query = query.where(runs.c.account == account)
    if statuses:
        query = query.where(runs.c.status.in_([status.value for status in statuses]))
    return [_run(row) for row in connection.execute(query)]


def alone(connection: Connection, of: Run) -> bool:
    """Return whether no other run has been open on the account of a run since that began."""
    later = or_(runs.c.closed_at.is_(None), runs.c.closed_at > of.opened_at)
    others = select(runs.c.run_id).where(
        runs.c.account == of.account, runs.c.run_id != of.run_id, later
    )
    return connection.execute(others.limit(1)).first() is None


def spans(connection: Connection, account: str) -> list[Span]:
    """Return when each run of *account* was open, oldest first."""
    columns = (runs.c.run_id, runs.c.symbol, runs.c.opened_at, runs.c.closed_at)
    query = select(*columns).where(runs.c.account == account)
    rows = connection.execute(query.order_by(runs.c.opened_at, runs.c.run_id))
    return [Span(*row) for row in rows]


def runs_by_tag(connection: Connection, tags: Iterable[str]) -> dict[str, Run]:
    """Return the runs that the given tags belong to; unknown tags are absent."""
    query = select(runs).where(runs.c.tag.in_(list(tags)))
    return {row.tag: _run(row) for row in connection.execute(query)}


def watch(connection: Connection, new: Watch) -> None:
    """Set what the feed watches for a run."""
    statement = insert_into(connection, watches).values(asdict(new))
    told = {column: statement.excluded[column] for column in asdict(new) if column != "run_id"}
    connection.execute(
        statement.on_conflict_do_update(index_elements=[watches.c.run_id], set_=told)
    )


def unwatch(connection: Connection, run_id: str) -> None:
    """Watch nothing for a run any more."""
    connection.execute(watches.delete().where(watches.c.run_id == run_id))


def list_watches(connection: Connection, account: str) -> list[Watch]:
    """Return what the feed of *account* has to watch, by run id."""
    query = select(watches).where(watches.c.account == account).order_by(watches.c.run_id)
    return [Watch(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001


def record_equity(connection: Connection, record: EquityRecord) -> None:
    """Add one point of the run's equity curve; a second one for the same moment is left out."""
    values = asdict(record) | {"mark_ticks": record.mark.ticks}
    del values["mark"]
    connection.execute(insert_into(connection, equity).values(values).on_conflict_do_nothing())


def equity_of_run(
    connection: Connection, run_id: str, since: datetime | None
) -> list[EquityRecord]:
    """Return the run's equity curve from *since* on, oldest first."""
    query = select(equity).where(equity.c.run_id == run_id).order_by(equity.c.at)
    if since is not None:
        query = query.where(equity.c.at >= since)
    points = []
    for row in connection.execute(query):
        values = dict(row._mapping)  # noqa: SLF001
        points.append(EquityRecord(mark=Price(values.pop("mark_ticks")), **values))
    return points


def audit(connection: Connection, entry: AuditEntry) -> None:
    """Append to the audit log. Nothing in the program changes or deletes from it."""
    connection.execute(audit_log.insert().values(asdict(entry)))


def audit_trail(connection: Connection, run_id: str | None, limit: int) -> list[AuditEntry]:
    """Return the newest *limit* entries, newest first; only those of one run if given."""
    query = select(audit_log).order_by(desc(audit_log.c.id)).limit(limit)
    if run_id is not None:
        query = query.where(audit_log.c.run_id == run_id)
    return [AuditEntry(**_without_id(row)) for row in connection.execute(query)]


def record_risk(connection: Connection, new: RiskEvent) -> None:
    """Append a risk event, and let people hear of it."""
    connection.execute(risk_events.insert().values(asdict(new)))
    alerts.add(connection, alert_of(new))


def list_risk(connection: Connection, account: str, limit: int) -> list[RiskEvent]:
    """Return the newest *limit* risk events of *account*, newest first."""
    query = select(risk_events).where(risk_events.c.account == account)
    query = query.order_by(desc(risk_events.c.id)).limit(limit)
    return [RiskEvent(**_without_id(row)) for row in connection.execute(query)]


def _without_id(row: Row[Any]) -> dict[str, Any]:
    return {key: value for key, value in row._mapping.items() if key != "id"}  # noqa: SLF001


def _row(new: Run) -> dict[str, Any]:
    opening = new.opening
    return {
        "run_id": new.run_id,
        "tag": new.tag,
        "kind": new.kind,
        "account": new.account,
        "venue": new.venue,
        "symbol": new.symbol,
        "spec": new.spec,
        "instrument": to_json(new.instrument),
        "opening_cash": opening.cash if opening else None,
        "opening_base": opening.base if opening else None,
        "opening_cost": opening.cost if opening else None,
        "status": new.status.value,
        "opened_at": new.opened_at,
        "closed_at": new.closed_at,
    }


def _run(row: Row[Any]) -> Run:
    known = row.opening_cash is not None
    return Run(
        run_id=row.run_id,
        tag=row.tag,
        kind=row.kind,
        account=row.account,
        venue=row.venue,
        symbol=row.symbol,
        spec=row.spec,
        instrument=from_json(row.instrument),
        opened_at=row.opened_at,
        opening=VenueView(row.opening_cash, row.opening_base, row.opening_cost) if known else None,
        status=RunStatus(row.status),
        closed_at=row.closed_at,
    )
