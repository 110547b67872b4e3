"""Orders, fills and instruments for the tests of the store."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from activities.store.records import Run
from domain.accounting import VenueView
from domain.money import Instrument, MarketKind, Price, Quantity
from domain.order_ids import OrderKey, Purpose, encode, run_tag
from domain.orders import Fill, OrderReport, OrderRequest, OrderStatus, Side

T0 = datetime(2024, 8, 8, 12, tzinfo=UTC)
ACCOUNT = "paper"
TAG = run_tag("grid-1")
INSTRUMENT = Instrument(
    symbol="BTC/USDT",
    kind=MarketKind.SPOT,
    base="BTC",
    quote="USDT",
    tick_size=Decimal("0.10"),
    lot_size=Decimal("0.001"),
    min_quantity=Quantity(1),
    min_notional=Decimal(5),
    maker_fee=Decimal("0.0002"),
    taker_fee=Decimal("0.0005"),
)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def client_id(
    generation: int = 1, key: int = 1000, purpose: Purpose = Purpose.ENTRY_BUY, tag: str = TAG
) -> str:
    return encode(OrderKey(tag, purpose, key, generation))


def request(generation: int = 1, **changes: Any) -> OrderRequest:
    values: dict[str, Any] = {
        "client_id": client_id(generation),
        "symbol": INSTRUMENT.symbol,
        "side": Side.BUY,
        "quantity": Quantity(10),
        "price": Price(1000),
    }
    return OrderRequest(**values | changes)


def fill(number: int = 1, lots: int = 4, **changes: Any) -> Fill:
    values: dict[str, Any] = {
        "fill_id": f"f{number}",
        "client_id": client_id(),
        "order_id": "v1",
        "symbol": INSTRUMENT.symbol,
        "side": Side.BUY,
        "price": Price(1000),
        "quantity": Quantity(lots),
        "fee": Decimal("0.0100"),
        "fee_asset": "USDT",
        "maker": True,
        "at": at(number),
    }
    return Fill(**values | changes)


def report(status: OrderStatus = OrderStatus.OPEN, filled: int = 0, **changes: Any) -> OrderReport:
    values: dict[str, Any] = {
        "client_id": client_id(),
        "order_id": "v1",
        "symbol": INSTRUMENT.symbol,
        "side": Side.BUY,
        "status": status,
        "quantity": Quantity(10),
        "filled": Quantity(filled),
        "value": filled * 1000,
        "price": Price(1000),
        "fees": {"USDT": Decimal("0.0025") * filled} if filled else {},
        "at": at(filled),
    }
    return OrderReport(**values | changes)


def run(run_id: str = "grid-1", **changes: Any) -> Run:
    values: dict[str, Any] = {
        "run_id": run_id,
        "tag": run_tag(run_id),
        "kind": "grid",
        "account": ACCOUNT,
        "venue": "paper",
        "symbol": INSTRUMENT.symbol,
        "spec": {"symbol": INSTRUMENT.symbol, "interval": "10.0", "levels": [1, 2]},
        "instrument": INSTRUMENT,
        "opened_at": T0,
        "opening": VenueView(Decimal("1000.00"), Decimal("0.500")),
    }
    return Run(**values | changes)
