"""Orders and their truck requests: states, the transitions that exist, the rules no bug may break."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Numeric,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from models.db import metadata

ORDER_STATES = (
    "active",
    "partially_filled",
    "fully_filled",
    "in_progress",
    "completed",
    "cancelled",
    "expired",
)
# Trucks are found and nothing has ended: what a console counts as present.
PRESENT_STATES = ("partially_filled", "fully_filled", "in_progress")
TRUCK_REQUEST_STATES = (
    "searching",
    "assigned",
    "en_route_pickup",
    "at_pickup",
    "in_transit",
    "arrived_at_drop",
    "completed",
    "expired",
    "cancelled",
)
# Events that end an order.
ORDER_ENDS = ("order_expired", "order_cancelled", "order_completed")
# A driver in one of these has a running trip, and may have only one.
RUNNING = ("assigned", "en_route_pickup", "at_pickup", "in_transit", "arrived_at_drop")
# What the assigned driver may report next, in order only.
NEXT_TRIP_STATUS = dict(zip(RUNNING, (*RUNNING[1:], "completed"), strict=True))
# The load is on a truck: the customer can no longer call the order off.
LOADED = ("in_transit", "arrived_at_drop", "completed")

# What the cleaning looks for: a trip that is over, and a phone.
PHONE_IS_KEPT = "driver_phone IS NOT NULL AND status IN ('completed', 'cancelled')"

orders = Table(
    "orders",
    metadata,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("customer_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    # True while trucks are being looked for; apart from the status, since a partly filled order
    # goes on with the trucks it has after its search is over.
    Column("searching", Boolean, nullable=False),
    Column("pickup", JSONB, nullable=False),
    Column("drop", JSONB, nullable=False),
    Column("route_points", JSONB, nullable=False),
    Column("pickup_latitude", Double, nullable=False),
    Column("pickup_longitude", Double, nullable=False),
    Column("distance_km", Double, nullable=False),
    Column("total_trucks", SmallInteger, nullable=False),
    Column("trucks_filled", SmallInteger, nullable=False, server_default="0"),
    Column("total_amount", Numeric(12, 2), nullable=False),
    Column("goods_type", Text),
    Column("cargo_weight_kg", Double),
    # Counts the searches of this order: a returned truck starts a new one.
    Column("round", SmallInteger, nullable=False, server_default="1"),
    Column("wave", SmallInteger, nullable=False),
    Column("next_wave_at", DateTime(timezone=True)),
    Column("no_supply_told", Boolean, nullable=False, server_default=text("false")),
    Column("request_id", Text, nullable=False),
    Column("cancel_reason", Text),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint(f"status IN {ORDER_STATES}", name="status"),
    CheckConstraint("total_trucks BETWEEN 1 AND 100", name="total_trucks"),
    CheckConstraint("trucks_filled BETWEEN 0 AND total_trucks", name="trucks_filled"),
    CheckConstraint("total_amount >= 0", name="total_amount"),
    CheckConstraint("distance_km BETWEEN 0 AND 5000", name="distance_km"),
    CheckConstraint("pickup_latitude BETWEEN -90 AND 90", name="pickup_latitude"),
    CheckConstraint("pickup_longitude BETWEEN -180 AND 180", name="pickup_longitude"),
    CheckConstraint(
        "NOT searching OR status IN ('active', 'partially_filled', 'in_progress')", name="searching"
    ),
    CheckConstraint("status <> 'active' OR searching", name="active_searches"),
    CheckConstraint("status NOT IN ('active', 'expired') OR trucks_filled = 0", name="unfilled"),
    # A search that starts again because a driver returned a truck does not count: the customer may
    # have another order by then, and neither order may fail because of it.
    Index(
        "one_searching_order_per_customer",
        "customer_id",
        unique=True,
        postgresql_where=text("searching AND round = 1"),
    ),
    # Each serves only who asks for its column: with `searching` as the whole condition they are read whole
    # for others.
    Index(
        "ix_orders_searcher", "customer_id", postgresql_where=text("searching AND customer_id IS NOT NULL")
    ),
    Index("ix_orders_expiry", "expires_at", postgresql_where=text("searching AND expires_at IS NOT NULL")),
    Index(
        "ix_orders_next_wave", "next_wave_at", postgresql_where=text("searching AND next_wave_at IS NOT NULL")
    ),
    # Pages of one status, of everybody's orders and of one customer's; the newest of those of each status are
    # the page of all of a customer's.
    Index("ix_orders_status", "status", "id"),
    Index("ix_orders_customer_status", "customer_id", "status", "id"),
)

truck_requests = Table(
    "truck_requests",
    metadata,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("order_id", UUID(as_uuid=False), ForeignKey("orders.id"), nullable=False),
    Column("request_number", SmallInteger, nullable=False),
    Column("vehicle_type", Text, nullable=False),
    Column("vehicle_subtype", Text, nullable=False),
    # Case-folded "type:subtype": what offers, drivers and the driver index are matched by.
    Column("vehicle", Text, nullable=False),
    Column("price_per_truck", Numeric(12, 2), nullable=False),
    Column("status", Text, nullable=False, server_default="searching"),
    Column("driver_id", Text, ForeignKey("drivers.id")),
    Column("assigned_at", DateTime(timezone=True)),
    # Who the driver was at the assignment: a later registration must not change what an order says.
    Column("driver_name", Text),
    Column("driver_phone", Text),
    Column("driver_vehicle_number", Text),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    UniqueConstraint("id", "order_id"),
    UniqueConstraint("order_id", "request_number"),
    CheckConstraint(f"status IN {TRUCK_REQUEST_STATES}", name="status"),
    CheckConstraint("price_per_truck >= 0", name="price_per_truck"),
    CheckConstraint(
        "CASE WHEN status IN ('searching', 'expired') THEN driver_id IS NULL "
        "WHEN status = 'cancelled' THEN true ELSE driver_id IS NOT NULL END",
        name="driver",
    ),
    Index(
        "one_running_trip_per_driver",
        "driver_id",
        unique=True,
        postgresql_where=text(f"status IN {RUNNING}"),
    ),
    # One driver's orders, newest first; and for the foreign key. Not written when an order is placed.
    Index(
        "ix_truck_requests_driver_order",
        "driver_id",
        "order_id",
        postgresql_where=text("driver_id IS NOT NULL"),
    ),
    Index("ix_truck_requests_phones", "updated_at", postgresql_where=text(PHONE_IS_KEPT)),
)

order_events = Table(
    "order_events",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("order_id", UUID(as_uuid=False), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("type", Text, nullable=False),
    Column("data", JSONB, nullable=False),
    Index("ix_order_events_order", "order_id", "id"),
    # For the figures of the last hour: one row for each order, when it ends.
    Index("ix_order_events_ends", "at", "type", postgresql_where=text(f"type IN {ORDER_ENDS}")),
)

# When a trip ended, null while it runs: nothing of a truck request changes after its end.
ENDED_AT = "CASE WHEN t.status IN ('completed', 'cancelled') THEN t.updated_at END"
# How long after the trip the customer can still call the driver.
PHONE_HOURS = 24
# A process of the version before assigned a truck without noting who its driver was.
DRIVER_OF_TRUCK = f"""
    coalesce(t.driver_name, d.name) AS name,
    coalesce(t.driver_vehicle_number, d.vehicle_number) AS vehicle_number,
    CASE WHEN coalesce({ENDED_AT} > now() - interval '{PHONE_HOURS} hours', true)
        THEN coalesce(t.driver_phone, d.phone) END AS phone
"""

# The counts of truck requests that `status_of` takes, as columns.
COUNTS = f"""
    count(*) FILTER (WHERE status IN {RUNNING} OR status = 'completed') AS filled,
    count(*) FILTER (WHERE status IN {RUNNING} AND status <> 'assigned') AS under_way,
    count(*) FILTER (WHERE status = 'completed') AS completed
"""


def status_of(total: int, filled: int, under_way: int, completed: int, searching: bool) -> str:
    """The order's status that follows from its trucks (all counts of truck requests).

    ``filled`` trucks have a driver, ``under_way`` of them have left, ``completed`` have delivered.
    """
    if filled == 0:
        return "active"
    if completed == filled and not searching:
        return "completed"
    if under_way or completed:
        return "in_progress"
    return "fully_filled" if filled == total else "partially_filled"
