"""Where trucks were while a trip was running: some seconds of a track a row, a point a second at most."""

from sqlalchemy import BigInteger, Column, ForeignKey, Table, Text
from sqlalchemy.dialects.postgresql import JSONB, UUID

from models.db import metadata

track_parts = Table(
    "track_parts",
    metadata,
    Column("truck_request_id", UUID(as_uuid=False), ForeignKey("truck_requests.id"), primary_key=True),
    Column("driver_id", Text, primary_key=True),
    # Seconds since 1970.
    Column("begins_s", BigInteger, primary_key=True),
    # {"second of the part": [ms since 1970, latitude, longitude, 1 if no vehicle gets there so fast, else 0]}
    Column("points", JSONB, nullable=False),
)
