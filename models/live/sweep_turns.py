"""Sweeps that have piled up in the queue run once: each run does all that is due.

After a pause of its workers the queue holds a run of each sweep for each second. They are counted by
Redis' clock, since the hosts of beat and of the workers may disagree by more than a second.
"""

import redis

from models import live

# Shorter than the second in which beat sends each sweep, so that a punctual one is never left out.
APART_MS = 500


def begin(sweep: str) -> bool:
    """Whether this run is to work: no other of the same sweep began less than half a second ago.

    Without Redis every run works.
    """
    try:
        return bool(live.commands().set(f"sweep:began:{sweep}", 1, nx=True, px=APART_MS))
    except redis.RedisError:
        return True
