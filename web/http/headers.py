"""Headers of every answer: what a browser may do with it, and which pages may read it (CORS)."""

from flask import Flask, Response, current_app, request
from werkzeug.exceptions import BadRequest, NotFound

from models import settings
from web.http import hosts

# An answer is data: it must not be run, framed, sniffed or cached.
SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}

# What a page of an allowed origin may send, and what it may read beside the body.
ASKED = (
    *("Authorization", "Content-Type", "X-Idempotency-Key", "Idempotency-Key", "Prefer", "X-Request-ID"),
    # Tracing (W3C Trace Context and Baggage) adds these to each request of a page.
    *("Traceparent", "Tracestate", "Baggage"),
    # Read in development alone (`web/routes/robo.py`).
    "X-Weelo-Test",
)
SHOWN = (
    "Location",
    "Retry-After",
    "Idempotent-Replayed",
    "Preference-Applied",
    "X-Request-ID",
    "RateLimit",
    "RateLimit-Policy",
    "WWW-Authenticate",
)
# Platforms call these by a machine's address, so their Host is not checked.
PROBES = frozenset({"health.health", "health.ready", "health.ready_web", "metrics.metrics"})
# Chromium keeps a preflight for two hours at most.
PREFLIGHT_SECONDS = "7200"


def register(app: Flask) -> None:
    """Answers OPTIONS, and adds the headers; a view that sets one of them keeps its own."""
    app.request_class = hosts.HostRequest
    app.before_request(_check_host)
    app.before_request(_check_path)
    app.before_request(_options)
    app.after_request(_add)


def _check_host() -> None:
    if not request.host:
        raise BadRequest("The Host header names no host.")
    trusted = settings.load().hosts
    if trusted and request.endpoint not in PROBES and not hosts.is_among(request.host, trusted):
        raise BadRequest("The Host header names a host that is not served here.")


def _check_path() -> None:
    # Werkzeug reads several leading slashes as one; a proxy in front of it may not.
    if "//" in request.environ["PATH_INFO"]:
        raise NotFound


def _options() -> Response | None:
    """The allowed methods (RFC 9110, 9.3.7); the same answer serves a preflight of the Fetch standard."""
    if request.method != "OPTIONS" or request.routing_exception:
        return None
    adapter = current_app.create_url_adapter(request)
    methods = sorted(adapter.allowed_methods()) if adapter else []
    answer = Response(status=204, headers={"Allow": ", ".join(methods)})
    del answer.headers["Content-Type"]
    if _allowed() and "Access-Control-Request-Method" in request.headers:
        answer.headers["Access-Control-Allow-Methods"] = ", ".join(methods)
        answer.headers["Access-Control-Allow-Headers"] = ", ".join(ASKED)
        answer.headers["Access-Control-Max-Age"] = PREFLIGHT_SECONDS
    return answer


def _add(answer: Response) -> Response:
    given = {name.lower() for name, _ in answer.headers}
    for name, value in SECURITY.items():
        if name.lower() not in given:
            answer.headers.add(name, value)
    origins = settings.load().origins
    if not origins:
        return answer
    answer.vary.add("Origin")
    if origin := _allowed():
        # Pages send the token in a header that they set themselves, so credentials need not be allowed.
        answer.headers["Access-Control-Allow-Origin"] = origin
        answer.headers["Access-Control-Expose-Headers"] = ", ".join(SHOWN)
    return answer


def _allowed() -> str | None:
    origin = request.headers.get("Origin")
    return origin if origin in settings.load().origins else None
