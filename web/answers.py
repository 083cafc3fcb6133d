"""Successes in the contract's one shape."""

from typing import Any

import orjson
from flask import Response


def as_json(body: dict[str, Any], status: int, headers: dict[str, str] | None = None) -> Response:
    """Any JSON object as a response."""
    return Response(orjson.dumps(body), status, headers, mimetype="application/json")


def success(data: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """``{"success": true, "data": …}``."""
    return as_json({"success": True, "data": data}, status, headers)


def success_text(data: str, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """The same for data that is JSON text already."""
    return Response('{"success":true,"data":' + data + "}", status, headers, mimetype="application/json")
