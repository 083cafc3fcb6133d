"""Who may call a route: every view says it, and a test refuses views that do not."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from flask import Response, g, request

from web import pace, quotas, revocations
from web.auth import Caller, Forbidden, Unauthenticated, of_request

Arguments = ParamSpec("Arguments")
View = Callable[Arguments, Response]


def requires(*roles: str) -> Callable[[View[Arguments]], View[Arguments]]:
    """Lets only callers with one of these roles in; the view finds them with ``caller()``."""

    def declare(view: View[Arguments]) -> View[Arguments]:
        @wraps(view)
        def guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Response:
            g.caller = known = _known()
            if known.role not in roles:
                raise Forbidden
            return view(*args, **kwargs)

        guarded.roles = roles  # type: ignore[attr-defined]
        return guarded

    return declare


def _known() -> Caller:
    """The caller, counted; a wrong token counts for its address."""
    try:
        found = of_request(request.headers)
        revocations.refuse(found)
    except Unauthenticated:
        quotas.count(None)
        raise
    pace.wait(found)
    quotas.count(found)
    return found


def public(view: View[Arguments]) -> View[Arguments]:
    """Declares a view that anybody may call."""
    view.roles = ()  # type: ignore[attr-defined]
    return view


def caller() -> Caller:
    """Who is calling; only inside a view that requires a role."""
    who: Caller = g.caller
    return who
