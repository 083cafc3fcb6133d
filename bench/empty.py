"""The ceiling of the web: a Flask application that does nothing, under the product's gunicorn settings."""

from flask import Flask, Response, request

from web import auth
from web.shedding import Shedder

NOTHING = b'{"success":true,"data":{}}'


def create_app() -> Flask:
    """``POST /empty`` answers 201; ``POST /checked`` does so after it has checked the bearer token."""
    app = Flask("empty")
    app.extensions["socket"] = {"leave": _nothing, "stop": _nothing}
    # The server sets its role; it refuses nothing here.
    app.extensions["shedder"] = Shedder()
    app.add_url_rule("/health", "health", _answer)
    app.add_url_rule("/empty", "empty", _answer, methods=["POST"])
    app.add_url_rule("/checked", "checked", _checked, methods=["POST"])
    return app


def _answer() -> Response:
    return Response(NOTHING, 200 if request.method == "GET" else 201, mimetype="application/json")


def _checked() -> Response:
    auth.of_request(request.headers)
    return _answer()


def _nothing() -> None:
    return
