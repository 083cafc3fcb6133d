"""The only reader of the environment.

Every process calls :func:`load` once; a missing or unsafe setting ends the process with one
sentence that names it, before anything half-works.
"""

import sys
from functools import lru_cache
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

# Known to everybody who reads this file, so production refuses both of them.
DEVELOPMENT_SECRET = "weelo-development-secret-not-for-production"  # noqa: S105
DEVELOPMENT_FLOWER_AUTH = "ops:weelo"

# HS256 wants a key at least as long as its digest (RFC 7518, section 3.2).
MINIMUM_SECRET_BYTES = 32

# Its host becomes part of a Content-Security-Policy, so nothing else may stand in it.
TILE_URL = r"^$|^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/[^\s]*\{z\}[^\s]*$"


class Settings(BaseSettings):
    """All settings of all processes; names in the environment are the upper-case field names.

    Durations are seconds unless the name says otherwise. The list and the defaults are the
    contract's.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    app_env: Literal["development", "test", "production"] = "development"
    database_url: str = "postgresql://weelo@127.0.0.1:5432/weelo"
    redis_url: str = "redis://127.0.0.1:6379/0"
    celery_broker_url: str = ""

    jwt_secret: str = DEVELOPMENT_SECRET
    jwt_public_key: str = ""
    jwt_issuer: str = ""
    jwt_audience: str = ""

    port: int = Field(default=8000, ge=1, le=65535)
    flower_port: int = Field(default=5555, ge=1, le=65535)
    flower_basic_auth: str = DEVELOPMENT_FLOWER_AUTH
    allowed_origins: str = ""

    order_ttl_seconds: int = Field(default=60, ge=1, le=3600)
    cleanup_interval_seconds: int = Field(default=120, ge=1, le=3600)
    idempotency_cache_seconds: int = Field(default=300, ge=1)
    idempotency_retention_hours: int = Field(default=72, ge=1)
    order_lock_seconds: int = Field(default=10, ge=1, le=60)
    order_cache_seconds: int = Field(default=300, ge=1)
    order_wait_seconds: float = Field(default=5, ge=0, le=30)
    driver_presence_seconds: int = Field(default=60, ge=1)
    orders_per_minute: int = Field(default=5, ge=0)

    # The console's map: https://host/{z}/{x}/{y}.png, and whom the tiles' licence wants named.
    tile_url: str = Field(default="", pattern=TILE_URL)
    tile_attribution: str = ""

    @property
    def production(self) -> bool:
        return self.app_env == "production"

    @property
    def hands_out_tokens(self) -> bool:
        """Whether the console gives a token to whoever opens it: with a secret of development only."""
        return self.app_env == "development" and not self.jwt_public_key

    @property
    def broker_url(self) -> str:
        """Redis database for Celery; the live state's own Redis unless set apart."""
        return self.celery_broker_url or self.redis_url

    @property
    def origins(self) -> frozenset[str]:
        """Origins a browser may open a socket from (comma-separated in the environment)."""
        return frozenset(o.strip().rstrip("/") for o in self.allowed_origins.split(",") if o.strip())

    @model_validator(mode="after")
    def _safe_in_production(self) -> Self:
        if not self.jwt_public_key and len(self.jwt_secret.encode()) < MINIMUM_SECRET_BYTES:
            raise ValueError(f"JWT_SECRET must be at least {MINIMUM_SECRET_BYTES} bytes long")
        if not self.production:
            return self
        for name in ("database_url", "redis_url"):
            if name not in self.model_fields_set:
                raise ValueError(f"{name.upper()} must be set when APP_ENV=production")
        if not self.jwt_public_key and self.jwt_secret == DEVELOPMENT_SECRET:
            raise ValueError("JWT_SECRET (or JWT_PUBLIC_KEY) must be set when APP_ENV=production")
        user, _, password = self.flower_basic_auth.partition(":")
        if self.flower_basic_auth == DEVELOPMENT_FLOWER_AUTH or not user or not password:
            raise ValueError("FLOWER_BASIC_AUTH must be set to user:password when APP_ENV=production")
        return self


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    reason = first["msg"].removeprefix("Value error, ")
    name = "_".join(str(part) for part in first["loc"]).upper()
    return f"{name}: {reason}" if name else reason


@lru_cache(maxsize=1)
def load() -> Settings:
    """The settings of this process; exits with status 2 and one sentence if they are unusable."""
    try:
        return Settings()
    except ValidationError as error:
        sys.exit(f"weelo: {_sentence(error)}.")
