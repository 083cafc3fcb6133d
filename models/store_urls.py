"""The one reader of DATABASE_URL, REDIS_URL and CELERY_BROKER_URL, for every client of either store.

What it takes works in every process; what it does not take is refused in words that never hold a password.
"""

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import psycopg2
from psycopg2.extensions import parse_dsn

POSTGRES_FORM = (
    "must be of the form postgresql://user:password@host:5432/database, "  # no secret: the word itself
    "with / ? # @ : % in a password written as %2F %3F %23 %40 %3A %25"
)
REDIS_FORM = (
    "must be of the form redis://user:password@host:6379/0, or rediss://... for TLS, "  # no secret: the word
    "with / ? # @ : % in a password written as %2F %3F %23 %40 %3A %25"
)
# `postgresql+psycopg2` is what SQLAlchemy calls the driver in use.
POSTGRES_SCHEMES = ("postgresql://", "postgres://", "postgresql+psycopg2://")
REDIS_PORT = 6379
# The only ones whose names an error repeats: anything else may be a piece of a password.
PARAMETER = re.compile(r"^[A-Za-z_]{1,40}$")
VERIFIED = frozenset({"required", "CERT_REQUIRED"})


def postgres(url: str) -> dict[str, str]:
    """libpq's keywords for this address, as ``psycopg2.connect`` takes them. Raises ValueError."""
    scheme = next((known for known in POSTGRES_SCHEMES if url.startswith(known)), None)
    if scheme is None:
        raise ValueError(POSTGRES_FORM)
    try:
        found: dict[str, str] = parse_dsn("postgresql://" + url.removeprefix(scheme))
    # libpq quotes the piece that it does not understand, and that may be a password.
    except psycopg2.Error:
        if unknown := _unknown_parameter(url):
            raise ValueError(f"?{unknown} is no parameter of libpq") from None
        raise ValueError(POSTGRES_FORM) from None
    ports = found.get("port", "").split(",")
    misread = found.get("host", "") + found.get("dbname", "")
    if "@" in misread or not all(re.fullmatch("[0-9]{0,5}", port) for port in ports):
        raise ValueError(POSTGRES_FORM)
    return found


def _unknown_parameter(url: str) -> str | None:
    query = url.partition("?")[2]
    if "@" in query:
        return None
    for name, value in parse_qsl(query, keep_blank_values=True):
        if not PARAMETER.match(name):
            return None
        try:
            parse_dsn(f"postgresql:///?{name}={quote(value, safe='')}")
        except psycopg2.Error:
            return name
    return None


@dataclass(frozen=True)
class RedisAddress:
    """One Redis; ``ca_file`` is empty where the machine's own authorities are believed."""

    host: str
    port: int
    database: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    ca_file: str = ""

    @property
    def tls_options(self) -> dict[str, Any]:
        """For redis-py and for Celery's ``broker_use_ssl``: the server's certificate and name are checked."""
        verified = {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
        return verified | {"ssl_ca_certs": self.ca_file} if self.ca_file else verified

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments of redis-py's connections."""
        found = {
            "host": self.host,
            "port": self.port,
            "db": self.database,
            "username": self.username,
            "password": self.password,
        }
        return found | self.tls_options if self.tls else found

    @property
    def url(self) -> str:
        """The same address, spelt so that Celery and Flower read it in the same way."""
        name = quote(self.username or "", safe="")
        secret = f":{quote(self.password, safe='')}" if self.password is not None else ""
        person = f"{name}{secret}@" if name or secret else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rediss' if self.tls else 'redis'}://{person}{host}:{self.port}/{self.database}"


def redis(url: str, ca_file: str = "") -> RedisAddress:
    """Reads the address of a Redis. Raises ValueError."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "localhost", parts.port
    # It quotes what it does not understand.
    except ValueError:
        raise ValueError(REDIS_FORM) from None
    database = parts.path.removeprefix("/") or "0"
    scheme_known = url.startswith(("redis://", "rediss://"))
    if not scheme_known or parts.fragment or port == 0 or not re.fullmatch("[0-9]{1,5}", database):
        raise ValueError(REDIS_FORM)
    tls = parts.scheme == "rediss"
    _refuse_parameters(parts.query, tls)
    return RedisAddress(
        host,
        port or REDIS_PORT,
        int(database),
        unquote(parts.username) if parts.username else None,
        unquote(parts.password) if parts.password is not None else None,
        tls,
        ca_file if tls else "",
    )


def _refuse_parameters(query: str, tls: bool) -> None:
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name == "ssl_cert_reqs" and tls:
            if value not in VERIFIED:
                raise ValueError(
                    "ssl_cert_reqs can only be required: name the authority of a certificate of your own "
                    "in REDIS_CA_FILE"
                )
        elif name == "ssl_ca_certs":
            raise ValueError("?ssl_ca_certs is not read: name the file in REDIS_CA_FILE")
        elif name == "db":
            raise ValueError("?db is not read: the database's number is the path, as in redis://host:6379/1")
        elif PARAMETER.match(name) and "@" not in query:
            raise ValueError(f"?{name} is not read: leave it out, connections have limits of their own here")
        else:
            raise ValueError(REDIS_FORM)


def without_secrets(text: str, *urls: str) -> str:
    """The text without the passwords of these addresses, however they are written in it."""
    for url in urls:
        for secret in _secrets(url):
            text = text.replace(secret, "***")
    return text


def _secrets(url: str) -> set[str]:
    """What stands between the user's name and the last @, as it is and decoded."""
    person = url.partition("://")[2].rpartition("@")[0]
    written = person.partition(":")[2]
    return {secret for secret in (written, unquote(written)) if secret}
