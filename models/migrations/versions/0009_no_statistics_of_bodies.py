"""Columns that no condition asks for have no statistics: ANALYZE unpacked and sorted the JSON of 30,000 rows
of each table about once a minute under load.

Either side of it may run first, and nothing waits for it.
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

COLUMNS = (
    ("admissions", "payload"),
    ("admissions", "answer"),
    ("orders", "pickup"),
    ("orders", "drop"),
    ("orders", "route_points"),
    ("order_events", "data"),
    ("track_parts", "points"),
    ("outbox", "body"),
)
# What Postgres takes for "as usual".
DEFAULT = -1


def _set(target: int) -> None:
    for table, column in COLUMNS:
        op.execute(f'ALTER TABLE {table} ALTER COLUMN "{column}" SET STATISTICS {target}')


def upgrade() -> None:
    _set(0)


def downgrade() -> None:
    _set(DEFAULT)
