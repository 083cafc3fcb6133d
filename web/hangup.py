"""Whether a client has hung up while its request waits: then nobody hears the answer."""

import time
from collections.abc import Callable

from flask import Request

from server.hangup import has_hung_up

# Asked only of those who have waited for so long: below it hardly anybody gives up.
ASKED_AFTER_SECONDS = 0.25


def watch(request: Request) -> Callable[[], bool]:
    """A question that may be asked later: has the client of this request hung up?"""
    since, sock = time.monotonic(), request.environ.get("gunicorn.socket")

    def given_up() -> bool:
        return sock is not None and time.monotonic() - since >= ASKED_AFTER_SECONDS and has_hung_up(sock)

    return given_up
