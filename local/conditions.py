"""What has to hold before anything is started: the checkout and the ports are ours to use."""

import contextlib
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psycopg2
import redis

from local import ports, running
from models.settings import Settings

# After the launcher's own death its leash needs up to 9 s to end the rest.
PREVIOUS_ENDS_WITHIN = 15.0
LOOK_EVERY = 0.1
# A server that somebody has named is up, or it is not the right one.
ANSWERS_WITHIN = 3
# What make tells its children would make a make among ours behave as one of its own.
NOT_FOR_CHILDREN = frozenset({"MAKEFLAGS", "MAKELEVEL", "MFLAGS"})


class Refusal(Exception):
    """The start makes no sense as things are; the message says what to do."""


def claim_patiently(claims: contextlib.ExitStack) -> int:
    """The lock of this checkout; waits for the rest of a launcher that was killed. Raises Refusal."""
    deadline = time.monotonic() + PREVIOUS_ENDS_WITHIN
    while True:
        try:
            return claims.enter_context(running.claim())
        except running.Busy as busy:
            _refuse_if_alive(busy.pid)
            if time.monotonic() > deadline:
                raise Refusal(f"what pid {busy.pid} had started has not ended yet; try again.") from None
            time.sleep(LOOK_EVERY)


def _refuse_if_alive(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        raise Refusal(f"already running, pid {pid}; .run/running.json says what is where.")


def refuse_taken_ports(configured: Settings) -> None:
    """Raises Refusal, naming the setting."""
    for name, port in (("PORT", configured.port), ("FLOWER_PORT", configured.flower_port)):
        if problem := ports.problem(port):
            another = f"{name}={port + 1}"
            raise Refusal(f"port {port} {problem}: free it, or choose another with {name}, as in {another}.")
    if configured.port == configured.flower_port:
        raise Refusal(f"PORT and FLOWER_PORT are both {configured.port}: choose another for one of them.")


def refuse_silent_servers(given: Mapping[str, str]) -> None:
    """Asks the servers that the environment names, where it names any. Raises Refusal."""
    try:
        if url := given.get("DATABASE_URL"):
            psycopg2.connect(url.replace("+psycopg2", "", 1), connect_timeout=ANSWERS_WITHIN).close()
    except psycopg2.Error as error:
        raise Refusal(f"DATABASE_URL does not work: {_first_line(error)}") from None
    try:
        if url := given.get("REDIS_URL"):
            with redis.Redis.from_url(url, socket_connect_timeout=ANSWERS_WITHIN) as client:
                client.ping()
    except (redis.RedisError, ValueError) as error:
        raise Refusal(f"REDIS_URL does not work: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].strip()


def environment(configured: Settings) -> dict[str, str]:
    """What the processes of the system see: ours, completed by the settings in force."""
    ours = {name: value for name, value in os.environ.items() if name not in NOT_FOR_CHILDREN}
    # Flower's own default is every address of the machine; this one is for its owner alone.
    return (
        {"FLOWER_ADDRESS": ports.LOOPBACK}
        | ours
        | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "PYTHONUNBUFFERED": "1",
            "APP_ENV": configured.app_env,
            "PORT": str(configured.port),
            "FLOWER_PORT": str(configured.flower_port),
            "FLOWER_BASIC_AUTH": configured.flower_basic_auth,
        }
    )
