"""Drivers: who they are, what they drive, whether they want work, where they were last."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    Identity,
    Index,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from models.db import REASONABLE, metadata

# As operators look for them: a number without its country, a plate without what only groups it.
PHONE_END = '"right"(phone, 10)'
PLATE = "translate(upper(vehicle_number), ' -.', '')"

drivers = Table(
    "drivers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("phone", Text, nullable=False),
    Column("vehicle_type", Text, nullable=False),
    Column("vehicle_subtype", Text, nullable=False),
    Column("vehicle", Text, nullable=False),
    Column("vehicle_number", Text, nullable=False),
    Column("available", Boolean, nullable=False, server_default=text("false")),
    Column("last_latitude", Double),
    Column("last_longitude", Double),
    Column("last_position_at", DateTime(timezone=True)),
    Column("registered_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("last_latitude BETWEEN -90 AND 90", name="last_latitude"),
    CheckConstraint("last_longitude BETWEEN -180 AND 180", name="last_longitude"),
    CheckConstraint(f"last_position_at {REASONABLE}", name="last_position_at"),
    CheckConstraint(
        "(last_latitude IS NULL) = (last_longitude IS NULL) "
        "AND (last_latitude IS NULL) = (last_position_at IS NULL)",
        name="last_position",
    ),
    # Not written when only a position changes.
    Index("ix_drivers_phone", text(PHONE_END)),
    Index("ix_drivers_plate", text(PLATE)),
    Index("ix_drivers_vehicle", "vehicle", "id"),
)

# What operators did to a driver; like the audit of orders only ever added to.
driver_events = Table(
    "driver_events",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("driver_id", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("type", Text, nullable=False),
    Column("data", JSONB, nullable=False),
    Index("ix_driver_events_driver", "driver_id", "id"),
)
