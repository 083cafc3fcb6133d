"""Admissions: what the door has accepted. The one row that makes an order durable."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from models.db import metadata

# Who asks by an order's id writes `(state = 'queued') IS TRUE`, which no index of the queued serves: while
# the statistics know of few, the planner would read one whole, and many may wait now.
#
# queued: waits for placing. placed: is an order. refused: the waiting request was answered why and
# its key is free again. rejected: the same after a 202, so it stays visible. cancelled: by its
# customer before it was placed. dead: failed too often; its customer sees it as rejected.
STATES = ("queued", "placed", "refused", "rejected", "cancelled", "dead")
# What operators watch: what waits, and what was given up. The others are history, and by far the most.
WATCHED = ("queued", "dead")
# What lists show beside the orders.
UNPLACED = ("queued", "rejected", "cancelled", "dead")
NEVER_PLACED = ("rejected", "cancelled", "dead")

admissions = Table(
    "admissions",
    metadata,
    Column("order_id", UUID(as_uuid=False), primary_key=True),
    Column("customer_id", Text, nullable=False),
    Column("idempotency_key", Text),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("reply_to", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="queued"),
    Column("rejection", Text),
    Column("answer_status", SmallInteger),
    Column("answer", Text),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("decided_at", DateTime(timezone=True)),
    UniqueConstraint("customer_id", "idempotency_key"),
    CheckConstraint(f"state IN {STATES}", name="state"),
    CheckConstraint("answer_status IN (201, 202)", name="answer_status"),
    CheckConstraint("(state IN ('rejected', 'refused', 'dead')) = (rejection IS NOT NULL)", name="rejection"),
    # The durable form of the customer's lock: it holds when Redis is gone.
    Index(
        "one_queued_admission_per_customer",
        "customer_id",
        unique=True,
        postgresql_where=text("state = 'queued'"),
    ),
    # Only who asks for a time is served: with the state as its whole condition it is read whole for others.
    Index(
        "ix_admissions_waiting",
        "created_at",
        postgresql_where=text("state = 'queued' AND created_at IS NOT NULL"),
    ),
    Index("ix_admissions_created_at", "created_at"),
    Index(
        "ix_admissions_unplaced",
        "state",
        "order_id",
        postgresql_where=text(f"state IN {UNPLACED} AND order_id IS NOT NULL"),
    ),
    Index(
        "ix_admissions_never_placed",
        "state",
        "customer_id",
        "order_id",
        postgresql_where=text(f"state IN {NEVER_PLACED}"),
    ),
)
