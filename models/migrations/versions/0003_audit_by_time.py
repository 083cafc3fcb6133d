"""The audit can be read by time: operators ask for the last minutes and the last hour."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_order_events_at",
        "order_events",
        ["at"],
        unique=False,
        postgresql_using="brin",
        postgresql_with={"autosummarize": True},
    )


def downgrade() -> None:
    op.drop_index("ix_order_events_at", table_name="order_events", postgresql_using="brin")
