"""HTTP and sockets: parse, call once, answer."""

from flask import Flask, Response

from models import logs, settings
from tasks import publish_without_waiting
from web.console import city, watched
from web.console import pages as console
from web.documents import pages
from web.guards import public
from web.http import errors, gunicorn_errors, headers, parsing, request_counters, request_ids
from web.http.operations import Answer, Operation
from web.http.responses import success
from web.limits import quotas, shedding
from web.routes import drivers, health, metrics, operating, ops, orders, people
from web.schemas.answers_to_drivers import Index
from web.socket import handshake


@public
@Operation("Machines", Answer("Where to look.", Index))
def _index() -> Response:
    """Where to look."""
    return success(
        {"name": "weelo", "api": "/api/v1", "socket": "/api/v1/ws", "ready": "/ready", "console": "/console"}
    )


def create_app() -> Flask:
    """The WSGI application of a web process."""
    settings.load()
    logs.configure("web")
    publish_without_waiting()
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = parsing.MAXIMUM_BODY_BYTES
    app.url_map.strict_slashes = False
    # A redirection would go to whatever host the client has named.
    app.url_map.merge_slashes = False
    request_counters.register(app)
    request_ids.register(app)
    headers.register(app)
    errors.register(app)
    gunicorn_errors.register()
    quotas.register(app)
    app.add_url_rule("/", view_func=_index, endpoint="index")
    for blueprint in (
        health.blueprint,
        metrics.blueprint,
        orders.blueprint,
        drivers.blueprint,
        ops.blueprint,
        operating.blueprint,
        people.blueprint,
        pages.blueprint,
        console.blueprint,
        city.blueprint,
        watched.blueprint,
    ):
        app.register_blueprint(blueprint)
    handshake.register(app)
    app.extensions["shedder"] = shedding.Shedder()
    return app
