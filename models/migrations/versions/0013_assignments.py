"""A truck request says who its driver was at the assignment, and all processes share secrets.

What was assigned before keeps what is known of its driver now, some thousand rows at a time while others write.
Rows of a version that still runs show the driver as registered. After a failure it begins again where it was.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

COLUMNS = ("driver_name", "driver_phone", "driver_vehicle_number")
PHONES = "ix_truck_requests_phones"
FIRST = "00000000-0000-0000-0000-000000000000"
NOTE = sa.text("""
    WITH page AS MATERIALIZED (
        SELECT id, driver_id FROM truck_requests WHERE id > CAST(:after AS uuid) ORDER BY id LIMIT 5000
    ), noted AS (
        UPDATE truck_requests t SET driver_name = d.name, driver_phone = d.phone,
            driver_vehicle_number = d.vehicle_number
        FROM page JOIN drivers d ON d.id = page.driver_id
        WHERE t.id = page.id AND t.driver_id = d.id AND t.driver_name IS NULL
    )
    SELECT id FROM page ORDER BY id DESC LIMIT 1
""")


def upgrade() -> None:
    for column in COLUMNS:
        op.execute(f"ALTER TABLE truck_requests ADD COLUMN IF NOT EXISTS {column} text")
    op.create_table(
        "secrets",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_secrets"),
        if_not_exists=True,
    )
    with op.get_context().autocommit_block():
        after: str | None = FIRST
        while after:
            after = op.get_bind().execute(NOTE, {"after": after}).scalar_one_or_none()
        op.drop_index(PHONES, table_name="truck_requests", if_exists=True, postgresql_concurrently=True)
        op.create_index(
            PHONES,
            "truck_requests",
            ["updated_at"],
            postgresql_where=sa.text("driver_phone IS NOT NULL AND status IN ('completed', 'cancelled')"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    op.drop_table("secrets")
    op.drop_index(PHONES, "truck_requests")
    for column in COLUMNS:
        op.drop_column("truck_requests", column)
