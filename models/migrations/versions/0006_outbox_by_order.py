"""The undelivered messages of an order are found by its order.

Either side of it may run first: the table is all but empty unless Redis is away.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_outbox_order", "outbox", ["order_id"])


def downgrade() -> None:
    op.drop_index("ix_outbox_order", table_name="outbox")
