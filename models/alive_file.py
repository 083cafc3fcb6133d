"""The file by which a container's health check sees that its process lives.

The check removes the file, which is the cheapest program there is, and fails if nobody has made it again.
"""

import time
from contextlib import suppress
from pathlib import Path

from models import settings

# As often as a worker's heartbeat; a check looks a few times less often.
SECONDS = 2

_due = 0.0


def touch() -> None:
    """Makes the file of `ALIVE_FILE` if that is set, at most every 2 s."""
    global _due
    path = settings.load().alive_file
    if not path or time.monotonic() < _due:
        return
    _due = time.monotonic() + SECONDS
    # A full disk is no reason to end.
    with suppress(OSError):
        Path(path).touch()
