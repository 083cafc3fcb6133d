"""Every error code: its status, its meaning, and what an app should do.

The domain's come from their classes; what stands here are the codes of the HTTP layer.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from models.errors import DomainError
from web.http import errors


@dataclass(frozen=True)
class Code:
    """One error code as the documents show it."""

    code: str
    status: int
    meaning: str
    advice: str


_HTTP = (
    Code(
        "VALIDATION_ERROR",
        400,
        "The request breaks the contract; `details` has a row for each wrong field, 50 at most, and "
        "`data.moreDetails` says how many more there are.",
        "A mistake in the app, or in what was typed: show `details` beside the fields.",
    ),
    Code("NOT_FOUND", 404, "There is no such address.", "A mistake in the app."),
    Code(
        "METHOD_NOT_ALLOWED",
        405,
        "This address has other methods; `Allow` names them.",
        "A mistake in the app.",
    ),
    Code("REQUEST_TIMEOUT", 408, "The body did not come within 5 s.", "Send it again, in one piece."),
    Code("PAYLOAD_TOO_LARGE", 413, "The body is larger than 64 KiB.", "A mistake in the app."),
    Code("URI_TOO_LONG", 414, "The address is longer than 4 KiB.", "A mistake in the app."),
    Code(
        "UNSUPPORTED_MEDIA_TYPE",
        415,
        "The body is not `application/json`, or is compressed.",
        "Send `Content-Type: application/json`, and no `Content-Encoding`.",
    ),
    Code(
        "UPGRADE_REQUIRED",
        426,
        "This address speaks WebSocket, version 13.",
        "Open it with a WebSocket client.",
    ),
    Code(
        "HEADERS_TOO_LARGE",
        431,
        "A header is longer than 8 KiB, all together are longer than 32 KiB, or there are more than 64.",
        "A mistake in the app.",
    ),
    Code(
        "NOT_READY",
        503,
        "The main job cannot run; `data` has a line for each part.",
        "For load balancers and operators: see the runbook.",
    ),
)


def table() -> dict[str, Code]:
    """All codes in alphabetical order."""
    found = {code.code: code for code in _HTTP}
    for kind in _kinds(DomainError):
        # The base class is the answer to a mistake of ours.
        status = 500 if kind is DomainError else errors.STATUS.get(kind.code, errors.CONFLICT)
        found[kind.code] = Code(kind.code, status, kind.message, kind.advice)
    return dict(sorted(found.items()))


def waits(code: str) -> bool:
    """Whether this code comes with ``Retry-After``."""
    return code in errors.RETRY_AFTER or code in ("RATE_LIMIT_EXCEEDED", "NOT_READY")


def markdown() -> str:
    """The table as the documents show it."""
    rows = [f"| `{row.code}` | {row.status} | {row.meaning} | {row.advice} |" for row in table().values()]
    return "\n".join(["| code | status | meaning | what the app should do |", "|---|---|---|---|", *rows])


def _kinds(kind: type[DomainError]) -> Iterator[type[DomainError]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from _kinds(narrower)
