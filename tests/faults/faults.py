"""The faults, one coroutine a kind: each does its harm, pauses, and has the part running again."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import cast

import psycopg2
import redis

from tests.faults.fleet import NAMES, Fleet
from tests.faults.incidents import Incident, Incidents
from tests.faults.ledger import Ledger

# A lock lives for 10 s; a child that sleeps longer wakes up without it.
PAST_THE_LOCK_SECONDS = 15.0
# A process that is not up again within this time is a finding, not a slow start.
HEAL_SECONDS = 40.0
STOLEN_LOCKS = 30
# They are given back after 1.5 s, by a harness that may be starved itself.
STOLEN_MS = 30_000
THIEF = "thief"


@dataclass
class Field:
    """What faults are done to. A part that is being hurt is not hurt by a second fault meanwhile."""

    fleet: Fleet
    random: Random
    ledger: Ledger
    incidents: Incidents = field(default_factory=Incidents)
    hurt: set[str] = field(default_factory=set)
    customers: list[str] = field(default_factory=list)

    def begin(self, kind: str, target: str) -> Incident:
        return self.incidents.begin(kind, target, time.monotonic())

    async def pause(self, least: float = 0.1, most: float = 1.0) -> None:
        await asyncio.sleep(self.random.uniform(least, most))


Harm = Callable[[Field, str, Incident], Awaitable[None]]


@dataclass(frozen=True)
class Kind:
    """One kind of fault: what it is drawn for, how often, and what it does."""

    name: str
    weight: float
    targets: tuple[str, ...]
    harm: Harm


async def kill_group(at: Field, name: str, incident: Incident) -> None:
    await asyncio.to_thread(at.fleet.kill, name)
    await at.pause()
    await _launch(at, name)


async def terminate(at: Field, name: str, incident: Incident) -> None:
    await asyncio.to_thread(at.fleet.terminate, name)
    await at.pause()
    await _launch(at, name)


async def kill_child(at: Field, name: str, incident: Incident) -> None:
    if not name.startswith("web"):
        await asyncio.to_thread(at.fleet.settle, name)
    children = at.fleet.children(name)
    if children:
        send_signal(at.random.choice(children), signal.SIGKILL)
    if name.startswith("web"):
        await _web_is_back(at, name)


async def pause_child(at: Field, name: str, incident: Incident) -> None:
    children = at.fleet.children(name)
    if not children:
        return
    child = at.random.choice(children)
    send_signal(child, signal.SIGSTOP)
    await asyncio.sleep(PAST_THE_LOCK_SECONDS)
    send_signal(child, signal.SIGCONT)


async def kill_redis(at: Field, name: str, incident: Incident) -> None:
    await asyncio.to_thread(at.fleet.valkey.kill)
    await at.pause()
    await asyncio.to_thread(at.fleet.valkey.start)


async def freeze_redis(at: Field, name: str, incident: Incident) -> None:
    at.fleet.valkey.kill(signal.SIGSTOP)
    await at.pause(1, 3)
    at.fleet.valkey.kill(signal.SIGCONT)


async def wipe_redis(at: Field, name: str, incident: Incident) -> None:
    await asyncio.to_thread(lambda: _redis(at).flushall())


async def steal_locks(at: Field, name: str, incident: Incident) -> None:
    """Holds the locks of some customers with a token of nobody's: nobody may release them."""
    some = at.random.sample(at.customers, min(STOLEN_LOCKS, len(at.customers)))
    keys = [f"order:create:{customer}" for customer in some]
    await asyncio.to_thread(lambda: [_redis(at).set(key, THIEF, px=STOLEN_MS) for key in keys])
    await asyncio.sleep(1.5)
    left = await asyncio.to_thread(lambda: _redis(at).mget(keys))
    # A deletion that was on its way to a frozen Redis is no excuse, a loss of Redis is; and the
    # store cannot be hurt meanwhile.
    lost = [key for key, value in zip(keys, cast("list[str | None]", left), strict=True) if value != THIEF]
    for key in lost:
        at.ledger.problem("a lock was released by somebody who did not hold it", key)
    await asyncio.to_thread(lambda: _redis(at).delete(*keys))


async def kill_postgres(at: Field, name: str, incident: Incident) -> None:
    await asyncio.to_thread(at.fleet.postgres.kill)
    await at.pause(0, 0.5)
    await asyncio.to_thread(at.fleet.postgres.start)


async def kill_backends(at: Field, name: str, incident: Incident) -> None:
    await asyncio.to_thread(_terminate_backends, at)


KINDS = (
    Kind("worker group killed", 5, ("orders1", "orders2", "sweeps1", "sweeps2"), kill_group),
    Kind("pool child killed", 14, ("orders1", "orders2", "sweeps1", "sweeps2"), kill_child),
    Kind("web group killed", 5, ("web1", "web2"), kill_group),
    Kind("web process killed", 8, ("web1", "web2"), kill_child),
    Kind("redis killed", 8, ("redis",), kill_redis),
    Kind("redis frozen", 5, ("redis",), freeze_redis),
    Kind("redis wiped", 8, ("redis",), wipe_redis),
    Kind("locks stolen", 5, ("redis",), steal_locks),
    Kind("postgres killed", 8, ("postgres",), kill_postgres),
    Kind("backends terminated", 12, ("postgres",), kill_backends),
    Kind("beat killed", 4, ("beat1", "beat2"), kill_group),
    Kind("terminated in order", 4, NAMES, terminate),
    Kind("child paused past its lock", 2, ("orders1", "orders2", "sweeps1", "sweeps2"), pause_child),
)
# Whatever takes these away does so for everybody: one at a time, or nothing is learnt.
STORES = ("redis", "postgres")


def draw(at: Field, only: Sequence[str] = ()) -> tuple[Kind, str] | None:
    """A fault and a part that is whole; the parts of a pair are never hurt both."""
    free = [
        (kind, [target for target in kind.targets if not at.hurt & _together(target)])
        for kind in KINDS
        if not only or kind.name in only
    ]
    possible = [(kind, targets) for kind, targets in free if targets]
    if not possible:
        return None
    kind, targets = at.random.choices(possible, [kind.weight for kind, _ in possible])[0]
    return kind, at.random.choice(targets)


def _together(target: str) -> set[str]:
    if target in STORES:
        return set(STORES)
    line = target.rstrip("12")
    return {f"{line}1", f"{line}2"}


async def strike(at: Field, kind: Kind, target: str) -> None:
    """Does one fault and heals it; what cannot be healed is noted."""
    at.hurt.add(target)
    incident = at.begin(kind.name, target)
    try:
        await kind.harm(at, target, incident)
    except (redis.RedisError, psycopg2.Error) as error:
        at.incidents.failures.append(f"{kind.name} of {target}: {error}")
    except Exception as error:
        at.ledger.problem("not healed", f"{kind.name} of {target}: {error!r}")
    finally:
        incident.healed = time.monotonic()
        at.hurt.discard(target)
        _write_down(at, incident)


def _write_down(at: Field, incident: Incident) -> None:
    """One line a fault beside the logs, in the clock of the logs."""
    to_wall = time.time() - time.monotonic()
    begun, healed = (datetime.fromtimestamp(t + to_wall, UTC) for t in (incident.begun, incident.healed))
    with (at.fleet.directory / "faults.log").open("a") as log:
        log.write(f"{begun:%H:%M:%S.%f} to {healed:%H:%M:%S.%f}  {incident.kind}: {incident.target}\n")


async def _launch(at: Field, name: str) -> None:
    await asyncio.to_thread(at.fleet.launch, name)
    if name.startswith("web"):
        await _web_is_back(at, name)


async def _web_is_back(at: Field, name: str) -> None:
    await asyncio.sleep(0.05)
    if not await at.fleet.wait_until(at.fleet.port(name), "/health", HEAL_SECONDS):
        at.ledger.problem("not healed", f"{name} does not answer")


def send_signal(pid: int, signum: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signum)


def _redis(at: Field) -> redis.Redis:
    return redis.Redis.from_url(at.fleet.valkey.url, decode_responses=True, socket_timeout=5)


def _terminate_backends(at: Field) -> None:
    connection = psycopg2.connect(at.fleet.postgres.url, connect_timeout=5)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY random() LIMIT %s",
                (at.random.randint(1, 8),),
            )
    finally:
        connection.close()
