"""Whether a client has hung up while its request waits: then nobody hears the answer."""

import time
from collections.abc import Callable
from select import POLLRDHUP

from flask import Request
from gevent.monkey import get_original  # type: ignore[import-untyped]

# Asked only of those who have waited for so long: below it hardly anybody gives up.
ASKED_AFTER_SECONDS = 0.25

# gevent's own poll would give way to others; this one looks and returns.
_poll = get_original("select", "poll")


def watch(request: Request) -> Callable[[], bool]:
    """A question that may be asked later: has the client of this request hung up?"""
    since, sock = time.monotonic(), request.environ.get("gunicorn.socket")

    def has_hung_up() -> bool:
        if sock is None or time.monotonic() - since < ASKED_AFTER_SECONDS:
            return False
        poll = _poll()
        poll.register(sock.fileno(), POLLRDHUP)
        return bool(poll.poll(0))

    return has_hung_up
