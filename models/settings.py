"""The only reader of the environment.

Every process calls :func:`load` once; a missing or unsafe setting ends the process with one
sentence that names it, before anything half-works. A setting of one process ends that one alone.
"""

import os
import socket
import sys
from functools import cached_property, lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Literal, NoReturn, Self

from pydantic import Field, PrivateAttr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from models import store_urls

# Known to everybody who reads this file, so production refuses both of them.
DEVELOPMENT_SECRET = "weelo-development-secret-not-for-production"  # noqa: S105
DEVELOPMENT_FLOWER_AUTH = "ops:weelo"

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})

# HS256 wants a key at least as long as its digest (RFC 7518, section 3.2).
MINIMUM_SECRET_BYTES = 32

# Its host becomes part of a Content-Security-Policy, so nothing else may stand in it.
TILE_URL = r"^$|^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/[^\s]*\{z\}[^\s]*$"


# `EX_CONFIG` of sysexits.h: a start with the same settings would end in the same way.
WRONG_SETTING = 78

# Only the web process reads these, and only Flower those. (Kubernetes sets FLOWER_PORT=tcp://... in every
# process beside a service of that name.)
OF_WEB = (
    "port",
    "trusted_proxies",
    "tile_url",
    "order_wait_seconds",
    "orders_per_minute",
    "requests_per_second",
    "reads_per_minute",
    "reads_per_minute_per_address",
    "sockets_per_address",
    "writes_per_minute",
    "socket_openings_per_minute",
)
OF_FLOWER = ("flower_port",)
# Celery, Flower and gunicorn read these themselves, in their own way and before us.
OF_CELERY = ("CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL", "CELERY_RESULT_BACKEND")
OF_GUNICORN = ("WEB_CONCURRENCY", "GUNICORN_CMD_ARGS")


class Settings(BaseSettings):
    """All settings of all processes; names in the environment are the upper-case field names, and an empty
    one is as good as none.

    Durations are seconds unless the name says otherwise. The list and the defaults are the
    contract's.
    """

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    app_env: Literal["development", "test", "production"] = "development"
    database_url: str = Field(default="postgresql://weelo@127.0.0.1:5432/weelo", repr=False)
    # Read by the migrations alone: the role that the other processes log in with, if it is another one.
    database_app_role: str = ""
    # To be off behind a pooler that hands out another server connection for each transaction.
    database_prepare: bool = True
    redis_url: str = Field(default="redis://127.0.0.1:6379/0", repr=False)
    celery_broker_url: str = Field(default="", repr=False)
    # For rediss://: the authority of a certificate that the machine's own do not vouch for.
    redis_ca_file: str = ""

    jwt_secret: str = Field(default=DEVELOPMENT_SECRET, repr=False)
    jwt_secret_previous: str = Field(default="", repr=False)
    jwt_public_key: str = ""
    jwt_public_key_previous: str = ""
    jwt_issuer: str = ""
    jwt_audience: str = ""

    port: int = Field(default=8000, ge=1, le=65535)
    flower_port: int = Field(default=5555, ge=1, le=65535)
    flower_basic_auth: str = Field(default=DEVELOPMENT_FLOWER_AUTH, repr=False)
    allowed_origins: str = ""
    trusted_hosts: str = ""
    trusted_proxies: str = ""

    order_ttl_seconds: int = Field(default=60, ge=1, le=3600)
    cleanup_interval_seconds: int = Field(default=120, ge=1, le=3600)
    idempotency_cache_seconds: int = Field(default=300, ge=1)
    idempotency_retention_hours: int = Field(default=72, ge=1)
    # Orders that have ended, and drivers, are deleted when they are so old; 0 keeps all.
    retention_days: int = Field(default=0, ge=0, le=36_500)
    order_lock_seconds: int = Field(default=10, ge=1, le=60)
    order_cache_seconds: int = Field(default=300, ge=1)
    order_wait_seconds: float = Field(default=5, ge=0, le=30)
    driver_presence_seconds: int = Field(default=60, ge=1)
    orders_per_minute: int = Field(default=5, ge=0)
    # Without the limit of orders there are no limits of one caller at all: that is for measurements.
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
    # A socket needs a token, and carriers put thousands of phones behind one address.
    sockets_per_address: int = Field(default=10_000, ge=0)

    # The console's map: https://host/{z}/{x}/{y}.png, and the attribution that the tiles' licence asks for.
    tile_url: str = Field(default="", pattern=TILE_URL)
    tile_attribution: str = ""
    # A file that each process renews while it lives; its container's health check removes it.
    alive_file: str = ""
    # Development only: where the simulated city of the console leaves its lock and its note.
    demo_directory: str = ".run"

    # What is wrong with the settings of single processes, by their names; their defaults stand above.
    _wrong: dict[str, str] = PrivateAttr(default_factory=dict)

    def require(self, names: tuple[str, ...]) -> None:
        """Ends a process that reads these settings, with a sentence, if one of them is wrong."""
        for name in names:
            if name in self._wrong:
                refuse(self._wrong[name])

    def wrong(self, name: str) -> bool:
        """Whether the environment gives this setting a value that its process does not take."""
        return name in self._wrong

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
    def redis(self) -> store_urls.RedisAddress:
        """Where the live state is."""
        return store_urls.redis(self.redis_url, self.redis_ca_file)

    @cached_property
    def broker(self) -> store_urls.RedisAddress:
        """Where Celery's queues are."""
        return store_urls.redis(self.broker_url, self.redis_ca_file)

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

    @field_validator("database_url")
    @classmethod
    def _a_postgres(cls, url: str) -> str:
        store_urls.postgres(url.strip())
        return url.strip()

    @field_validator("redis_url", "celery_broker_url")
    @classmethod
    def _a_redis(cls, url: str) -> str:
        if url.strip():
            store_urls.redis(url.strip())
        return url.strip()

    @field_validator("redis_ca_file")
    @classmethod
    def _a_readable_file(cls, path: str) -> str:
        if path and not (Path(path).is_file() and os.access(path, os.R_OK)):
            raise ValueError(f"{path} is no file that can be read")
        return path

    @field_validator("trusted_proxies")
    @classmethod
    def _addresses(cls, text: str) -> str:
        _networks(text)
        return text

    @model_validator(mode="after")
    def _safe_in_production(self) -> Self:
        if not self.jwt_public_key and len(self.jwt_secret.encode()) < MINIMUM_SECRET_BYTES:
            raise ValueError(f"JWT_SECRET must be at least {MINIMUM_SECRET_BYTES} bytes long")
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
        if not self.flower_is_closed:
            raise ValueError("FLOWER_BASIC_AUTH must be user:password; Flower is never open")
        return self

    @property
    def flower_is_closed(self) -> bool:
        user, _, password = self.flower_basic_auth.partition(":")
        return bool(user and password)


class Server(BaseSettings):
    """What belongs to the web server alone: the address it listens on, and how many processes serve."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    # Empty: every address in production, this machine's own otherwise.
    host: str = ""
    web_concurrency: int = Field(default=2, ge=1)
    # Longer than a load balancer keeps an idle connection, most of them for 60 s: a side that closes while
    # the other sends has lost that request.
    keepalive_seconds: int = Field(default=75, ge=1, le=3600)

    @field_validator("host")
    @classmethod
    def _an_address(cls, host: str) -> str:
        if not host:
            return host
        try:
            socket.getaddrinfo(host, None)
        except (OSError, UnicodeError):
            hint = "an address of this machine, such as 0.0.0.0 (conda sets this name too: unset it)"
            raise ValueError(f"must be {hint}") from None
        return host


@lru_cache(maxsize=1)
def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    reason = first["msg"].removeprefix("Value error, ")
    name = "_".join(str(part) for part in first["loc"]).upper()
    return f"{name}: {reason}" if name else reason


class Refused(SystemExit):
    """The end of a process with a wrong setting: a sentence was printed, the status says what kind of end."""

    def __init__(self, sentence: str) -> None:
        super().__init__(WRONG_SETTING)
        self._sentence = sentence

    def __str__(self) -> str:
        return self._sentence


def refuse(sentence: str) -> NoReturn:
    """Ends this process with one sentence; its exit status says that the same settings will end it again."""
    whole = f"weelo: {sentence.rstrip('.')}."
    print(whole, file=sys.stderr, flush=True)
    raise Refused(whole)


@lru_cache(maxsize=1)
def load() -> Settings:
    """The settings of this process; exits with one sentence if they are unusable."""
    wrong: dict[str, str] = {}
    try:
        found = Settings()
    except ValidationError as error:
        wrong = _of_single_processes(error)
        try:
            found = Settings(**{name: _default(name) for name in wrong})
        except ValidationError as another:
            refuse(_sentence(another))
    found._wrong.update(wrong)
    return found


def _of_single_processes(error: ValidationError) -> dict[str, str]:
    """A sentence for each wrong setting that only one process reads."""
    wrong = {}
    for fault in error.errors():
        name = str(fault["loc"][0]) if fault["loc"] else ""
        # A default made of other settings is not made while any setting is wrong.
        if name in OF_WEB + OF_FLOWER and fault["type"] != "default_factory_not_called":
            wrong[name] = f"{name.upper()}: {fault['msg'].removeprefix('Value error, ')}"
    return wrong


def _default(name: str) -> Any:
    return Settings.model_fields[name].get_default(call_default_factory=True, validated_data={})


@lru_cache(maxsize=1)
def server() -> Server:
    """The settings of the web server; exits with one sentence if they are unusable, as `load` does."""
    try:
        return Server()
    except ValidationError as error:
        refuse(_sentence(error))


def keep_from_gunicorn() -> None:
    """Takes away what gunicorn reads past `gunicornconfig.py`; a wrong number there would be a traceback."""
    server()
    for name in OF_GUNICORN:
        os.environ.pop(name, None)


def keep_from_celery() -> None:
    """Takes away what Celery reads past `celeryconfig.py`. CELERY_BROKER_URL, which it prefers to that file,
    then says the same as the file.
    """
    for name in OF_CELERY:
        os.environ.pop(name, None)
    if load().wrong("flower_port") or not os.environ.get("FLOWER_PORT"):
        # Flower would stumble over it before it reads `flowerconfig.py`, where it is refused.
        os.environ.pop("FLOWER_PORT", None)
    if load().celery_broker_url:
        os.environ["CELERY_BROKER_URL"] = load().broker.url
    elif "CELERY_BROKER_URL" in os.environ:
        del os.environ["CELERY_BROKER_URL"]
