"""Every failure in the contract's one shape, wherever it was raised."""

import redis
import structlog
from flask import Flask, Response, g, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException, NotFound

from models import db
from models.errors import DomainError, ServiceUnavailable
from web.http.responses import as_json

log = structlog.get_logger()

# The HTTP status of each code of the domain.
STATUS = {
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "ORDER_NOT_FOUND": 404,
    "TRIP_NOT_FOUND": 404,
    "NOT_OFFERED": 404,
    "DRIVER_NOT_REGISTERED": 404,
    "VALIDATION_ERROR": 400,
    "IDEMPOTENCY_KEY_REUSED": 422,
    "RATE_LIMIT_EXCEEDED": 429,
    "SERVICE_UNAVAILABLE": 503,
}
# Everything else that the domain refuses is a conflict with the present state.
CONFLICT = 409
# What an app should wait before it tries again, where a repeat can help (seconds).
RETRY_AFTER = {"CONCURRENT_REQUEST": 2, "SERVICE_UNAVAILABLE": 2}

# Codes for what the HTTP layer itself refuses.
HTTP_CODES = {
    400: "VALIDATION_ERROR",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    413: "PAYLOAD_TOO_LARGE",
    414: "URI_TOO_LONG",
    415: "UNSUPPORTED_MEDIA_TYPE",
    431: "HEADERS_TOO_LARGE",
}


# Headers of Werkzeug's errors that are passed on.
PASSED_ON = frozenset({"Allow", "Retry-After", "Accept-Encoding"})
# Longer lists of wrong fields help nobody, and a body of 64 KB can have 8,000 of them.
MOST_DETAILS = 50
# A client's own name or text is cut to this length in errors (characters).
LONGEST_SHOWN = 200


class Invalid(Exception):
    """A request that breaks the contract; one ``(field, message)`` for each wrong field.

    At most 50 of them are kept; ``more`` says how many there are beside these.
    """

    def __init__(self, details: list[tuple[str, str]], message: str = "", more: int = 0) -> None:
        self.details = [(shown(field), shown(text)) for field, text in details[:MOST_DETAILS]]
        self.more = more + len(details) - len(self.details)
        field, text = self.details[0]
        self.message = message or f"{field}: {text}"
        super().__init__(self.message)


def shown(text: str) -> str:
    """A text that may come from a client: short, and without the halves of surrogate pairs that have no
    UTF-8.
    """
    short = text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "…"
    return short.encode(errors="replace").decode()


def failure(
    status: int,
    code: str,
    message: str,
    details: list[tuple[str, str]] | None = None,
    data: dict[str, object] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """An error in the contract's shape."""
    error: dict[str, object] = {"code": code, "message": message}
    if details:
        error["details"] = [{"field": field, "message": text} for field, text in details]
    if data:
        error["data"] = data
    return as_json({"success": False, "error": error}, status, headers)


def _domain(error: DomainError) -> Response:
    headers, data = {}, error.data
    if STATUS.get(error.code) == 401:
        headers["WWW-Authenticate"] = _challenge()
    wait = (error.data or {}).get("retryAfter") or RETRY_AFTER.get(error.code)
    if wait:
        headers["Retry-After"] = str(wait)
        data = {"retryAfter": wait} | (error.data or {})
    return failure(STATUS.get(error.code, CONFLICT), error.code, error.message, data=data, headers=headers)


def _challenge() -> str:
    """What a 401 asks for (RFC 9110, 15.5.2), and whether a token was sent (RFC 6750, 3)."""
    sent = request.headers.get("Authorization", "").lower().startswith("bearer ")
    return 'Bearer error="invalid_token"' if sent or "Sec-WebSocket-Protocol" in request.headers else "Bearer"


def _invalid(error: Invalid) -> Response:
    data: dict[str, object] | None = {"moreDetails": error.more} if error.more else None
    return failure(400, "VALIDATION_ERROR", error.message, details=error.details, data=data)


def _http(error: HTTPException) -> Response:
    if error.code is None or error.code < 400:
        # A redirection would have an HTML body, and an address made from the client's Host header.
        return failure(404, "NOT_FOUND", NotFound.description)
    code = HTTP_CODES.get(error.code, error.name.upper().replace(" ", "_"))
    headers = {name: value for name, value in error.get_headers() if name in PASSED_ON}
    return failure(error.code, code, error.description or error.name, headers=headers)


def _database(error: SQLAlchemyError) -> Response:
    if db.unreachable(error):
        log.warning("postgres away", error=str(error).splitlines()[0])
        return _domain(ServiceUnavailable())
    return _unexpected(error)


def _redis(error: redis.RedisError) -> Response:
    """For the few routes that need Redis; the others catch this themselves."""
    log.warning("redis away", error=str(error))
    return _domain(ServiceUnavailable())


def _unexpected(error: Exception) -> Response:
    log.exception("unexpected error", exc_info=error)
    hint = f"Something went wrong on our side. Tell support this id: {g.get('request_id', '-')}"
    return failure(500, "INTERNAL_ERROR", hint)


def register(app: Flask) -> None:
    """Gives every error of every route the contract's shape."""
    app.register_error_handler(DomainError, _domain)
    app.register_error_handler(Invalid, _invalid)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(SQLAlchemyError, _database)
    app.register_error_handler(redis.RedisError, _redis)
    app.register_error_handler(Exception, _unexpected)
