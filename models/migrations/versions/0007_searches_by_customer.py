"""The indexes of what is due serve only those who ask for what is due.

Their condition was `searching` alone, so that Postgres, where its statistics knew few searches, read one of
them whole to see whether a customer has one. Either side of it may run first; orders wait while it reads the
table twice, some seconds with millions of rows.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

INDEXES = (("ix_orders_expiry", "expires_at"), ("ix_orders_next_wave", "next_wave_at"))


def upgrade() -> None:
    for name, column in INDEXES:
        op.drop_index(name, table_name="orders")
        condition = sa.text(f"searching AND {column} IS NOT NULL")
        op.create_index(name, "orders", [column], postgresql_where=condition)


def downgrade() -> None:
    for name, column in INDEXES:
        op.drop_index(name, table_name="orders")
        op.create_index(name, "orders", [column], postgresql_where=sa.text("searching"))
