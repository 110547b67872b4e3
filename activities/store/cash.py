"""Money that moves without an order (funding, transfers), balances, and how far we have looked.

Every function takes a connection; the transaction is the caller's. Recording may be repeated.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, func, select

from activities.store.corrections import corrections_of_run
from activities.store.orders import fills_of_tag, stray_steps
from activities.store.records import Run, Span
from activities.store.runs import spans
from activities.store.schema import balances, funding_payments, transfers, watermarks
from activities.store.statements import insert_into
from domain.accounting import RunAccount, Transfer, fold
from domain.errors import StoreError
from domain.market import Balance, FundingPayment


def record_funding(connection: Connection, account: str, new: Iterable[FundingPayment]) -> int:
    """Add what is not yet recorded and return how many that was."""
    rows = [
        {
            "account": account,
            "symbol": payment.symbol,
            "payment_id": payment.payment_id,
            "amount": payment.amount,
            "at": payment.at,
        }
        for payment in new
    ]
    return _add(connection, funding_payments, rows)


def newest_funding(connection: Connection, account: str, symbol: str) -> datetime | None:
    """Return when the newest payment on *symbol* was that is recorded; None if there is none."""
    query = select(func.max(funding_payments.c.at)).where(
        funding_payments.c.account == account, funding_payments.c.symbol == symbol
    )
    return connection.execute(query).scalar()


def record_transfers(connection: Connection, account: str, new: Iterable[Transfer]) -> int:
    """Add what is not yet recorded and return how many that was."""
    rows = [
        {
            "account": account,
            "transfer_id": transfer.transfer_id,
            "asset": transfer.asset,
            "amount": transfer.amount,
            "at": transfer.at,
        }
        for transfer in new
    ]
    return _add(connection, transfers, rows)


def record_balances(
    connection: Connection, account: str, now: Sequence[Balance], at: datetime
) -> None:
    """Add what the account owned at one moment."""
    rows = [
        {"account": account, "at": at, "asset": b.asset, "total": b.total, "locked": b.locked}
        for b in now
    ]
    _add(connection, balances, rows)


def latest_balances(connection: Connection, account: str) -> tuple[datetime, list[Balance]] | None:
    """Return the newest snapshot with its time, or None if there is none."""
    newest = select(func.max(balances.c.at)).where(balances.c.account == account)
    at = connection.execute(newest).scalar()
    if at is None:
        return None
    query = select(balances).where(balances.c.account == account, balances.c.at == at)
    rows = connection.execute(query.order_by(balances.c.asset))
    return at, [Balance(row.asset, row.total, row.locked) for row in rows]


def watermark(connection: Connection, account: str, symbol: str) -> datetime | None:
    """Return up to when everything is known to be recorded, or None if nothing is."""
    query = select(watermarks.c.at).where(
        watermarks.c.account == account, watermarks.c.symbol == symbol
    )
    return connection.execute(query).scalar()


def advance_watermark(connection: Connection, account: str, symbol: str, to: datetime) -> None:
    """Move the watermark forward to *to*; it never goes back."""
    statement = insert_into(connection, watermarks).values(account=account, symbol=symbol, at=to)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=list(watermarks.primary_key.columns),
            set_={"at": statement.excluded.at},
            where=statement.excluded.at > watermarks.c.at,
        )
    )


def account_of_run(connection: Connection, of: Run) -> RunAccount:
    """Return the money of a run, folded from all that is recorded.

    A funding payment or a transfer belongs to the youngest run that was open then (on that symbol,
    on that account), so that no two runs count the same one. Raises StoreError if a fill was
    written with other steps than the run's: its ticks and lots would be worth something else.
    """
    stray = stray_steps(connection, of.tag, of.instrument.tick_size, of.instrument.lot_size)
    if stray is not None:
        raise StoreError(
            f"fill {stray} of run {of.run_id} was recorded with other steps than the run's "
            f"(tick {of.instrument.tick_size}, lot {of.instrument.lot_size} of {of.symbol}): the "
            "venue changed them; stop the run and start a new one"
        )
    funding, moved = _funding(connection, of), _transfers(connection, of)
    peers = spans(connection, of.account) if funding or moved else []
    neighbours = [peer for peer in peers if peer.symbol == of.symbol]
    return fold(
        of.instrument,
        fills_of_tag(connection, of.tag),
        [payment for payment in funding if _owner(neighbours, payment.at) == of.run_id],
        [transfer for transfer in moved if _owner(peers, transfer.at) == of.run_id],
        corrections=corrections_of_run(connection, of.run_id),
    )


def _owner(peers: Sequence[Span], at: datetime) -> str | None:
    """Return the run that money moved at *at* belongs to; *peers* are oldest first."""
    return next((peer.run_id for peer in reversed(peers) if peer.covers(at)), None)


def _funding(connection: Connection, of: Run) -> list[FundingPayment]:
    query = select(funding_payments).where(
        funding_payments.c.account == of.account,
        funding_payments.c.symbol == of.symbol,
        _while_open(funding_payments.c.at, of),
    )
    return [
        FundingPayment(row.payment_id, row.symbol, row.amount, row.at)
        for row in connection.execute(query)
    ]


def _transfers(connection: Connection, of: Run) -> list[Transfer]:
    query = select(transfers).where(
        transfers.c.account == of.account, _while_open(transfers.c.at, of)
    )
    return [
        Transfer(row.transfer_id, row.asset, row.amount, row.at)
        for row in connection.execute(query)
    ]


def _while_open(at: Any, of: Run) -> Any:
    since = at >= of.opened_at
    return since if of.closed_at is None else and_(since, at <= of.closed_at)


def _add(connection: Connection, table: Any, rows: Sequence[dict[str, Any]]) -> int:
    if not rows:
        return 0
    statement = insert_into(connection, table).on_conflict_do_nothing()
    return len(connection.execute(statement.returning(*table.primary_key.columns), rows).all())
