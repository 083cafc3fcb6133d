"""Tokens for the replay's people.

Minted here and not by the system's own command: a replayed day has thousands of customers, and a
process for each token would cost more than the replay itself.
"""

import os
import time
from collections.abc import Mapping

import jwt

# The system's default while APP_ENV is development (models/settings.py); anybody may know it.
DEVELOPMENT_SECRET = "weelo-development-secret-not-for-production"  # noqa: S105
# The system takes tokens of up to 30 days; a week outlasts a recorded day replayed as it was.
LIFETIME_S = 7 * 24 * 3600


class Tokens:
    """Signs with HS256 and the JWT_* settings of the environment, as the system checks them."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._secret = environment.get("JWT_SECRET") or DEVELOPMENT_SECRET
        wanted = {"iss": environment.get("JWT_ISSUER"), "aud": environment.get("JWT_AUDIENCE")}
        self._fixed = {claim: value for claim, value in wanted.items() if value}

    def bearer(self, sub: str, role: str) -> str:
        """The `Authorization` header of this person."""
        now = int(time.time())
        claims = {"sub": sub, "role": role, "iat": now, "exp": now + LIFETIME_S, **self._fixed}
        return f"Bearer {jwt.encode(claims, self._secret, algorithm='HS256')}"
