"""HTTP and sockets: parse, call once, answer."""

from flask import Flask, Response

from models import logs, settings
from tasks import publish_without_waiting
from web import (
    drivers,
    errors,
    headers,
    health,
    metrics,
    ops,
    orders,
    parsing,
    quotas,
    refusals,
    requests,
    shedding,
    traffic,
)
from web.access import public
from web.answers import success
from web.console import city
from web.console import pages as console
from web.documents import openapi, pages
from web.socket import handshake


@public
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
    traffic.register(app)
    requests.register(app)
    headers.register(app)
    errors.register(app)
    refusals.register()
    quotas.register(app)
    parsing.declare_queries(app, openapi.query_parameters())
    app.add_url_rule("/", view_func=_index, endpoint="index")
    for blueprint in (
        health.blueprint,
        metrics.blueprint,
        orders.blueprint,
        drivers.blueprint,
        ops.blueprint,
        pages.blueprint,
        console.blueprint,
        city.blueprint,
    ):
        app.register_blueprint(blueprint)
    handshake.register(app)
    app.extensions["shedder"] = shedding.Shedder()
    return app
