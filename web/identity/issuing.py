"""Issues tokens for trying things out; in production the sign-in service has the key."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt

from models import settings


def issue(role: str, sub: str, lifetime: timedelta, now: datetime | None = None) -> str:
    """A token signed with ``JWT_SECRET``, as :func:`web.identity.tokens.verify` takes it."""
    configured = settings.load()
    issued = int((now or datetime.now(UTC)).timestamp())
    claims: dict[str, Any] = {
        "sub": sub,
        "role": role,
        "iat": issued,
        "exp": issued + int(lifetime.total_seconds()),
        "jti": uuid4().hex,
    }
    if configured.jwt_issuer:
        claims["iss"] = configured.jwt_issuer
    if configured.jwt_audience:
        claims["aud"] = configured.jwt_audience
    return jwt.encode(claims, configured.jwt_secret, algorithm="HS256")
