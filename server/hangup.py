"""Whether a client has hung up while it waits: then nobody hears the answer."""

from select import POLLRDHUP
from typing import Any

from gevent.monkey import get_original  # type: ignore[import-untyped]

# gevent's own poll would give way to others; this one looks and returns.
_poll = get_original("select", "poll")


def has_hung_up(client: Any) -> bool:
    """Whether the other side of this socket has closed it, or will send no more."""
    poll = _poll()
    poll.register(client.fileno(), POLLRDHUP)
    return bool(poll.poll(0))
