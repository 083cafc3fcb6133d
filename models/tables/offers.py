"""Offers: which driver was asked for which order, and how that ended."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Numeric,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import UUID

from models.db import metadata

# taken: every truck of that kind went to others. given_back: accepted, and later returned by its
# driver. withdrawn: its driver went off duty or changed the vehicle. The rest is said by its name.
STATES = ("open", "accepted", "declined", "taken", "expired", "cancelled", "given_back", "withdrawn")

offers = Table(
    "offers",
    metadata,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("order_id", UUID(as_uuid=False), nullable=False),
    Column("driver_id", Text, ForeignKey("drivers.id"), nullable=False),
    # The truck that the offer names; once accepted, the truck that was won.
    Column("truck_request_id", UUID(as_uuid=False), nullable=False),
    Column("vehicle", Text, nullable=False),
    Column("fare", Numeric(12, 2), nullable=False),
    Column("round", SmallInteger, nullable=False),
    Column("wave", SmallInteger, nullable=False),
    Column("pickup_distance_km", Double, nullable=False),
    Column("state", Text, nullable=False, server_default="open"),
    Column("offered_at", DateTime(timezone=True), nullable=False),
    Column("closed_at", DateTime(timezone=True)),
    # The truck is one of the order's; that there is such an order follows, so a row has one key to look up.
    ForeignKeyConstraint(["truck_request_id", "order_id"], ["truck_requests.id", "truck_requests.order_id"]),
    # A driver is asked once in a search for trucks of the same kind and price.
    UniqueConstraint(
        "order_id", "driver_id", "round", "vehicle", "fare", name="one_offer_of_a_kind_per_driver"
    ),
    CheckConstraint(f"state IN {STATES}", name="state"),
    CheckConstraint("(state = 'open') = (closed_at IS NULL)", name="closed_at"),
    CheckConstraint("pickup_distance_km >= 0", name="pickup_distance_km"),
    # One driver's offers, newest first; and for the foreign key: deleting a driver looks here.
    Index("ix_offers_driver_id", "driver_id", "id"),
    # And for one kind at a time. (Only who asks for a driver is served: with the state as its whole condition
    # it would be read whole for others.)
    Index(
        "one_open_offer_per_driver_and_order",
        "driver_id",
        "order_id",
        unique=True,
        postgresql_where=text("state = 'open' AND driver_id IS NOT NULL"),
    ),
)
