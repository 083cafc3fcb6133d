"""A page of a track is found by the index, and a track has a point a second at most.

Parts were found by their ids, so the first point of a track cost as much as all of them. Processes of the version
before cannot write tracks any more; they keep the last positions and lose the ways of some minutes.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# Of the points of one second the first one stays.
MOVE = """
    INSERT INTO track_parts (truck_request_id, driver_id, begins_s, points)
    SELECT truck_request_id, driver_id, at_s - at_s % 10, jsonb_object_agg(CAST(at_s % 10 AS text), point)
    FROM (
        SELECT DISTINCT ON (truck_request_id, driver_id, at_s) truck_request_id, driver_id, at_s, point
        FROM (
            SELECT truck_request_id, driver_id, CAST(point ->> 0 AS bigint) AS at_ms,
                CAST(point ->> 0 AS bigint) / 1000 AS at_s, point
            FROM track_parts_before, jsonb_array_elements(points) AS point
        ) AS each
        ORDER BY truck_request_id, driver_id, at_s, at_ms
    ) AS first
    GROUP BY 1, 2, 3
"""
MOVE_BACK = """
    INSERT INTO track_parts (truck_request_id, driver_id, points)
    SELECT truck_request_id, driver_id, (SELECT jsonb_agg(value) FROM jsonb_each(points))
    FROM track_parts_before ORDER BY begins_s
"""


def upgrade() -> None:
    op.execute("ALTER TABLE track_parts RENAME TO track_parts_before")
    op.execute("ALTER INDEX pk_track_parts RENAME TO pk_track_parts_before")
    op.create_table(
        "track_parts",
        _truck(),
        sa.Column("driver_id", sa.Text(), nullable=False),
        sa.Column("begins_s", sa.BigInteger(), nullable=False),
        _points(),
        sa.PrimaryKeyConstraint("truck_request_id", "driver_id", "begins_s", name="pk_track_parts"),
    )
    op.execute(MOVE)
    _finish()


def downgrade() -> None:
    op.execute("ALTER TABLE track_parts RENAME TO track_parts_before")
    op.execute("ALTER INDEX pk_track_parts RENAME TO pk_track_parts_before")
    op.create_table(
        "track_parts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        _truck(),
        sa.Column("driver_id", sa.Text(), nullable=False),
        _points(),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_track_parts"),
    )
    op.execute(MOVE_BACK)
    _finish()
    op.create_index("ix_track_parts_truck_request_id", "track_parts", ["truck_request_id", "id"])


def _truck() -> sa.Column[str]:
    return sa.Column("truck_request_id", sa.UUID(as_uuid=False), nullable=False)


def _points() -> sa.Column[object]:
    return sa.Column("points", postgresql.JSONB(astext_type=sa.Text()), nullable=False)


def _finish() -> None:
    op.drop_table("track_parts_before")
    op.create_foreign_key(
        "fk_track_parts_truck_request_id", "track_parts", "truck_requests", ["truck_request_id"], ["id"]
    )
    op.execute("ALTER TABLE track_parts ALTER COLUMN points SET STATISTICS 0")
