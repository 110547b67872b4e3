"""Send markers: what is about to leave, committed before it does.

Every function takes a connection; the transaction is the caller's. All may be repeated.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select

from activities.store.instruments import Instruments
from activities.store.orders import identity, orders_by_id
from activities.store.prepared import Prepared
from activities.store.records import REFUSED, SENDING, Marked, StoredOrder
from activities.store.schema import RANKS, orders
from activities.store.statements import insert_in
from domain.order_ids import decode
from domain.orders import OrderRequest


def mark_sending(
    connection: Connection,
    account: str,
    requests: Sequence[OrderRequest],
    at: datetime,
    instruments: Instruments,
) -> set[str]:
    """Add a send marker for each request; return the ids that already had one, perhaps sent."""
    if not requests:
        return set()
    rows = [_marker(connection, account, request, at, instruments) for request in requests]
    rows.sort(key=lambda row: str(row["client_id"]))
    added = {client_id for (client_id,) in _ADD.execute(connection, rows)}
    return {request.client_id for request in requests} - added


def mark_decided(
    connection: Connection,
    account: str,
    requests: Sequence[OrderRequest],
    at: datetime,
    instruments: Instruments,
    *,
    decided: Sequence[OrderRequest],
) -> Marked:
    """Add send markers for *requests* unless `unremembered` finds orders; then change nothing."""
    lost = unremembered(connection, decided)
    if lost:
        return Marked(lost=tuple(lost))
    return Marked(frozenset(mark_sending(connection, account, requests, at, instruments)))


def unremembered(connection: Connection, decided: Sequence[OrderRequest]) -> list[StoredOrder]:
    """Return the orders that were sent instead of *decided*, or after them, by generation.

    They have a generation that *decided*, all orders of one decision, must be the first to use. One
    that was refused or proved absent is nothing that anybody has to hear of. An emergency exit
    counts for itself and stores each decision before it sends: none of its orders get lost.
    """
    keys = [key for request in decided if (key := decode(request.client_id))]
    if not keys or keys[0].purpose.leaves:
        return []
    asked = {"tag": keys[0].run_tag, "first": min(key.generation for key in keys)}
    mine = {request.client_id for request in decided}
    found = _FROM.execute(connection, [asked])
    lost = [
        name
        for name, status in found
        if name not in mine and status != REFUSED and not _leaves(name)
    ]
    stored = orders_by_id(connection, lost)
    return [stored[name] for name in lost]


def _leaves(client_id: str) -> bool:
    key = decode(client_id)
    return key is not None and key.purpose.leaves


def _marker(
    connection: Connection,
    account: str,
    request: OrderRequest,
    at: datetime,
    instruments: Instruments,
) -> dict[str, Any]:
    return identity(connection, account, request, request.type, instruments) | {
        "status": SENDING,
        "rank": RANKS[SENDING],
        "order_id": None,
        "filled_lots": 0,
        "value": 0,
        "fees": {},
        "reason": None,
        "message": "",
        "decided": request.decided,
        "sent_at": at,
        "updated_at": None,
    }


def _add_markers(dialect: str) -> Any:
    statement = insert_in(dialect, orders).on_conflict_do_nothing()
    return statement.returning(orders.c.client_id)


def _from_generation(_dialect: str) -> Any:
    return (
        select(orders.c.client_id, orders.c.status)
        .where(orders.c.run_tag == bindparam("tag"), orders.c.generation >= bindparam("first"))
        .order_by(orders.c.generation, orders.c.client_id)
    )


_ADD: Final = Prepared(_add_markers)
_FROM: Final = Prepared(_from_generation)
