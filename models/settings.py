"""The only reader of the environment.

Every process calls :func:`load` once; a missing or unsafe setting ends the process with one
sentence that names it, before anything half-works.
"""

import sys
from functools import cached_property, lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

# Known to everybody who reads this file, so production refuses both of them.
DEVELOPMENT_SECRET = "weelo-development-secret-not-for-production"  # noqa: S105
DEVELOPMENT_FLOWER_AUTH = "ops:weelo"

LOOPBACK = frozenset({"127.0.0.1", "localhost"})

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
    # Read by the migrations alone: the role that the other processes log in with, if it is another one.
    database_app_role: str = ""
    # To be off behind a pooler that hands out another server connection for each transaction.
    database_prepare: bool = True
    redis_url: str = "redis://127.0.0.1:6379/0"
    celery_broker_url: str = ""

    jwt_secret: str = DEVELOPMENT_SECRET
    jwt_secret_previous: str = ""
    jwt_public_key: str = ""
    jwt_public_key_previous: str = ""
    jwt_issuer: str = ""
    jwt_audience: str = ""

    port: int = Field(default=8000, ge=1, le=65535)
    flower_port: int = Field(default=5555, ge=1, le=65535)
    flower_basic_auth: str = DEVELOPMENT_FLOWER_AUTH
    allowed_origins: str = ""
    trusted_hosts: str = ""
    trusted_proxies: str = ""

    order_ttl_seconds: int = Field(default=60, ge=1, le=3600)
    cleanup_interval_seconds: int = Field(default=120, ge=1, le=3600)
    idempotency_cache_seconds: int = Field(default=300, ge=1)
    idempotency_retention_hours: int = Field(default=72, ge=1)
    order_lock_seconds: int = Field(default=10, ge=1, le=60)
    order_cache_seconds: int = Field(default=300, ge=1)
    order_wait_seconds: float = Field(default=5, ge=0, le=30)
    driver_presence_seconds: int = Field(default=60, ge=1)
    orders_per_minute: int = Field(default=5, ge=0)
    # Whoever switches the limit of orders off measures, and means all limits of one caller.
    requests_per_second: int = Field(
        default_factory=lambda known: 25 if known.get("orders_per_minute") else 0, ge=0
    )
    reads_per_minute: int = Field(
        default_factory=lambda known: 6_000 if known.get("orders_per_minute") else 0, ge=0
    )
    writes_per_minute: int = Field(
        default_factory=lambda known: 1_500 if known.get("orders_per_minute") else 0, ge=0
    )
    socket_openings_per_minute: int = Field(
        default_factory=lambda known: 60 if known.get("orders_per_minute") else 0, ge=0
    )
    reads_per_minute_per_address: int = Field(default=30_000, ge=0)
    sockets_per_address: int = Field(default=1_000, ge=0)

    # The console's map: https://host/{z}/{x}/{y}.png, and whom the tiles' licence wants named.
    tile_url: str = Field(default="", pattern=TILE_URL)
    tile_attribution: str = ""
    # Development only: where the simulated city of the console leaves its lock and its note.
    demo_directory: str = ".run"

    @property
    def production(self) -> bool:
        return self.app_env == "production"

    @property
    def hands_out_tokens(self) -> bool:
        """Whether the console gives out tokens: only in development, and only where anybody can sign them."""
        return (
            self.app_env == "development"
            and not self.jwt_public_key
            and self.jwt_secret == DEVELOPMENT_SECRET
        )

    @cached_property
    def takes_development_tokens(self) -> bool:
        """Whether a token is taken that anybody can sign who has read this file."""
        return not self.jwt_public_key and DEVELOPMENT_SECRET in (self.jwt_secret, self.jwt_secret_previous)

    @property
    def broker_url(self) -> str:
        """Redis database for Celery; the live state's own Redis unless set apart."""
        return self.celery_broker_url or self.redis_url

    @cached_property
    def origins(self) -> frozenset[str]:
        """Origins a browser may open a socket from (comma-separated in the environment)."""
        return frozenset(o.strip().rstrip("/") for o in self.allowed_origins.split(",") if o.strip())

    @property
    def hosts(self) -> frozenset[str]:
        """Names a request may give as its host, a leading dot meaning all below it; empty: any.

        Health checks of the machine itself are always among them.
        """
        given = frozenset(h.strip().lower() for h in self.trusted_hosts.split(",") if h.strip())
        return given | LOOPBACK if given else given

    @property
    def proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Addresses or networks whose X-Forwarded-For is believed."""
        return _networks(self.trusted_proxies)

    @model_validator(mode="after")
    def _safe_in_production(self) -> Self:
        try:
            _networks(self.trusted_proxies)
        except ValueError as error:
            raise ValueError(f"TRUSTED_PROXIES: {error}") from None
        if not self.jwt_public_key and len(self.jwt_secret.encode()) < MINIMUM_SECRET_BYTES:
            raise ValueError(f"JWT_SECRET must be at least {MINIMUM_SECRET_BYTES} bytes long")
        user, _, password = self.flower_basic_auth.partition(":")
        if not user or not password:
            raise ValueError("FLOWER_BASIC_AUTH must be user:password; Flower is never open")
        if self.jwt_secret_previous and len(self.jwt_secret_previous.encode()) < MINIMUM_SECRET_BYTES:
            raise ValueError(f"JWT_SECRET_PREVIOUS must be at least {MINIMUM_SECRET_BYTES} bytes long")
        if self.jwt_public_key_previous and not self.jwt_public_key:
            raise ValueError("JWT_PUBLIC_KEY_PREVIOUS must not be set without JWT_PUBLIC_KEY")
        if self.jwt_secret_previous and self.jwt_public_key:
            raise ValueError("JWT_SECRET_PREVIOUS must not be set beside JWT_PUBLIC_KEY")
        if not self.production:
            return self
        for name in ("database_url", "redis_url"):
            if name not in self.model_fields_set:
                raise ValueError(f"{name.upper()} must be set when APP_ENV=production")
        if not self.jwt_public_key and self.jwt_secret == DEVELOPMENT_SECRET:
            raise ValueError("JWT_SECRET (or JWT_PUBLIC_KEY) must be set when APP_ENV=production")
        if self.jwt_secret_previous == DEVELOPMENT_SECRET:
            raise ValueError("JWT_SECRET_PREVIOUS must not be the development secret when APP_ENV=production")
        if self.flower_basic_auth == DEVELOPMENT_FLOWER_AUTH:
            raise ValueError("FLOWER_BASIC_AUTH must be set to user:password when APP_ENV=production")
        return self


@lru_cache(maxsize=1)
def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(one.strip()) for one in text.split(",") if one.strip())


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
