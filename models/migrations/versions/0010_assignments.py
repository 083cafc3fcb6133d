"""A truck request says who its driver was at the assignment, and all processes share secrets.

Rows without it, those of a version that still runs among them, show the driver as registered.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

COLUMNS = ("driver_name", "driver_phone", "driver_vehicle_number")


def upgrade() -> None:
    for column in COLUMNS:
        op.add_column("truck_requests", sa.Column(column, sa.Text(), nullable=True))
    # What was assigned before keeps, from now on, what is known of its driver now.
    op.execute("""
        UPDATE truck_requests t SET driver_name = d.name, driver_phone = d.phone,
            driver_vehicle_number = d.vehicle_number
        FROM drivers d WHERE d.id = t.driver_id
    """)
    op.create_table(
        "secrets",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_secrets"),
    )


def downgrade() -> None:
    op.drop_table("secrets")
    for column in COLUMNS:
        op.drop_column("truck_requests", column)
