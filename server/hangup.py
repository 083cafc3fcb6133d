"""Whether a client has hung up while it waits: then nobody reads the answer."""

import time
from collections.abc import Callable, Mapping
from select import POLLRDHUP
from typing import Any

from gevent.monkey import get_original  # type: ignore[import-untyped]

# A request is checked only when it has waited for this long: before that hardly any client gives up.
LOOKED_AT_AFTER_SECONDS = 0.25

# gevent's own poll would switch to other greenlets; this one looks and returns.
_poll = get_original("select", "poll")


def has_hung_up(client: Any) -> bool:
    """Whether the other side of this socket has closed it, or will send no more."""
    poll = _poll()
    poll.register(client.fileno(), POLLRDHUP)
    return bool(poll.poll(0))


def watch(environ: Mapping[str, Any]) -> Callable[[], bool]:
    """A function that says whether the client of this request has hung up by now."""
    begun, sock = time.monotonic(), environ.get("gunicorn.socket")

    def hung_up() -> bool:
        waited = time.monotonic() - begun
        return sock is not None and waited >= LOOKED_AT_AFTER_SECONDS and has_hung_up(sock)

    return hung_up
