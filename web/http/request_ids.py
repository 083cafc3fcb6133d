"""Every request has an id, in its answer and in every log line."""

import re

import structlog
from flask import Flask, Response, g, request
from uuid_utils import uuid4

SHAPE = re.compile(r"[A-Za-z0-9._-]{1,64}")


def _begin() -> None:
    sent = request.environ.get("HTTP_X_REQUEST_ID", "")
    g.request_id = request_id = sent if SHAPE.fullmatch(sent) else uuid4().hex
    structlog.contextvars.bind_contextvars(request_id=request_id)


def _end(response: Response) -> Response:
    if request_id := g.get("request_id"):
        response.headers.add("X-Request-ID", request_id)
    return response


def _forget(_: BaseException | None) -> None:
    structlog.contextvars.unbind_contextvars("request_id", "order_id")


def register(app: Flask) -> None:
    """Gives every request its id."""
    app.before_request(_begin)
    app.after_request(_end)
    app.teardown_request(_forget)
