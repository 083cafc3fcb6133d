"""Erasures of persons: who was erased, when, by whom and why. Rows are only ever added."""

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Identity, Table, Text, func

from models.db import metadata

ROLES = ("customer", "driver")

erasures = Table(
    "erasures",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("role", Text, nullable=False),
    Column("person_id", Text, nullable=False),
    Column("operator", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint(f"role IN {ROLES}", name="role"),
)
