"""The customer's lock while an order of theirs is created: fast refusal, never correctness.

The web process takes it with the order's id as token and the worker takes it over with the same
token; only the token's holder releases it.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import structlog
from redis.commands.core import Script
from redis.exceptions import LockError, RedisError
from redis.lock import Lock

from models import live, settings

log = structlog.get_logger()


def key(customer_id: str) -> str:
    """The lock's key in Redis."""
    return f"order:create:{customer_id}"


@lru_cache(maxsize=2)
def _script(text: str) -> Script:
    return live.commands().register_script(text)


def release(customer_id: str, token: str) -> bool:
    """Releases the lock if this token still holds it; says whether it did."""
    lock: Lock = live.commands().lock(key(customer_id), thread_local=False)
    lock.local.token = token.encode()
    try:
        lock.release()
    except LockError:
        return False
    return True


class Claim(NamedTuple):
    """A customer's lock under a token, the order's id; ``request_id`` is for the log."""

    token: str
    customer_id: str
    request_id: str


class HeldLocks:
    """Locks that this process holds until it releases them."""

    def __init__(self, claims: Iterable[Claim]) -> None:
        self._claims = list(claims)
        self._released = live.Pipeline().add(())

    @property
    def tokens(self) -> set[str]:
        """The tokens of the locks that are held."""
        return {claim.token for claim in self._claims}

    def release(self, pipeline: live.Pipeline) -> None:
        """Releases, with the pipeline's other commands, the locks that their tokens still hold."""
        script = _script(Lock.LUA_RELEASE_SCRIPT)
        calls = [live.Call(script, [key(claim.customer_id)], [claim.token]) for claim in self._claims]
        self._released = pipeline.add(calls)

    def ensure_released(self) -> None:
        """Releases them if that pipeline failed; without Redis they expire."""
        try:
            self._released()
        except RedisError:
            self._release_alone()

    def _release_alone(self) -> None:
        pipeline = live.Pipeline()
        self.release(pipeline)
        try:
            pipeline.execute()
        except RedisError:
            log.warning("locks left to expire", customers=len(self._claims))


def take(claims: Sequence[Claim], pipeline: live.Pipeline) -> HeldLocks:
    """Executes the pipeline with the taking of these locks, and returns those that are held now. The caller
    ends with `HeldLocks.ensure_released`.

    Without Redis all count as held: the unique indexes in Postgres decide.
    """
    return HeldLocks(_take_over(claims, pipeline))


def _take_over(claims: Sequence[Claim], pipeline: live.Pipeline) -> set[Claim]:
    """Renews the locks that these tokens hold, and takes those that are free."""
    script = _script(Lock.LUA_REACQUIRE_SCRIPT)
    lasts_ms = settings.load().order_lock_seconds * 1000
    renewed = pipeline.add(
        [live.Call(script, [key(claim.customer_id)], [claim.token, lasts_ms]) for claim in claims]
    )
    taken = pipeline.add(
        [("SET", key(claim.customer_id), claim.token, "NX", "PX", lasts_ms) for claim in claims]
    )
    try:
        pipeline.execute(decode=False)
        answers = zip(claims, renewed(), taken(), strict=True)
    except RedisError:
        return set(claims)
    ours = {claim for claim, *done in answers if any(done)}
    for claim in claims:
        if claim not in ours:
            names = {"order_id": claim.token, "request_id": claim.request_id}
            log.info("lock refused", customer_id=claim.customer_id, **names)
    return ours


def release_all(claims: Sequence[Claim]) -> None:
    """Releases the locks that these tokens still hold; without Redis they expire."""
    HeldLocks(claims).ensure_released()


def release_quietly(customer_id: str, token: str) -> None:
    """Releases the lock; without Redis it expires."""
    try:
        if release(customer_id, token):
            log.info("lock released", customer_id=customer_id)
    except RedisError:
        log.warning("lock left to expire", customer_id=customer_id)
