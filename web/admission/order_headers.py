"""The headers of a new order: its idempotency key, and how long its client waits."""

import re
from dataclasses import dataclass

from flask import Request

from models import settings
from web.http.errors import Invalid

KEY_HEADER = "X-Idempotency-Key"
# Both of its names, as WSGI spells them.
KEY_HEADERS = ("HTTP_X_IDEMPOTENCY_KEY", "HTTP_IDEMPOTENCY_KEY")
# Visible ASCII without ':' (separates the parts of Redis keys) and '*'.
KEY_SHAPE = re.compile(r"[!-)+-9;-~]{1,255}")

QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')


@dataclass(frozen=True)
class Preference:
    """The ``Prefer`` header (RFC 7240): not to wait at all, or how long at most (seconds)."""

    asynchronous: bool
    wait: float


def idempotency_key(request: Request) -> str | None:
    """The key, under either name of its header. Raises ``Invalid`` for a wrong one, or two different ones."""
    values = [value for name in KEY_HEADERS if (value := request.environ.get(name)) is not None]
    if not values:
        return None
    # The server puts a line feed between repeated lines.
    key, *others = {_unquoted(line) for value in values for line in str(value).split("\n")}
    if others:
        raise Invalid([(KEY_HEADER, "two different keys in one request")])
    if not KEY_SHAPE.fullmatch(key):
        raise Invalid([(KEY_HEADER, "must be 1 to 255 visible ASCII characters without ':' and '*'")])
    return key


def _unquoted(value: str) -> str:
    """The key without the quotes that draft-ietf-httpapi-idempotency-key-header puts around it (RFC 9651)."""
    quoted = QUOTED.fullmatch(value)
    return re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else value


def preference_of(request: Request) -> Preference:
    """What the client prefers; it waits for ORDER_WAIT_SECONDS at most."""
    wait = settings.load().order_wait_seconds
    asynchronous = False
    for token in request.headers.get("Prefer", "").split(","):
        name, _, value = token.strip().partition("=")
        if name.lower() == "respond-async":
            asynchronous = True
        elif name.lower() == "wait" and re.fullmatch(r"[0-9]{1,4}", value.strip()):
            wait = min(wait, int(value))
    return Preference(asynchronous, wait)
