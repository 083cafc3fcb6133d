"""Who is served next."""

from typing import Any

import gevent  # type: ignore[import-untyped]

# Until the next look at who has come: the shortest time that is one. With none at all a greenlet goes on
# before anybody looks.
NEXT_LOOK_SECONDS = 0.000_001


class Turns:
    """One request each while several wait.

    Whoever has sent the next request when the answer to the one before leaves could go on without end:
    reading what is there already does not wait, so nobody else comes, not even at the door.
    """

    def __init__(self) -> None:
        self._last: Any = None

    def take(self, client: Any) -> None:
        """Returns when the request that this client has sent is next."""
        if client is self._last:
            gevent.sleep(NEXT_LOOK_SECONDS)
        self._last = client
