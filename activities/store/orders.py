"""Orders and fills: reports are merged so that old news changes nothing.

Every function takes a connection; the transaction is the caller's. All may be repeated.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Table,
    and_,
    case,
    desc,
    func,
    or_,
    select,
)

from activities.store.instruments import Instruments
from activities.store.prepared import Prepared
from activities.store.records import REFUSED, SENDING, StoredOrder
from activities.store.schema import RANKS, fills, orders
from activities.store.statements import insert_in
from domain.money import Price, Quantity
from domain.order_ids import decode
from domain.orders import Fill, OrderReport, OrderRequest, OrderType, Refusal, RefusalReason, Side

_OPEN = RANKS["open"]
_PARTIAL = RANKS["partially_filled"]
_IN_CHUNK = 500  # ids in one IN (...): far below any database's limit of parameters


def record_reports(
    connection: Connection, account: str, reports: Iterable[OrderReport], instruments: Instruments
) -> int:
    """Merge what the venue said; return how many fills were new.

    An order keeps the highest cumulative fill and the highest rank it was ever reported with.
    Orders of others are not kept, their fills are (they move the account's money).
    """
    told = list(reports)
    # In the order of their ids, so that two writers at once never wait for each other in a circle.
    ours = sorted((r for r in told if decode(r.client_id)), key=lambda r: r.client_id)
    if ours:
        rows = [_reported(connection, account, report, instruments) for report in ours]
        _MERGE.execute(connection, rows)
    return record_fills(connection, account, (r.fill for r in told if r.fill), instruments)


def record_refusals(
    connection: Connection, account: str, refusals: Iterable[Refusal], at: datetime
) -> None:
    """Note that orders do not exist; an order that the venue ever reported stays as it is."""
    for refusal in refusals:
        connection.execute(
            orders.update()
            .where(
                orders.c.client_id == refusal.client_id,
                orders.c.account == account,
                orders.c.rank == RANKS[SENDING],
            )
            .values(
                status=REFUSED,
                rank=RANKS[REFUSED],
                reason=refusal.reason.value,
                message=refusal.message.replace("\0", ""),
                updated_at=at,
            )
        )


def record_fills(
    connection: Connection, account: str, new: Iterable[Fill], instruments: Instruments
) -> int:
    """Add what is not yet recorded and return how many that was."""
    rows = [_fill_row(connection, account, fill, instruments) for fill in new]
    if not rows:
        return 0
    added = _ADD_FILLS.execute(connection, rows)
    fresh = {(fill_id, side) for fill_id, side in added}
    known = [row for row in rows if (row["fill_id"], row["side"]) not in fresh]
    _name_anonymous(connection, [row for row in known if row["client_id"]])
    return len(added)


def order(connection: Connection, client_id: str) -> StoredOrder | None:
    """Return the order of that id, or None if there is not even a marker."""
    row = connection.execute(select(orders).where(orders.c.client_id == client_id)).first()
    return None if row is None else stored_order(row)


def orders_by_id(connection: Connection, client_ids: Sequence[str]) -> dict[str, StoredOrder]:
    """Return the orders of those ids that have a row."""
    found: dict[str, StoredOrder] = {}
    for start in range(0, len(client_ids), _IN_CHUNK):
        chosen = orders.c.client_id.in_(client_ids[start : start + _IN_CHUNK])
        for row in connection.execute(select(orders).where(chosen)):
            found[row.client_id] = stored_order(row)
    return found


def orders_of_tag(connection: Connection, tag: str, *, unsettled: bool) -> list[StoredOrder]:
    """Return the orders of a run, in the order of their ids; only those not over if *unsettled*."""
    query = select(orders).where(orders.c.run_tag == tag).order_by(orders.c.client_id)
    return [
        o for o in map(stored_order, connection.execute(query)) if not (unsettled and o.settled)
    ]


def fills_of_tag(connection: Connection, tag: str, limit: int | None = None) -> list[Fill]:
    """Return the fills of a run, oldest first; the newest *limit* of them, newest first."""
    newest = limit is not None
    keys: list[ColumnElement[Any]] = [fills.c.at, fills.c.fill_id, fills.c.side]
    query = select(fills).where(fills.c.run_tag == tag)
    query = query.order_by(*(desc(key) if newest else key for key in keys)).limit(limit)
    return [_fill(row) for row in connection.execute(query)]


def fills_of_account(
    connection: Connection, account: str, symbol: str, since: datetime, *, foreign: bool
) -> list[Fill]:
    """Return an account's fills at or after *since*, oldest first; only those of nobody's run."""
    query = select(fills).where(
        fills.c.account == account, fills.c.symbol == symbol, fills.c.at >= since
    )
    if foreign:
        query = query.where(fills.c.run_tag.is_(None))
    query = query.order_by(fills.c.at, fills.c.fill_id, fills.c.side)
    return [_fill(row) for row in connection.execute(query)]


def moved_by_others(
    connection: Connection, account: str, symbol: str, since: datetime, tag: str
) -> tuple[int, list[tuple[str, Decimal]]]:
    """Return what everybody but a run traded from *since* on: signed lots, and fees by asset."""
    others = (
        fills.c.account == account,
        fills.c.symbol == symbol,
        fills.c.at >= since,
        or_(fills.c.run_tag.is_(None), fills.c.run_tag != tag),
    )
    signed = case(
        (fills.c.side == Side.BUY.value, fills.c.quantity_lots), else_=-fills.c.quantity_lots
    )
    lots = connection.execute(select(func.sum(signed)).where(*others)).scalar()
    fees = connection.execute(select(fills.c.fee_asset, fills.c.fee).where(*others))
    return int(lots or 0), [(row.fee_asset, row.fee) for row in fees]


def stray_steps(
    connection: Connection, tag: str, tick_size: Decimal, lot_size: Decimal
) -> str | None:
    """Return the id of a fill of the run that was written with other steps than these, or None."""
    query = select(
        fills.c.fill_id,
        fills.c.price_ticks,
        fills.c.quantity_lots,
        fills.c.price,
        fills.c.quantity,
    ).where(fills.c.run_tag == tag)
    for row in connection.execute(query):
        if row.price is None:
            continue
        if row.price != row.price_ticks * tick_size or row.quantity != row.quantity_lots * lot_size:
            return str(row.fill_id)
    return None


def _reported(
    connection: Connection, account: str, report: OrderReport, instruments: Instruments
) -> dict[str, Any]:
    kind = OrderType.LIMIT if report.price else OrderType.MARKET
    return identity(connection, account, report, kind, instruments) | {
        "status": report.status.value,
        "rank": RANKS[report.status.value],
        "order_id": report.order_id or None,
        "filled_lots": report.filled.lots,
        "value": report.value,
        "fees": report.fees,
        "reason": report.reason.value if report.reason else None,
        "message": "",
        "sent_at": None,
        "updated_at": report.at,
    }


def identity(
    connection: Connection,
    account: str,
    asked: OrderRequest | OrderReport,
    kind: OrderType,
    instruments: Instruments,
) -> dict[str, Any]:
    """Return the columns of an order that never change."""
    named = decode(asked.client_id)
    price, quantity = instruments.decimals(
        connection, account, asked.symbol, asked.price, asked.quantity
    )
    return {
        "client_id": asked.client_id,
        "account": account,
        "run_tag": named.run_tag if named else "",
        "generation": named.generation if named else 0,
        "symbol": asked.symbol,
        "side": asked.side.value,
        "type": kind.value,
        "price_ticks": asked.price.ticks if asked.price else None,
        "quantity_lots": asked.quantity.lots,
        "price": price,
        "quantity": quantity,
        "reduce_only": asked.reduce_only,
    }


def _add_fills(dialect: str) -> Any:
    statement = insert_in(dialect, fills).on_conflict_do_nothing()
    return statement.returning(fills.c.fill_id, fills.c.side)


def _merge(dialect: str) -> Any:
    """One statement, so that two writers at once cannot undo each other."""
    statement = insert_in(dialect, orders)
    told, known = statement.excluded, orders.c
    further = told.filled_lots > known.filled_lots
    same = told.filled_lots == known.filled_lots
    higher = told.rank > known.rank
    return statement.on_conflict_do_update(
        index_elements=[known.client_id],
        set_={
            "status": case((higher, told.status), else_=known.status),
            "rank": case((higher, told.rank), else_=known.rank),
            "reason": case((higher, told.reason), else_=known.reason),
            "message": case((higher, told.message), else_=known.message),
            "order_id": func.coalesce(known.order_id, told.order_id),
            "filled_lots": case((further, told.filled_lots), else_=known.filled_lots),
            "value": case((further, told.value), else_=known.value),
            "fees": case(
                # The stream may tell the fill and only a later look-up its fee.
                (or_(further, and_(same, known.fees == {})), told.fees),
                else_=known.fees,
            ),
            "updated_at": _later(told.updated_at, known.updated_at),
        },
    )


_ADD_FILLS: Final = Prepared(_add_fills)
_MERGE: Final = Prepared(_merge)


def _later(one: ColumnElement[Any], other: ColumnElement[Any]) -> ColumnElement[Any]:
    return case((or_(other.is_(None), one > other), one), else_=other)


def _fill_row(
    connection: Connection, account: str, fill: Fill, instruments: Instruments
) -> dict[str, Any]:
    named = decode(fill.client_id)
    price, quantity = instruments.decimals(
        connection, account, fill.symbol, fill.price, fill.quantity
    )
    return {
        "account": account,
        "symbol": fill.symbol,
        "fill_id": fill.fill_id,
        "side": fill.side.value,
        "client_id": fill.client_id,
        "run_tag": named.run_tag if named else None,
        "order_id": fill.order_id,
        "price_ticks": fill.price.ticks,
        "quantity_lots": fill.quantity.lots,
        "price": price,
        "quantity": quantity,
        "fee": fill.fee,
        "fee_asset": fill.fee_asset,
        "maker": fill.maker,
        "at": fill.at,
    }


def _name_anonymous(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Give a fill its run if it was first told without the client order id (some lists lack it)."""
    for row in rows:
        connection.execute(
            fills.update()
            .where(
                *(fills.c[key.name] == row[key.name] for key in _key(fills)),
                fills.c.client_id == "",
            )
            .values(client_id=row["client_id"], run_tag=row["run_tag"])
        )


def _key(table: Table) -> Iterable[Any]:
    return table.primary_key.columns


def stored_order(row: Row[Any]) -> StoredOrder:
    """Return a row of the orders."""
    return StoredOrder(
        client_id=row.client_id,
        account=row.account,
        run_tag=row.run_tag,
        symbol=row.symbol,
        side=Side(row.side),
        type=OrderType(row.type),
        quantity=Quantity(row.quantity_lots),
        price=None if row.price_ticks is None else Price(row.price_ticks),
        status=row.status,
        order_id=row.order_id,
        filled=Quantity(row.filled_lots),
        value=row.value,
        fees=row.fees,
        reduce_only=row.reduce_only,
        sent_at=row.sent_at,
        updated_at=row.updated_at,
        reason=None if row.reason is None else RefusalReason(row.reason),
        message=row.message,
        decided=row.decided,
    )


def _fill(row: Row[Any]) -> Fill:
    return Fill(
        fill_id=row.fill_id,
        client_id=row.client_id,
        order_id=row.order_id,
        symbol=row.symbol,
        side=Side(row.side),
        price=Price(row.price_ticks),
        quantity=Quantity(row.quantity_lots),
        fee=row.fee,
        fee_asset=row.fee_asset,
        maker=row.maker,
        at=row.at,
    )
