"""What people are to be told, and what was written off. Revision 0004, after 0003."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _counter() -> sa.Column[int]:
    key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column("id", key, autoincrement=True, nullable=False)


def upgrade() -> None:
    op.create_table(
        "alerts",
        _counter(),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.CheckConstraint("times > 0", name=op.f("ck_alerts_times_positive")),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_alerts_attempts_not_negative")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
    )
    op.create_index(op.f("ix_alerts_delivered_at_at"), "alerts", ["delivered_at", "at"])
    op.create_index(op.f("ix_alerts_key_at"), "alerts", ["key", "at"])
    op.create_table(
        "corrections",
        _counter(),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("lots", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.Text(), nullable=False),
        sa.Column("price_ticks", sa.BigInteger(), nullable=False),
        sa.Column("price", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("lots <> 0", name=op.f("ck_corrections_lots_not_zero")),
        sa.CheckConstraint("price_ticks > 0", name=op.f("ck_corrections_price_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corrections")),
    )
    op.create_index(op.f("ix_corrections_run_id_at"), "corrections", ["run_id", "at"])


def downgrade() -> None:
    op.drop_table("corrections")
    op.drop_table("alerts")
