"""Secrets that all processes share, without a setting."""

from sqlalchemy import Column, LargeBinary, Table, Text

from models.db import metadata

secrets = Table(
    "secrets",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
