"""Rows that fail by themselves are noted, and times that came from outside lie between 2000 and 2100.

What was saved from further away is given up: a driver's next position makes up for it. Rows are looked at
without keeping others from writing.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

REASONABLE = "BETWEEN '2000-01-01Z' AND '2100-01-01Z'"
BATCHES = ("expire", "waves", "recover", "deliver", "withdraw", "refresh", "positions", "tracks")
# Table, column, and what becomes of a row that lies outside.
BOUNDED = (
    (
        "drivers",
        "last_position_at",
        "UPDATE drivers SET last_position_at = NULL, last_latitude = NULL, last_longitude = NULL",
    ),
    # One that has run out, or never does: no token of ours lives longer than 30 days.
    (
        "revoked_tokens",
        "expires_at",
        "UPDATE revoked_tokens SET expires_at = now() + interval '31 days'",
    ),
)


def upgrade() -> None:
    op.create_table(
        "failed_rows",
        sa.Column("batch", sa.Text(), nullable=False),
        sa.Column("row_id", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.CheckConstraint(f"batch IN {BATCHES}", name="ck_failed_rows_batch"),
        sa.PrimaryKeyConstraint("batch", "row_id", name="pk_failed_rows"),
    )
    for table, column, mend in BOUNDED:
        name = f"ck_{table}_{column}"
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({column} {REASONABLE}) NOT VALID")
        op.execute(f"{mend} WHERE NOT {column} {REASONABLE}")
        op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")


def downgrade() -> None:
    for table, column, _ in BOUNDED:
        op.drop_constraint(f"ck_{table}_{column}", table)
    op.drop_table("failed_rows")
