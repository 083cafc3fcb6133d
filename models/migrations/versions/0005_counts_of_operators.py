"""What operators count every second is found without reading whole tables.

Either side of it may run first: code that does not know the indexes does not mind them, and code that
wants them is only slower without. Writers of the two tables wait for the one pass that fills an index.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_admissions_watched",
        "admissions",
        ["state"],
        postgresql_where=sa.text("state IN ('queued', 'dead')"),
    )
    op.create_index(
        "ix_orders_present",
        "orders",
        ["status"],
        postgresql_where=sa.text("status IN ('partially_filled', 'fully_filled', 'in_progress')"),
    )


def downgrade() -> None:
    op.drop_index("ix_orders_present", table_name="orders")
    op.drop_index("ix_admissions_watched", table_name="admissions")
