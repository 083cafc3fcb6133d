"""Where trucks were while a trip was running: a few seconds' positions a row."""

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Identity, Index, Table, Text, func
from sqlalchemy.dialects.postgresql import JSONB, UUID

from models.db import metadata

track_parts = Table(
    "track_parts",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("truck_request_id", UUID(as_uuid=False), ForeignKey("truck_requests.id"), nullable=False),
    Column("driver_id", Text, nullable=False),
    # [[ms since 1970, latitude, longitude, 1 if nobody gets there so fast else 0], ...]
    Column("points", JSONB, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("ix_track_parts_truck_request_id", "truck_request_id", "id"),
)
