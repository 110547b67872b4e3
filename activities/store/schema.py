"""The tables, once for SQLite and PostgreSQL, exactly as the migrations make them.

Orders and fills carry the run tag that their client order id says, not a foreign key: a fill is
recorded even when its run is not (yet) known, and belongs to it from the moment it is. Prices and
quantities stand as whole ticks and lots, which is what the program reads, and as exact decimals,
which is what people read and what proves that the steps are still those the row was written with.
"""

from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

from activities.store.records import REFUSED, SENDING, RunStatus
from activities.store.types import Amounts, Counter, Exact, Utc, Whole
from domain.orders import OrderStatus, OrderType, Side

#: The revision this program reads and writes: the newest in alembic/versions (a test compares).
REVISION: Final = "0005"

#: How far along an order is. A report never takes one back to a lower rank.
RANKS: Final = {
    SENDING: 0,
    REFUSED: 1,
    OrderStatus.OPEN.value: 2,
    OrderStatus.PARTIALLY_FILLED.value: 3,
    OrderStatus.REJECTED.value: 4,
    OrderStatus.EXPIRED.value: 5,
    OrderStatus.CANCELED.value: 6,
    OrderStatus.FILLED.value: 7,
}

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _one_of(column: str, values: Any) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def _text(name: str, **options: Any) -> Column[Any]:
    return Column(name, Text, nullable=False, **options)


def _time(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, Utc, nullable=nullable)


instruments = Table(
    "instruments",
    metadata,
    _text("account", primary_key=True),
    _text("symbol", primary_key=True),
    Column("instrument", JSON, nullable=False),
    _time("updated_at"),
)

runs = Table(
    "runs",
    metadata,
    _text("run_id", primary_key=True),
    _text("tag", unique=True),
    _text("kind"),
    _text("account"),
    _text("venue"),
    _text("symbol"),
    Column("spec", JSON, nullable=False),
    Column("instrument", JSON, nullable=False),
    Column("opening_cash", Exact),
    Column("opening_base", Exact),
    Column("opening_cost", Exact),
    _text("status"),
    _time("opened_at"),
    _time("closed_at", nullable=True),
    _one_of("status", RunStatus),
    CheckConstraint("length(tag) = 8", name="tag_length"),
    CheckConstraint("closed_at IS NULL OR status IN ('stopped', 'failed')", name="closed"),
    CheckConstraint(
        "(opening_cash IS NULL) = (opening_base IS NULL)"
        " AND (opening_cash IS NULL) = (opening_cost IS NULL)",
        name="opening_whole",
    ),
    Index(None, "account", "status"),
)

orders = Table(
    "orders",
    metadata,
    _text("client_id", primary_key=True),
    _text("account"),
    _text("run_tag"),
    Column("generation", BigInteger, nullable=False),
    _text("symbol"),
    _text("side"),
    _text("type"),
    Column("price_ticks", BigInteger),
    Column("quantity_lots", BigInteger, nullable=False),
    Column("price", Exact),
    Column("quantity", Exact),
    # What slippage is measured from; empty where it is not, and where no marker was written.
    Column("decided", Exact),
    Column("reduce_only", Boolean, nullable=False),
    _text("status"),
    Column("rank", Integer, nullable=False),
    Column("order_id", Text),
    Column("filled_lots", BigInteger, nullable=False),
    Column("value", Whole, nullable=False),
    Column("fees", Amounts, nullable=False),
    Column("reason", Text),
    _text("message"),
    _time("sent_at", nullable=True),
    _time("updated_at", nullable=True),
    _one_of("side", Side),
    _one_of("type", OrderType),
    _one_of("status", RANKS),
    CheckConstraint("price_ticks > 0", name="price_positive"),
    CheckConstraint("quantity_lots >= 0", name="quantity_not_negative"),
    CheckConstraint("filled_lots >= 0", name="filled_not_negative"),
    CheckConstraint("rank BETWEEN 0 AND 7", name="rank"),
    Index(None, "run_tag", "generation"),
    Index(None, "account", "symbol", "rank"),
)

fills = Table(
    "fills",
    metadata,
    _text("account", primary_key=True),
    # Venues count executions per symbol, and an order that met another of ours has both under one
    # id.
    _text("symbol", primary_key=True),
    _text("fill_id", primary_key=True),
    _text("side", primary_key=True),
    _text("client_id"),
    Column("run_tag", Text),
    _text("order_id"),
    Column("price_ticks", BigInteger, nullable=False),
    Column("quantity_lots", BigInteger, nullable=False),
    Column("price", Exact),
    Column("quantity", Exact),
    Column("fee", Exact, nullable=False),
    _text("fee_asset"),
    Column("maker", Boolean, nullable=False),
    _time("at"),
    _one_of("side", Side),
    CheckConstraint("price_ticks > 0", name="price_positive"),
    CheckConstraint("quantity_lots > 0", name="quantity_positive"),
    Index(None, "run_tag", "at"),
    Index(None, "account", "at"),
)

funding_payments = Table(
    "funding_payments",
    metadata,
    _text("account", primary_key=True),
    _text("symbol", primary_key=True),
    _text("payment_id", primary_key=True),
    Column("amount", Exact, nullable=False),
    _time("at"),
    Index(None, "account", "symbol", "at"),
)

transfers = Table(
    "transfers",
    metadata,
    _text("account", primary_key=True),
    _text("transfer_id", primary_key=True),
    _text("asset"),
    Column("amount", Exact, nullable=False),
    _time("at"),
    Index(None, "account", "at"),
)

balances = Table(
    "balances",
    metadata,
    _text("account", primary_key=True),
    Column("at", Utc, primary_key=True, nullable=False),
    _text("asset", primary_key=True),
    Column("total", Exact, nullable=False),
    Column("locked", Exact, nullable=False),
)

equity = Table(
    "equity",
    metadata,
    _text("run_id", primary_key=True),
    Column("at", Utc, primary_key=True, nullable=False),
    Column("mark_ticks", BigInteger, nullable=False),
    Column("grid_profit", Exact, nullable=False),
    Column("floating", Exact, nullable=False),
    Column("funding", Exact, nullable=False),
    Column("fees", Exact, nullable=False),
    Column("transfers", Exact, nullable=False),
    Column("equity", Exact),
    Column("residual", Exact),
    CheckConstraint("mark_ticks > 0", name="mark_positive"),
)

watermarks = Table(
    "watermarks",
    metadata,
    _text("account", primary_key=True),
    _text("symbol", primary_key=True),
    _time("at"),
)

watches = Table(
    "watches",
    metadata,
    _text("run_id", primary_key=True),
    _text("account"),
    _text("symbol"),
    _text("workflow_id"),
    Column("what", JSON, nullable=False),
    Index(None, "account"),
)

risk_events = Table(
    "risk_events",
    metadata,
    Column("id", Counter, primary_key=True, autoincrement=True),
    _time("at"),
    _text("kind"),
    _text("account"),
    Column("run_id", Text),
    Column("detail", JSON, nullable=False),
    Index(None, "account", "at"),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", Counter, primary_key=True, autoincrement=True),
    _time("at"),
    _text("who"),
    _text("source"),
    _text("command"),
    Column("run_id", Text),
    Column("before", JSON(none_as_null=True)),
    Column("after", JSON(none_as_null=True)),
    _text("why"),
    Index(None, "run_id", "at"),
)

# Who shares the rates of an account, see domain/sharing.py; times are those of the holder's clock.
rate_holders = Table(
    "rate_holders",
    metadata,
    _text("scope", primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False, nullable=False),
    _text("process"),
    Column("seen", BigInteger, nullable=False),
    _time("renewed_at"),
    Column("ended", Boolean, nullable=False),
    _time("paused_until", nullable=True),
    CheckConstraint("number > 0", name="number_positive"),
)

# What risk knows of a scope ("overall", "account main", "run btc"), and what the market monitor
# said last ("monitor"). `version` counts the changes of the whole table: its greatest tells of any.
risk_states = Table(
    "risk_states",
    metadata,
    _text("scope", primary_key=True),
    Column("version", BigInteger, unique=True, nullable=False),
    _time("changed_at"),
    Column("state", JSON, nullable=False),
    CheckConstraint("version > 0", name="version_positive"),
)

# What each run may need at most of the limits of its account and of everything.
reservations = Table(
    "reservations",
    metadata,
    _text("run_id", primary_key=True),
    _text("account"),
    Column("asked", JSON, nullable=False),
    _time("at"),
)

# What people are to be told: written first, delivered after, so no crash loses one. `key` says what
# it is about: the same thing again within the quiet time is counted in `times`, not told again.
alerts = Table(
    "alerts",
    metadata,
    Column("id", Counter, primary_key=True, autoincrement=True),
    _time("at"),
    _text("level"),
    _text("key"),
    _text("message"),
    Column("fields", JSON, nullable=False),
    Column("times", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    _time("delivered_at", nullable=True),
    _text("error"),
    CheckConstraint("times > 0", name="times_positive"),
    CheckConstraint("attempts >= 0", name="attempts_not_negative"),
    Index(None, "delivered_at", "at"),
    Index(None, "key", "at"),
)

# Where the position at a venue differed from the ledger's by little: how much was written off.
corrections = Table(
    "corrections",
    metadata,
    Column("id", Counter, primary_key=True, autoincrement=True),
    _text("run_id"),
    _text("account"),
    _text("symbol"),
    Column("lots", BigInteger, nullable=False),
    Column("quantity", Exact, nullable=False),
    Column("price_ticks", BigInteger, nullable=False),
    Column("price", Exact, nullable=False),
    _text("why"),
    _time("at"),
    CheckConstraint("lots <> 0", name="lots_not_zero"),
    CheckConstraint("price_ticks > 0", name="price_positive"),
    Index(None, "run_id", "at"),
)

# The simple runner's: its file is a database of this schema too, see checkpoint.py.
checkpoints = Table(
    "checkpoints",
    metadata,
    _text("run_id", primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False, nullable=False),
    Column("state_schema", Integer, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("sha256", Text, nullable=False),
    _time("saved_at"),
    CheckConstraint("version > 0", name="version_positive"),
    CheckConstraint("length(sha256) = 64", name="sha256_length"),
)

checkpoint_heads = Table(
    "checkpoint_heads",
    metadata,
    _text("run_id", primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("flushed", BigInteger, nullable=False),
    CheckConstraint("flushed BETWEEN 0 AND version", name="flushed"),
)
