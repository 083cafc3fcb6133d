"""Bearer tokens by RFC 8725, verified before anything else of a request is read."""

import hashlib
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, get_args

import jwt
import orjson
from jwt.algorithms import HMACAlgorithm
from werkzeug.datastructures import Headers

from models import settings
from models.errors import DomainError
from models.messages import Role
from web.identity import keys

# A token of ours is some 200 bytes; parsing much more would let a client cause work.
MAX_TOKEN_BYTES = 4096
# Callers are cached by the text of the header: a check costs half as much as an empty request. A longer
# header (spaces can lengthen it) is verified each time, so the cache takes 4 MB at most.
MOST_TOKENS = 4000
REMEMBERED_CHARACTERS = 1000
# Clocks of other machines: for "not before" and "issued at". Expired is expired.
LEEWAY_SECONDS = 60
LIFETIME = timedelta(days=30)


class _Hmac(HMACAlgorithm):
    """PyJWT's HMAC with the prepared key cached: for each token it would check whether the key is a
    certificate or JSON, which takes longer than the signature.
    """

    @lru_cache(maxsize=4)  # noqa: B019
    def prepare_key(self, key: str | bytes) -> bytes:
        return super().prepare_key(key)


def _signatures() -> jwt.PyJWS:
    known = jwt.PyJWS()
    known.unregister_algorithm("HS256")
    known.register_algorithm("HS256", _Hmac(_Hmac.SHA256))
    return known


SIGNATURES = _signatures()
ROLES = frozenset(get_args(Role))
# The subject becomes part of Redis keys and log lines.
SUBJECT = re.compile(r"[A-Za-z0-9_-]{1,64}")
TOKEN_ID = re.compile(r"[!-~]{1,255}")
BEARER = re.compile(r"bearer +([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)", re.IGNORECASE)


class Unauthenticated(DomainError):
    code = "UNAUTHENTICATED"
    message = "A valid bearer token is needed."
    advice = "Sign in again and repeat the request with the new token."


class Forbidden(DomainError):
    code = "FORBIDDEN"
    message = "Your role may not do this."
    advice = "A mistake in the app: this is for another role."


@dataclass(frozen=True, slots=True)
class Caller:
    """The person behind a valid token."""

    sub: str
    role: str
    expires_at: datetime
    # What a revocation names: the token's ``jti``, else a digest of what it signs.
    token_id: str = field(default="", compare=False)


def of_request(headers: Headers) -> Caller:
    """The caller named by exactly one ``Authorization: Bearer`` header; the server joins several to one
    that names nobody.

    Raises :class:`Unauthenticated`.
    """
    header = headers.get("Authorization", "")
    caller = named_in(header) if len(header) <= REMEMBERED_CHARACTERS else _named_in(header)
    if caller.expires_at <= datetime.now(UTC):
        raise _expired()
    return caller


@lru_cache(maxsize=MOST_TOKENS)
def named_in(header: str) -> Caller:
    """The token's caller, the same until it expires. Refusals are not cached."""
    return _named_in(header)


def _named_in(header: str) -> Caller:
    match = BEARER.fullmatch(header)
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
    claims = _signed_claims(token)
    return _caller(claims, _token_id(token, claims), now or datetime.now(UTC))


def _signed_claims(token: str) -> dict[str, Any]:
    try:
        # Only the signature is left to the library: its checks of claims take "1700000000" for a time.
        claims = orjson.loads(_signed(token))
    # Beside its own errors the library lets through what a hostile header makes json do.
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        raise Unauthenticated from error
    if not isinstance(claims, dict):
        raise Unauthenticated
    return claims


def _signed(token: str) -> bytes:
    """What the token carries, if one of our keys has signed it by exactly the algorithm of that key."""
    for known in keys.usable():
        with suppress(jwt.InvalidSignatureError, jwt.InvalidAlgorithmError):
            found = SIGNATURES.decode_complete(token, known.key, algorithms=[known.algorithm])
            # What a critical extension means is unknown here, so the token is refused (RFC 7515, 4.1.11).
            if "crit" in found["header"]:
                raise Unauthenticated
            content: bytes = found["payload"]
            return content
    raise Unauthenticated


def _token_id(token: str, claims: Mapping[str, Any]) -> str:
    if "jti" not in claims:
        # Without the signature, of which one token can have several spellings.
        return "sha256:" + hashlib.sha256(token.rpartition(".")[0].encode()).hexdigest()
    token_id = claims["jti"]
    if not isinstance(token_id, str) or not TOKEN_ID.fullmatch(token_id):
        raise Unauthenticated
    return token_id


def _caller(claims: Mapping[str, Any], token_id: str, now: datetime) -> Caller:
    seconds = now.timestamp()
    expires, issued = _number(claims, "exp"), _number(claims, "iat")
    if expires <= seconds:
        raise _expired()
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
    return Caller(subject, role, datetime.fromtimestamp(expires, UTC), token_id)


def _expired() -> Unauthenticated:
    return Unauthenticated("The token has expired.")


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
