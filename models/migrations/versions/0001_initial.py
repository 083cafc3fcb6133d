"""The first tables: admissions, orders, truck requests, offers, drivers, events, outbox."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


# The audit is only ever added to, whatever the application does.
APPEND_ONLY = """
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'order_events is append-only';
    END
    $$;
    CREATE TRIGGER order_events_append_only BEFORE UPDATE OR DELETE ON order_events
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""


def upgrade() -> None:
    op.create_table(
        "admissions",
        sa.Column("order_id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("reply_to", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("rejection", sa.Text(), nullable=True),
        sa.Column("answer_status", sa.SmallInteger(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state IN ('rejected', 'refused', 'dead')) = (rejection IS NOT NULL)",
            name=op.f("ck_admissions_rejection"),
        ),
        sa.CheckConstraint(
            "state IN ('queued', 'placed', 'refused', 'rejected', 'cancelled', 'dead')",
            name=op.f("ck_admissions_state"),
        ),
        sa.CheckConstraint("answer_status IN (201, 202)", name=op.f("ck_admissions_answer_status")),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_admissions")),
        sa.UniqueConstraint(
            "customer_id", "idempotency_key", name=op.f("uq_admissions_customer_id_idempotency_key")
        ),
    )
    op.create_index("ix_admissions_created_at", "admissions", ["created_at"], unique=False)
    op.create_index(
        "ix_admissions_queued",
        "admissions",
        ["created_at"],
        unique=False,
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index(
        "one_queued_admission_per_customer",
        "admissions",
        ["customer_id"],
        unique=True,
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_table(
        "drivers",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("vehicle_type", sa.Text(), nullable=False),
        sa.Column("vehicle_subtype", sa.Text(), nullable=False),
        sa.Column("vehicle", sa.Text(), nullable=False),
        sa.Column("vehicle_number", sa.Text(), nullable=False),
        sa.Column("available", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("last_latitude", sa.Double(), nullable=True),
        sa.Column("last_longitude", sa.Double(), nullable=True),
        sa.Column("last_position_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "registered_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(last_latitude IS NULL) = (last_longitude IS NULL) AND (last_latitude IS NULL) = (last_position_at IS NULL)",
            name=op.f("ck_drivers_last_position"),
        ),
        sa.CheckConstraint("last_latitude BETWEEN -90 AND 90", name=op.f("ck_drivers_last_latitude")),
        sa.CheckConstraint("last_longitude BETWEEN -180 AND 180", name=op.f("ck_drivers_last_longitude")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drivers")),
    )
    op.create_table(
        "order_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("order_id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_events")),
    )
    op.create_index("ix_order_events_order", "order_events", ["order_id", "id"], unique=False)
    op.create_table(
        "orders",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("searching", sa.Boolean(), nullable=False),
        sa.Column("pickup", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("drop", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("route_points", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("pickup_latitude", sa.Double(), nullable=False),
        sa.Column("pickup_longitude", sa.Double(), nullable=False),
        sa.Column("distance_km", sa.Double(), nullable=False),
        sa.Column("total_trucks", sa.SmallInteger(), nullable=False),
        sa.Column("trucks_filled", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("total_amount", sa.Numeric(precision=12, scale=2), nullable=False),
        sa.Column("goods_type", sa.Text(), nullable=True),
        sa.Column("cargo_weight_kg", sa.Double(), nullable=True),
        sa.Column("round", sa.SmallInteger(), server_default="1", nullable=False),
        sa.Column("wave", sa.SmallInteger(), nullable=False),
        sa.Column("next_wave_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("no_supply_told", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("cancel_reason", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "NOT searching OR status IN ('active', 'partially_filled', 'in_progress')",
            name=op.f("ck_orders_searching"),
        ),
        sa.CheckConstraint("status <> 'active' OR searching", name=op.f("ck_orders_active_searches")),
        sa.CheckConstraint(
            "status IN ('active', 'partially_filled', 'fully_filled', 'in_progress', 'completed', 'cancelled', 'expired')",
            name=op.f("ck_orders_status"),
        ),
        sa.CheckConstraint(
            "status NOT IN ('active', 'expired') OR trucks_filled = 0", name=op.f("ck_orders_unfilled")
        ),
        sa.CheckConstraint("distance_km BETWEEN 0 AND 5000", name=op.f("ck_orders_distance_km")),
        sa.CheckConstraint("pickup_latitude BETWEEN -90 AND 90", name=op.f("ck_orders_pickup_latitude")),
        sa.CheckConstraint("pickup_longitude BETWEEN -180 AND 180", name=op.f("ck_orders_pickup_longitude")),
        sa.CheckConstraint("total_amount >= 0", name=op.f("ck_orders_total_amount")),
        sa.CheckConstraint("total_trucks BETWEEN 1 AND 100", name=op.f("ck_orders_total_trucks")),
        sa.CheckConstraint("trucks_filled BETWEEN 0 AND total_trucks", name=op.f("ck_orders_trucks_filled")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
    )
    op.create_index("ix_orders_customer", "orders", ["customer_id", "id"], unique=False)
    op.create_index(
        "ix_orders_expiry", "orders", ["expires_at"], unique=False, postgresql_where=sa.text("searching")
    )
    op.create_index(
        "ix_orders_next_wave", "orders", ["next_wave_at"], unique=False, postgresql_where=sa.text("searching")
    )
    op.create_index(
        "ix_orders_searching", "orders", ["customer_id"], unique=False, postgresql_where=sa.text("searching")
    )
    op.create_index(
        "one_searching_order_per_customer",
        "orders",
        ["customer_id"],
        unique=True,
        postgresql_where=sa.text("searching AND round = 1"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("order_id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index("ix_outbox_created_at", "outbox", ["created_at"], unique=False)
    op.create_table(
        "truck_requests",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("order_id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("request_number", sa.SmallInteger(), nullable=False),
        sa.Column("vehicle_type", sa.Text(), nullable=False),
        sa.Column("vehicle_subtype", sa.Text(), nullable=False),
        sa.Column("vehicle", sa.Text(), nullable=False),
        sa.Column("price_per_truck", sa.Numeric(precision=12, scale=2), nullable=False),
        sa.Column("status", sa.Text(), server_default="searching", nullable=False),
        sa.Column("driver_id", sa.Text(), nullable=True),
        sa.Column("assigned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "CASE WHEN status IN ('searching', 'expired') THEN driver_id IS NULL WHEN status = 'cancelled' THEN true ELSE driver_id IS NOT NULL END",
            name=op.f("ck_truck_requests_driver"),
        ),
        sa.CheckConstraint(
            "status IN ('searching', 'assigned', 'en_route_pickup', 'at_pickup', 'in_transit', 'arrived_at_drop', 'completed', 'expired', 'cancelled')",
            name=op.f("ck_truck_requests_status"),
        ),
        sa.CheckConstraint("price_per_truck >= 0", name=op.f("ck_truck_requests_price_per_truck")),
        sa.ForeignKeyConstraint(["driver_id"], ["drivers.id"], name=op.f("fk_truck_requests_driver_id")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_truck_requests_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_truck_requests")),
        sa.UniqueConstraint(
            "order_id", "request_number", name=op.f("uq_truck_requests_order_id_request_number")
        ),
    )
    op.create_index(
        "one_running_trip_per_driver",
        "truck_requests",
        ["driver_id"],
        unique=True,
        postgresql_where=sa.text(
            "status IN ('assigned', 'en_route_pickup', 'at_pickup', 'in_transit', 'arrived_at_drop')"
        ),
    )
    op.create_table(
        "offers",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("order_id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("driver_id", sa.Text(), nullable=False),
        sa.Column("truck_request_id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("vehicle", sa.Text(), nullable=False),
        sa.Column("fare", sa.Numeric(precision=12, scale=2), nullable=False),
        sa.Column("round", sa.SmallInteger(), nullable=False),
        sa.Column("wave", sa.SmallInteger(), nullable=False),
        sa.Column("pickup_distance_km", sa.Double(), nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("offered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state = 'open') = (closed_at IS NULL)", name=op.f("ck_offers_closed_at")),
        sa.CheckConstraint(
            "state IN ('open', 'accepted', 'declined', 'taken', 'expired', 'cancelled', 'given_back')",
            name=op.f("ck_offers_state"),
        ),
        sa.CheckConstraint("pickup_distance_km >= 0", name=op.f("ck_offers_pickup_distance_km")),
        sa.ForeignKeyConstraint(["driver_id"], ["drivers.id"], name=op.f("fk_offers_driver_id")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_offers_order_id")),
        sa.ForeignKeyConstraint(
            ["truck_request_id"], ["truck_requests.id"], name=op.f("fk_offers_truck_request_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offers")),
        sa.UniqueConstraint(
            "order_id", "driver_id", "round", name=op.f("uq_offers_order_id_driver_id_round")
        ),
    )
    op.create_index(
        "ix_offers_open_of_driver",
        "offers",
        ["driver_id"],
        unique=False,
        postgresql_where=sa.text("state = 'open'"),
    )
    op.execute(APPEND_ONLY)


def downgrade() -> None:
    op.drop_index("ix_offers_open_of_driver", table_name="offers", postgresql_where=sa.text("state = 'open'"))
    op.drop_table("offers")
    op.drop_index(
        "one_running_trip_per_driver",
        table_name="truck_requests",
        postgresql_where=sa.text(
            "status IN ('assigned', 'en_route_pickup', 'at_pickup', 'in_transit', 'arrived_at_drop')"
        ),
    )
    op.drop_table("truck_requests")
    op.drop_index("ix_outbox_created_at", table_name="outbox")
    op.drop_table("outbox")
    op.drop_index(
        "one_searching_order_per_customer",
        table_name="orders",
        postgresql_where=sa.text("searching AND round = 1"),
    )
    op.drop_index("ix_orders_searching", table_name="orders", postgresql_where=sa.text("searching"))
    op.drop_index("ix_orders_next_wave", table_name="orders", postgresql_where=sa.text("searching"))
    op.drop_index("ix_orders_expiry", table_name="orders", postgresql_where=sa.text("searching"))
    op.drop_index("ix_orders_customer", table_name="orders")
    op.drop_table("orders")
    op.drop_index("ix_order_events_order", table_name="order_events")
    op.drop_table("order_events")
    op.drop_table("drivers")
    op.drop_index(
        "one_queued_admission_per_customer",
        table_name="admissions",
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.drop_index(
        "ix_admissions_queued", table_name="admissions", postgresql_where=sa.text("state = 'queued'")
    )
    op.drop_index("ix_admissions_created_at", table_name="admissions")
    op.drop_table("admissions")
    op.execute("DROP FUNCTION refuse_change")
