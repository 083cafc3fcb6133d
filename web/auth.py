"""Who is calling: bearer tokens to RFC 8725, checked before anything else is looked at."""

import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, get_args

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from werkzeug.datastructures import Headers

from models import settings
from models.errors import DomainError
from models.messages import Role

# A token of ours is some 200 bytes; parsing more would be work for whoever sends it.
MAX_TOKEN_BYTES = 4096
# Clocks of other machines: for "not before" and "issued at". Expired is expired.
LEEWAY_SECONDS = 60
LIFETIME = timedelta(days=30)

# Tells gunicorn's master that starting the worker again would not help.
CANNOT_START = 3

ROLES = frozenset(get_args(Role))
# The subject becomes part of Redis keys and log lines.
SUBJECT = re.compile(r"[A-Za-z0-9_-]{1,64}")
BEARER = re.compile(r"bearer +([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)", re.IGNORECASE)


class Unauthenticated(DomainError):
    code = "UNAUTHENTICATED"
    message = "A valid bearer token is needed."
    advice = "Sign in again and repeat the request with the new token."


class Forbidden(DomainError):
    code = "FORBIDDEN"
    message = "Your role may not do this."
    advice = "A mistake in the app: this is for another role."


@dataclass(frozen=True)
class Caller:
    """The person behind a valid token."""

    sub: str
    role: str
    expires_at: datetime


@dataclass(frozen=True)
class Verifier:
    """The one algorithm in use and the key to check it with."""

    algorithm: str
    key: Any


@lru_cache(maxsize=1)
def verifier() -> Verifier:
    """What tokens are checked with; ends the process with a sentence if the key cannot be used."""
    configured = settings.load()
    if not configured.jwt_public_key:
        return Verifier("HS256", configured.jwt_secret)
    try:
        key = load_pem_public_key(configured.jwt_public_key.replace("\\n", "\n").encode())
    except ValueError:
        key = None
    if isinstance(key, RSAPublicKey):
        return Verifier("RS256", key)
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return Verifier("ES256", key)
    print("weelo: JWT_PUBLIC_KEY must be an RSA or P-256 public key in PEM.", file=sys.stderr)
    raise SystemExit(CANNOT_START)


def of_request(headers: Headers) -> Caller:
    """The caller named by exactly one ``Authorization: Bearer`` header.

    Raises :class:`Unauthenticated`.
    """
    values = headers.getlist("Authorization")
    match = BEARER.fullmatch(values[0]) if len(values) == 1 else None
    if match is None:
        raise Unauthenticated
    return verify(match[1])


def of_socket(headers: Headers) -> Caller:
    """The same for a socket: browsers, which cannot set the header, send subprotocols ``bearer, <JWT>``.

    Raises :class:`Unauthenticated`.
    """
    if not in_subprotocols(headers):
        return of_request(headers)
    offered = _subprotocols(headers)
    if len(offered) != 2 or "Authorization" in headers:
        raise Unauthenticated("Send exactly one token.")
    return verify(offered[1])


def in_subprotocols(headers: Headers) -> bool:
    """Whether the token comes as a subprotocol, so that the answer has to name one."""
    return _subprotocols(headers)[:1] == ["bearer"]


def _subprotocols(headers: Headers) -> list[str]:
    names = headers.get("Sec-WebSocket-Protocol", "").split(",")
    return [name.strip() for name in names if name.strip()]


def verify(token: str, now: datetime | None = None) -> Caller:
    """The caller a token speaks for. Raises :class:`Unauthenticated`, never anything else."""
    if len(token.encode(errors="replace")) > MAX_TOKEN_BYTES:
        raise Unauthenticated("The token is too long.")
    return _caller(_signed_claims(token), now or datetime.now(UTC))


def _signed_claims(token: str) -> dict[str, Any]:
    expected = verifier()
    try:
        # What a critical extension means is unknown here, so the token is refused (RFC 7515, 4.1.11).
        if "crit" in jwt.get_unverified_header(token):
            raise Unauthenticated
        # Only the signature is left to the library: its checks of claims take "1700000000" for a time.
        claims = orjson.loads(jwt.PyJWS().decode(token, expected.key, algorithms=[expected.algorithm]))
    # Beside its own errors the library lets through what a hostile header makes json do.
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        raise Unauthenticated from error
    if not isinstance(claims, dict):
        raise Unauthenticated
    return claims


def _caller(claims: Mapping[str, Any], now: datetime) -> Caller:
    seconds = now.timestamp()
    expires, issued = _number(claims, "exp"), _number(claims, "iat")
    if expires <= seconds:
        raise Unauthenticated("The token has expired.")
    if not 0 < expires - issued <= LIFETIME.total_seconds():
        raise Unauthenticated("The token is valid for too long.")
    if max(issued, _number(claims, "nbf") if "nbf" in claims else 0) > seconds + LEEWAY_SECONDS:
        raise Unauthenticated("The token is not valid yet.")
    _check_parties(claims)
    subject, role = claims.get("sub"), claims.get("role")
    if not isinstance(subject, str) or not SUBJECT.fullmatch(subject):
        raise Unauthenticated
    if not isinstance(role, str) or role not in ROLES:
        raise Unauthenticated
    return Caller(subject, role, datetime.fromtimestamp(expires, UTC))


def _number(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unauthenticated
    if not math.isfinite(value):
        raise Unauthenticated
    return value


def _check_parties(claims: Mapping[str, Any]) -> None:
    configured = settings.load()
    if configured.jwt_issuer and claims.get("iss") != configured.jwt_issuer:
        raise Unauthenticated
    if not configured.jwt_audience:
        return
    audience = claims.get("aud")
    if configured.jwt_audience not in (audience if isinstance(audience, list) else [audience]):
        raise Unauthenticated
