"""Query parameters: those that a route declares, each once; others are refused, as unknown fields are.

They are declared beside everything else that the documents say of a route (``web/documents``). Pages, files
and probes that anybody may read take any: nothing in them depends on it, and browsers, caches and probes
add their own.
"""

from collections.abc import Collection, Mapping

from flask import Flask, current_app, request

from web.errors import Invalid

NAME = "queries"


def register(app: Flask, declared: Mapping[str, Collection[str]]) -> None:
    """``declared`` has the parameters of each endpoint."""
    app.extensions[NAME] = declared


def check() -> None:
    """Raises ``Invalid`` for the query of this request."""
    if not request.query_string:
        return
    known = current_app.extensions[NAME][request.endpoint]
    wrong = [(name, "is no parameter of this address") for name in request.args if name not in known]
    wrong += [(name, "is given more than once") for name, values in request.args.lists() if len(values) > 1]
    if wrong:
        raise Invalid(wrong)
