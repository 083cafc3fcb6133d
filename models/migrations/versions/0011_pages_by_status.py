"""Lists by status find their page by an index, of everybody's orders and of one customer's; and the indexes of
what is going on now serve only who asks for their column, as those of what is due since 0007.

The indexes are built while others write (`CONCURRENTLY`, outside of a transaction). One that an earlier try
left unfinished is built again. Either side of it may run first.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

UNPLACED = "state IN ('queued', 'rejected', 'cancelled', 'dead') AND order_id IS NOT NULL"
NEVER_PLACED = "state IN ('rejected', 'cancelled', 'dead')"
ENDS = "type IN ('order_expired', 'order_cancelled', 'order_completed')"
# Name, table, columns, condition.
NEW = (
    ("ix_orders_status", "orders", ["status", "id"], None),
    ("ix_orders_customer_status", "orders", ["customer_id", "status", "id"], None),
    ("ix_offers_driver", "offers", ["driver_id"], None),
    ("ix_truck_requests_driver", "truck_requests", ["driver_id"], "driver_id IS NOT NULL"),
    ("ix_admissions_unplaced", "admissions", ["state", "order_id"], UNPLACED),
    ("ix_orders_searcher", "orders", ["customer_id"], "searching AND customer_id IS NOT NULL"),
    ("ix_admissions_waiting", "admissions", ["created_at"], "state = 'queued' AND created_at IS NOT NULL"),
    ("ix_order_events_ends", "order_events", ["at", "type"], ENDS),
    ("ix_admissions_never_placed", "admissions", ["state", "customer_id", "order_id"], NEVER_PLACED),
)
OLD = (
    (
        "ix_orders_present",
        "orders",
        ["status"],
        "status IN ('partially_filled', 'fully_filled', 'in_progress')",
    ),
    ("ix_orders_customer", "orders", ["customer_id", "id"], None),
    ("ix_orders_searching", "orders", ["customer_id"], "searching"),
    ("ix_admissions_queued", "admissions", ["created_at"], "state = 'queued'"),
    ("ix_admissions_watched", "admissions", ["state"], "state IN ('queued', 'dead')"),
)


Indexes = tuple[tuple[str, str, list[str], str | None], ...]


def _replace(old: Indexes, new: Indexes) -> None:
    with op.get_context().autocommit_block():
        for name, table, columns, condition in new:
            op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
            where = sa.text(condition) if condition else None
            op.create_index(name, table, columns, postgresql_where=where, postgresql_concurrently=True)
        for name, table, _, _ in old:
            op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)


def upgrade() -> None:
    _replace(OLD, NEW)
    with op.get_context().autocommit_block():
        op.drop_index("ix_order_events_at", "order_events", if_exists=True, postgresql_concurrently=True)


def downgrade() -> None:
    _replace(NEW, OLD)
    op.create_index(
        "ix_order_events_at",
        "order_events",
        ["at"],
        postgresql_using="brin",
        postgresql_with={"autosummarize": True},
    )
