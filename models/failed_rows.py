"""Rows that failed by themselves in a sweep or a batch, and are left behind for a while."""

from sqlalchemy import CheckConstraint, Column, DateTime, Integer, Table, Text

from models.db import metadata

# Which sweep or batch they failed in.
BATCHES = ("expire", "waves", "recover", "deliver", "withdraw", "refresh", "positions", "tracks")

failed_rows = Table(
    "failed_rows",
    metadata,
    Column("batch", Text, primary_key=True),
    # The row's own id: of an order, an outbox row, an offer, a driver or a trip.
    Column("row_id", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("not_before", DateTime(timezone=True), nullable=False),
    Column("failed_at", DateTime(timezone=True), nullable=False),
    # The kind of the error; what it says may be about a person.
    Column("error", Text, nullable=False),
    CheckConstraint(f"batch IN {BATCHES}", name="batch"),
)


def not_left_behind(batch: str, row_id: str) -> str:
    """The SQL condition that the row with this id (an expression) may be tried in this batch.

    ``OFFSET 0`` has each row looked up by its id; else the planner reads all failed ones of the batch.
    """
    return f"""NOT EXISTS (
        SELECT FROM failed_rows f WHERE f.batch = '{batch}' AND f.row_id = CAST({row_id} AS text)
            AND f.not_before > coalesce(:now, now())
        OFFSET 0
    )"""
