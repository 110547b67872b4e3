"""Corrections of positions: written off once each, with who hears of it, in one transaction.

Every function takes a connection; the transaction is the caller's.
"""

from sqlalchemy import Connection, select, text

from activities.store.records import AuditEntry, RiskEvent, Run
from activities.store.runs import audit, record_risk
from activities.store.schema import corrections
from domain.correction import Correction
from domain.money import EXACT, Price


def correct(
    connection: Connection, of: Run, new: Correction, entry: AuditEntry, event: RiskEvent
) -> bool:
    """Add *new* with its *entry* and its *event*; return False if that was done before."""
    if connection.dialect.name == "postgresql":
        # SQLite has one writer at a time anyway.
        connection.execute(text("LOCK TABLE corrections IN SHARE ROW EXCLUSIVE MODE"))
    same = select(corrections.c.id).where(
        corrections.c.run_id == of.run_id, corrections.c.at == new.at
    )
    if connection.execute(same).first() is not None:
        return False
    instrument = of.instrument
    connection.execute(
        corrections.insert().values(
            run_id=of.run_id,
            account=of.account,
            symbol=of.symbol,
            lots=new.lots,
            quantity=EXACT.multiply(instrument.lot_size, new.lots),
            price_ticks=new.price.ticks,
            price=instrument.price_of(new.price),
            why=new.why,
            at=new.at,
        )
    )
    audit(connection, entry)
    record_risk(connection, event)
    return True


def corrections_of_run(connection: Connection, run_id: str) -> list[Correction]:
    """Return what was corrected of a run, oldest first."""
    query = select(corrections).where(corrections.c.run_id == run_id)
    rows = connection.execute(query.order_by(corrections.c.at, corrections.c.id))
    return [Correction(row.lots, Price(row.price_ticks), row.at, row.why) for row in rows]
