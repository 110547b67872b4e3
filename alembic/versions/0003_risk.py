"""The state of risk, and who has reserved what of the limits. Revision 0003, after 0002."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "risk_states",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.JSON(), nullable=False),
        sa.CheckConstraint("version > 0", name=op.f("ck_risk_states_version_positive")),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_risk_states")),
        sa.UniqueConstraint("version", name=op.f("uq_risk_states_version")),
    )
    op.create_table(
        "reservations",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("asked", sa.JSON(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_reservations")),
    )


def downgrade() -> None:
    op.drop_table("reservations")
    op.drop_table("risk_states")
