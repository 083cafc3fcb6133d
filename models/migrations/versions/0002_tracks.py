"""Positions of running trips, and offers that are withdrawn from a driver who goes off duty."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATES = "'open', 'accepted', 'declined', 'taken', 'expired', 'cancelled', 'given_back'"


def upgrade() -> None:
    _states(STATES + ", 'withdrawn'")
    op.create_table(
        "track_parts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("truck_request_id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("driver_id", sa.Text(), nullable=False),
        sa.Column("points", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["truck_request_id"], ["truck_requests.id"], name="fk_track_parts_truck_request_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_track_parts"),
    )
    op.create_index("ix_track_parts_truck_request_id", "track_parts", ["truck_request_id", "id"])


def downgrade() -> None:
    op.drop_table("track_parts")
    op.execute("UPDATE offers SET state = 'expired' WHERE state = 'withdrawn'")
    _states(STATES)


def _states(states: str) -> None:
    # The new one is checked without holding up those who read and write meanwhile.
    op.execute("ALTER TABLE offers DROP CONSTRAINT ck_offers_state")
    op.execute(f"ALTER TABLE offers ADD CONSTRAINT ck_offers_state CHECK (state IN ({states})) NOT VALID")
    op.execute("ALTER TABLE offers VALIDATE CONSTRAINT ck_offers_state")
