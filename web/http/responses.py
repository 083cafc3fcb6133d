"""Successes in the contract's one shape."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import orjson
from flask import Response
from werkzeug.datastructures import Headers

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class JsonResponse(Response):
    """A response that is complete as it is made: its body has a length, its headers are ASCII.

    Werkzeug would look for what is missing, which costs as much as making the response.
    """

    def get_wsgi_response(
        self, environ: "WSGIEnvironment"
    ) -> tuple[Iterable[bytes], str, list[tuple[str, str]]]:
        body = () if environ["REQUEST_METHOD"] == "HEAD" else self.iter_encoded()
        return body, self.status, self.headers.to_wsgi_list()


def as_json(body: dict[str, Any], status: int, headers: dict[str, str] | None = None) -> Response:
    """Any JSON object as a response."""
    return _response(orjson.dumps(body), status, headers)


def success(data: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """``{"success": true, "data": …}``."""
    return as_json({"success": True, "data": data}, status, headers)


def success_text(data: str, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """The same for data that is JSON text already."""
    return _response(b'{"success":true,"data":' + data.encode() + b"}", status, headers)


def _response(content: bytes, status: int, headers: dict[str, str] | None) -> Response:
    said = Headers({"Content-Type": "application/json", "Content-Length": len(content), **(headers or {})})
    return JsonResponse([content], status, said)
