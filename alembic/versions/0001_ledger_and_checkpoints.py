"""The ledger and the checkpoints. Revision 0001, the first."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_log",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("before", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("after", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
    )
    op.create_index(op.f("ix_audit_log_run_id_at"), "audit_log", ["run_id", "at"], unique=False)
    op.create_table(
        "balances",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("total", sa.Text(), nullable=False),
        sa.Column("locked", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account", "at", "asset", name=op.f("pk_balances")),
    )
    op.create_table(
        "checkpoint_heads",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("flushed", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "flushed BETWEEN 0 AND version", name=op.f("ck_checkpoint_heads_flushed")
        ),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_checkpoint_heads")),
    )
    op.create_table(
        "checkpoints",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("state_schema", sa.Integer(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("length(sha256) = 64", name=op.f("ck_checkpoints_sha256_length")),
        sa.CheckConstraint("version > 0", name=op.f("ck_checkpoints_version_positive")),
        sa.PrimaryKeyConstraint("run_id", "version", name=op.f("pk_checkpoints")),
    )
    op.create_table(
        "equity",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("mark_ticks", sa.BigInteger(), nullable=False),
        sa.Column("grid_profit", sa.Text(), nullable=False),
        sa.Column("floating", sa.Text(), nullable=False),
        sa.Column("funding", sa.Text(), nullable=False),
        sa.Column("fees", sa.Text(), nullable=False),
        sa.Column("transfers", sa.Text(), nullable=False),
        sa.Column("equity", sa.Text(), nullable=True),
        sa.Column("residual", sa.Text(), nullable=True),
        sa.CheckConstraint("mark_ticks > 0", name=op.f("ck_equity_mark_positive")),
        sa.PrimaryKeyConstraint("run_id", "at", name=op.f("pk_equity")),
    )
    op.create_table(
        "fills",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("fill_id", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("run_tag", sa.Text(), nullable=True),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("price_ticks", sa.BigInteger(), nullable=False),
        sa.Column("quantity_lots", sa.BigInteger(), nullable=False),
        sa.Column("price", sa.Text(), nullable=True),
        sa.Column("quantity", sa.Text(), nullable=True),
        sa.Column("fee", sa.Text(), nullable=False),
        sa.Column("fee_asset", sa.Text(), nullable=False),
        sa.Column("maker", sa.Boolean(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("side IN ('buy', 'sell')", name=op.f("ck_fills_side")),
        sa.CheckConstraint("price_ticks > 0", name=op.f("ck_fills_price_positive")),
        sa.CheckConstraint("quantity_lots > 0", name=op.f("ck_fills_quantity_positive")),
        sa.PrimaryKeyConstraint("account", "symbol", "fill_id", "side", name=op.f("pk_fills")),
    )
    op.create_index(op.f("ix_fills_account_at"), "fills", ["account", "at"], unique=False)
    op.create_index(op.f("ix_fills_run_tag_at"), "fills", ["run_tag", "at"], unique=False)
    op.create_table(
        "funding_payments",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("payment_id", sa.Text(), nullable=False),
        sa.Column("amount", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(
            "account", "symbol", "payment_id", name=op.f("pk_funding_payments")
        ),
    )
    op.create_index(
        op.f("ix_funding_payments_account_symbol_at"),
        "funding_payments",
        ["account", "symbol", "at"],
        unique=False,
    )
    op.create_table(
        "instruments",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("instrument", sa.JSON(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account", "symbol", name=op.f("pk_instruments")),
    )
    op.create_table(
        "orders",
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("run_tag", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("price_ticks", sa.BigInteger(), nullable=True),
        sa.Column("quantity_lots", sa.BigInteger(), nullable=False),
        sa.Column("price", sa.Text(), nullable=True),
        sa.Column("quantity", sa.Text(), nullable=True),
        sa.Column("reduce_only", sa.Boolean(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=True),
        sa.Column("filled_lots", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("fees", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("side IN ('buy', 'sell')", name=op.f("ck_orders_side")),
        sa.CheckConstraint(
            "status IN ('sending', 'refused', 'open', 'partially_filled', 'rejected', 'expired', 'canceled', 'filled')",
            name=op.f("ck_orders_status"),
        ),
        sa.CheckConstraint("type IN ('limit', 'market')", name=op.f("ck_orders_type")),
        sa.CheckConstraint("filled_lots >= 0", name=op.f("ck_orders_filled_not_negative")),
        sa.CheckConstraint("price_ticks > 0", name=op.f("ck_orders_price_positive")),
        sa.CheckConstraint("quantity_lots >= 0", name=op.f("ck_orders_quantity_not_negative")),
        sa.CheckConstraint("rank BETWEEN 0 AND 7", name=op.f("ck_orders_rank")),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_orders")),
    )
    op.create_index(
        op.f("ix_orders_account_symbol_rank"), "orders", ["account", "symbol", "rank"], unique=False
    )
    op.create_index(
        op.f("ix_orders_run_tag_generation"), "orders", ["run_tag", "generation"], unique=False
    )
    op.create_table(
        "risk_events",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_risk_events")),
    )
    op.create_index(
        op.f("ix_risk_events_account_at"), "risk_events", ["account", "at"], unique=False
    )
    op.create_table(
        "runs",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("instrument", sa.JSON(), nullable=False),
        sa.Column("opening_cash", sa.Text(), nullable=True),
        sa.Column("opening_base", sa.Text(), nullable=True),
        sa.Column("opening_cost", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "closed_at IS NULL OR status IN ('stopped', 'failed')", name=op.f("ck_runs_closed")
        ),
        sa.CheckConstraint(
            "status IN ('running', 'paused', 'stopped', 'failed')", name=op.f("ck_runs_status")
        ),
        sa.CheckConstraint(
            "(opening_cash IS NULL) = (opening_base IS NULL) AND (opening_cash IS NULL) = (opening_cost IS NULL)",
            name=op.f("ck_runs_opening_whole"),
        ),
        sa.CheckConstraint("length(tag) = 8", name=op.f("ck_runs_tag_length")),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_runs")),
        sa.UniqueConstraint("tag", name=op.f("uq_runs_tag")),
    )
    op.create_index(op.f("ix_runs_account_status"), "runs", ["account", "status"], unique=False)
    op.create_table(
        "transfers",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("transfer_id", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("amount", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account", "transfer_id", name=op.f("pk_transfers")),
    )
    op.create_index(op.f("ix_transfers_account_at"), "transfers", ["account", "at"], unique=False)
    op.create_table(
        "watches",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("workflow_id", sa.Text(), nullable=False),
        sa.Column("what", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_watches")),
    )
    op.create_index(op.f("ix_watches_account"), "watches", ["account"], unique=False)
    op.create_table(
        "watermarks",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account", "symbol", name=op.f("pk_watermarks")),
    )
    _protect_audit_log()


def downgrade() -> None:
    op.drop_table("watermarks")
    op.drop_table("watches")
    op.drop_table("transfers")
    op.drop_table("runs")
    op.drop_table("risk_events")
    op.drop_table("orders")
    op.drop_table("instruments")
    op.drop_table("funding_payments")
    op.drop_table("fills")
    op.drop_table("equity")
    op.drop_table("checkpoints")
    op.drop_table("checkpoint_heads")
    op.drop_table("balances")
    op.drop_table("audit_log")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_audit_change()")


def _protect_audit_log() -> None:
    """Append-only for every program that uses the database, not by good manners alone."""
    if op.get_bind().dialect.name == "sqlite":
        for change in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER audit_log_no_{change} BEFORE {change.upper()} ON audit_log "
                "BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'audit_log is append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()"
    )
