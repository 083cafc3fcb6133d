"""Successes in the contract's one shape."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import orjson
from flask import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class Answer(Response):
    """An answer that is whole as it was made: its body has a length, and its headers are ASCII.

    Werkzeug would look through every answer for what it could complete, at the price of making it once more.
    """

    def get_wsgi_response(
        self, environ: "WSGIEnvironment"
    ) -> tuple[Iterable[bytes], str, list[tuple[str, str]]]:
        body = () if environ["REQUEST_METHOD"] == "HEAD" else self.iter_encoded()
        return body, self.status, self.headers.to_wsgi_list()


def as_json(body: dict[str, Any], status: int, headers: dict[str, str] | None = None) -> Response:
    """Any JSON object as a response."""
    return Answer(orjson.dumps(body), status, headers, mimetype="application/json")


def success(data: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """``{"success": true, "data": …}``."""
    return as_json({"success": True, "data": data}, status, headers)


def success_text(data: str, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """The same for data that is JSON text already."""
    return Answer('{"success":true,"data":' + data + "}", status, headers, mimetype="application/json")
