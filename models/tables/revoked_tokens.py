"""Revoked tokens: called back before they run out. A row outlives its token by three minutes at most."""

from sqlalchemy import CheckConstraint, Column, DateTime, Index, Table, Text, func

from models.db import REASONABLE, metadata

revoked_tokens = Table(
    "revoked_tokens",
    metadata,
    # The token's `jti`, or `sha256:` and the digest of what it signs. Never the token.
    Column("token_id", Text, primary_key=True),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("revoked_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint(f"expires_at {REASONABLE}", name="expires_at"),
    Index("ix_revoked_tokens_revoked_at", "revoked_at"),
    Index("ix_revoked_tokens_expires_at", "expires_at"),
)
