"""What operators look for is found by an index: a driver by phone, plate or vehicle, a driver's orders and offers
newest first; and the audit of what they did to a driver.

Built beside writers like those of 0011. Either side of it may run first.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

HAS_DRIVER = "driver_id IS NOT NULL"
# Name, table, columns, condition.
Indexes = tuple[tuple[str, str, list[str | sa.TextClause], str | None], ...]
NEW: Indexes = (
    ("ix_drivers_phone", "drivers", [sa.text('"right"(phone, 10)')], None),
    ("ix_drivers_plate", "drivers", [sa.text("translate(upper(vehicle_number), ' -.', '')")], None),
    ("ix_drivers_vehicle", "drivers", ["vehicle", "id"], None),
    ("ix_truck_requests_driver_order", "truck_requests", ["driver_id", "order_id"], HAS_DRIVER),
    ("ix_offers_driver_id", "offers", ["driver_id", "id"], None),
)
OLD: Indexes = (
    ("ix_truck_requests_driver", "truck_requests", ["driver_id"], HAS_DRIVER),
    ("ix_offers_driver", "offers", ["driver_id"], None),
)


def _replace(old: Indexes, new: Indexes) -> None:
    with op.get_context().autocommit_block():
        for name, table, columns, condition in new:
            op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
            where = sa.text(condition) if condition else None
            op.create_index(name, table, columns, postgresql_where=where, postgresql_concurrently=True)
        for name, table, _, _ in old:
            op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)


def upgrade() -> None:
    op.create_table(
        "driver_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("driver_id", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_driver_events"),
        if_not_exists=True,
    )
    op.create_index("ix_driver_events_driver", "driver_events", ["driver_id", "id"], if_not_exists=True)
    op.execute("ALTER TABLE driver_events ALTER COLUMN data SET STATISTICS 0")
    _replace(OLD, NEW)


def downgrade() -> None:
    _replace(NEW, OLD)
    op.drop_table("driver_events")
