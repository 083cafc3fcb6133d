"""Access to a route: every view declares who may call it, and a test fails for one that does not."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from flask import Response, g, request
from werkzeug.datastructures import Headers

from models import settings
from web.http import hosts, parsing
from web.identity import tokens
from web.identity.revocations import revocations
from web.identity.tokens import Caller, Forbidden, Unauthenticated
from web.limits import quotas

Arguments = ParamSpec("Arguments")
View = Callable[Arguments, Response]


def requires(*roles: str) -> Callable[[View[Arguments]], View[Arguments]]:
    """Lets only callers with one of these roles in; the view finds them with ``caller()``."""

    def declare(view: View[Arguments]) -> View[Arguments]:
        @wraps(view)
        def guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Response:
            known = admit(tokens.of_request)
            if known.role not in roles:
                raise Forbidden
            parsing.check_query()
            return view(*args, **kwargs)

        guarded.roles, guarded.counted = roles, True  # type: ignore[attr-defined]
        return guarded

    return declare


def admit(named_in: Callable[[Headers], Caller]) -> Caller:
    """The caller that the request's headers name, counted; a wrong token counts for its address.

    The routes and the handshake of the socket both call this.
    """
    try:
        g.caller = found = named_in(request.headers)
        revocations.refuse(found)
    except Unauthenticated:
        quotas.count(None)
        raise
    _refuse_a_rebound_name()
    quotas.pace.wait(found)
    quotas.count(found)
    return found


def _refuse_a_rebound_name() -> None:
    """Everybody knows the development secret. A page that has pointed its own name at this machine (DNS
    rebinding) could sign tokens with it and read the answers.
    """
    configured = settings.load()
    if not configured.takes_development_tokens or configured.hosts:
        return
    if not hosts.cannot_be_rebound(request.host):
        raise Forbidden(
            "The development secret counts for no public name of a host: set JWT_SECRET or TRUSTED_HOSTS."
        )


def public(view: View[Arguments]) -> View[Arguments]:
    """Declares a view that anybody may call, counted for their address."""

    @wraps(view)
    def counted(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Response:
        quotas.count(None)
        if request.method not in quotas.READING:
            parsing.check_query()
        return view(*args, **kwargs)

    counted.roles, counted.counted = (), True  # type: ignore[attr-defined]
    return counted


def probe(view: View[Arguments]) -> View[Arguments]:
    """Declares a view for probes. It is never refused: a load balancer would take this process for dead."""
    view.roles, view.counted = (), False  # type: ignore[attr-defined]
    return view


def caller() -> Caller:
    """The caller; only inside a view that requires a role."""
    who: Caller = g.caller
    return who
