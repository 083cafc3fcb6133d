"""The documents over HTTP, and pages to read them on, without a request to anybody else."""

from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import orjson
from flask import Blueprint, Response, current_app, request, send_from_directory
from werkzeug.exceptions import NotFound

from web.documents import asyncapi, frames_page, markdown_page, openapi
from web.guards import public
from web.http.operations import Answer, Operation

blueprint = Blueprint("documents", __name__)

HERE = Path(__file__).parent
SWAGGER_UI = Path(str(files("flask_swagger_ui"))) / "dist"
# Everything that the page loads; nothing else of the wheel is served.
FILES = {
    "swagger-ui.css": SWAGGER_UI,
    "swagger-ui-bundle.js": SWAGGER_UI,
    "favicon-32x32.png": SWAGGER_UI,
    "start.js": HERE,
    "docs.css": HERE,
}
# Swagger UI sets styles on its elements and has its pictures inside its style sheet.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Weelo: the API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="stylesheet" href="/docs/docs.css">
<link rel="icon" href="/docs/favicon-32x32.png">
<div id="docs"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</html>
"""


@lru_cache(maxsize=1)
def _openapi() -> bytes:
    return orjson.dumps(openapi.document(current_app))


@lru_cache(maxsize=1)
def _frames() -> str:
    return frames_page.html(asyncapi.of_every_host())


@blueprint.get("/openapi.json")
@public
@Operation("Documents", Answer("OpenAPI 3.1.", media="application/json"))
def openapi_json() -> Response:
    """Every route, as OpenAPI 3.1."""
    return Response(_openapi(), mimetype="application/json")


@blueprint.get("/asyncapi.json")
@public
@Operation("Documents", Answer("AsyncAPI 3.1.", media="application/json"))
def asyncapi_json() -> Response:
    """Every frame of the socket, as AsyncAPI 3.1."""
    found = asyncapi.document(request.host, request.is_secure)
    return Response(orjson.dumps(found), mimetype="application/json")


@blueprint.get("/docs")
@public
@Operation("Documents", Answer("Swagger UI.", media="text/html"), internal=True)
def docs() -> Response:
    """The API to read and to try, in Swagger UI."""
    return _page(PAGE)


@blueprint.get("/docs/<name>")
@public
@Operation(
    "Documents",
    Answer("A file of Swagger UI.", media="*/*"),
    also=(Answer("It has not changed.", status=304),),
    codes=("NOT_FOUND",),
    internal=True,
)
def file(name: str) -> Response:
    """What that page loads."""
    if name not in FILES:
        raise NotFound
    return send_from_directory(FILES[name], name)


@blueprint.get("/asyncapi")
@public
@Operation("Documents", Answer("The socket's frames.", media="text/html"), internal=True)
def frames() -> Response:
    """The socket's frames to read."""
    return _page(_frames())


@blueprint.get("/runbook")
@public
@Operation("Documents", Answer("The runbook.", media="text/html"), internal=True)
def runbook() -> Response:
    """What operators do when a part is not well."""
    return _page(markdown_page.html(markdown_page.RUNBOOK.read_text()))


@blueprint.get("/guide")
@public
@Operation("Documents", Answer("The guide.", media="text/html"), internal=True)
def guide() -> Response:
    """What an app has to do beyond sending requests."""
    return _page(markdown_page.html(markdown_page.GUIDE.read_text()))


def _page(text: str) -> Response:
    headers = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
    return Response(text, headers=headers, mimetype="text/html")
