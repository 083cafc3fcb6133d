"""The console over HTTP: one page, what it loads, and in development tokens to begin with."""

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, render_template, request, send_from_directory
from flask.blueprints import BlueprintSetupState
from werkzeug.exceptions import NotFound
from werkzeug.routing import BaseConverter

from models import settings
from models.messages import iso
from web.guards import public
from web.http import hosts
from web.http.operations import Answer, Example, Operation
from web.http.parsing import body, validated
from web.http.responses import success
from web.identity.issuing import issue
from web.schemas.answers_to_console import Tokens
from web.schemas.bodies import Nothing

HERE = Path(__file__).parent
PAGE, LEAFLET, GROUND = HERE / "page", HERE / "leaflet", HERE / "ground"
# Everything that the page loads; of Leaflet and the ground nothing else is served.
FILES = {path.name: PAGE for path in PAGE.iterdir() if path.suffix in (".js", ".css", ".svg")}
FILES |= {"leaflet.js": LEAFLET, "leaflet.css": LEAFLET, "ground.json": GROUND}
# Long enough for a look around; the page asks for another one when it has run out.
TOKEN_LIFETIME = timedelta(hours=1)

blueprint = Blueprint("console", __name__, template_folder="page")


class FileName(BaseConverter):
    """A name with a dot. Without it, `/console/tokens` would be a file too, and say that it has GET."""

    regex = r"[^/]+\.[^/]+"


@blueprint.record_once
def _file_names(state: BlueprintSetupState) -> None:
    state.app.url_map.converters["filename"] = FileName


@blueprint.get("/console")
@public
@Operation("Documents", Answer("The console.", media="text/html"), internal=True)
def page() -> Response:
    """The operators' page; what it shows needs a token of the role ops."""
    configured = settings.load()
    development = configured.hands_out_tokens and hosts.is_own_machine(request)
    text = render_template(
        "console.html",
        development=development,
        # Where it is elsewhere than on a developer's machine, no setting says.
        flower=f"//{request.host.removesuffix(f':{configured.port}')}:{configured.flower_port}/tasks"
        if development
        else "",
        tile_url=configured.tile_url,
        tile_attribution=configured.tile_attribution,
    )
    headers = {
        "Content-Security-Policy": policy(configured.tile_url),
        "Cache-Control": "no-cache",
    }
    return Response(text, headers=headers, mimetype="text/html")


@blueprint.get("/console/<filename:asset>")
@public
@Operation(
    "Documents",
    Answer("A file of the console.", media="*/*"),
    also=(Answer("It has not changed.", status=304),),
    codes=("NOT_FOUND",),
    internal=True,
)
def file(asset: str) -> Response:
    """A script, style sheet or picture of that page."""
    if asset not in FILES:
        raise NotFound
    return send_from_directory(FILES[asset], asset)


@blueprint.post("/console/tokens")
@public
@Operation(
    "Documents",
    Answer("Tokens for an hour, of people who are new.", Tokens),
    body=Nothing,
    examples=(Example("empty", "An empty body", {}),),
    codes=("NOT_FOUND",),
    internal=True,
)
def tokens() -> Response:
    """An operator's, a customer's and a driver's token for trying things out, in development only.

    Only with `APP_ENV=development`; elsewhere there is no such address (404).
    """
    hosts.require_own_machine(request)
    validated(Nothing, body())
    now = datetime.now(UTC)
    # Somebody new each time: a customer has one searching order, a driver one trip.
    newcomer = secrets.token_hex(3)
    people = {"ops": "console", "customer": f"play-{newcomer}", "driver": f"play-{newcomer}"}
    issued: dict[str, Any] = {role: issue(role, sub, TOKEN_LIFETIME, now) for role, sub in people.items()}
    return success({"tokens": issued, "expiresAt": iso(now + TOKEN_LIFETIME)})


def policy(tile_url: str) -> str:
    """What the page may load: its own files, and pictures from where the map's tiles come."""
    tiles = urlsplit(tile_url)
    pictures = f" {tiles.scheme}://{tiles.netloc}" if tile_url else ""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        f"img-src 'self' data:{pictures}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
