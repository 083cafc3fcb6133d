"""What has to hold before anything is started: the checkout and the ports are ours to use."""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import psycopg2
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from models import poolers, store_urls
from models.settings import Settings
from tools.local import ports, running, surroundings
from tools.local.stopping import Stopping

# After the launcher's own death its leash needs up to 9 s to end the rest.
PREVIOUS_ENDS_WITHIN = 15.0
LOOK_EVERY = 0.1
# A server that is configured is up, or it is the wrong one.
ANSWERS_WITHIN = 3
# Longer than any answer that is one; Ctrl-C interrupts it at once.
STEP_WITHIN = 10.0


class Refusal(Exception):
    """The start makes no sense as things are; the message says what to do."""


def claim_patiently(claims: contextlib.ExitStack, stopping: Stopping) -> int:
    """The lock of this checkout; waits for the rest of a launcher that was killed. Raises Refusal."""
    deadline = time.monotonic() + PREVIOUS_ENDS_WITHIN
    while True:
        try:
            return claims.enter_context(running.claim())
        except running.Busy as busy:
            _refuse_if_alive(busy.pid)
            if stopping.asked or time.monotonic() > deadline:
                raise Refusal(f"what pid {busy.pid} had started has not ended yet; try again.") from None
            time.sleep(LOOK_EVERY)


def _refuse_if_alive(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        raise Refusal(f"already running, pid {pid}: `make status` says what is where, `make stop` ends it.")


def refuse_taken_ports(configured: Settings) -> None:
    """Raises Refusal, naming the setting."""
    for name, port in (("PORT", configured.port), ("FLOWER_PORT", configured.flower_port)):
        if configured.wrong(name.lower()):
            continue
        if problem := ports.problem(port):
            another = f"{name}={port + 1}"
            raise Refusal(f"port {port} {problem}: free it, or choose another with {name}, as in {another}.")
    if configured.port == configured.flower_port:
        raise Refusal(f"PORT and FLOWER_PORT are both {configured.port}: choose another for one of them.")


def refuse_silent_servers(configured: Settings, stopping: Stopping) -> None:
    """Asks the servers that the environment names, where it names any. Raises Refusal."""
    if os.environ.get("DATABASE_URL"):
        _ask("DATABASE_URL", lambda: _postgres(configured), stopping)
    if os.environ.get("REDIS_URL"):
        _ask("REDIS_URL", lambda: _redis(configured.redis), stopping)
    if configured.celery_broker_url:
        _ask("CELERY_BROKER_URL", lambda: _redis(configured.broker), stopping)


def _ask(setting: str, question: Callable[[], str], stopping: Stopping) -> None:
    """Raises Refusal with what is wrong, which the question answers; it may hang without hanging us."""
    answers: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=lambda: answers.put(question()), daemon=True).start()
    deadline = time.monotonic() + STEP_WITHIN
    while True:
        with contextlib.suppress(Empty):
            if problem := answers.get(timeout=LOOK_EVERY):
                raise Refusal(f"{setting} {problem}")
            return
        if stopping.asked:
            raise Refusal(f"stopped while {setting} was asked.")
        if time.monotonic() > deadline:
            raise Refusal(f"{setting} does not work: no answer within {STEP_WITHIN:.0f} s")


def _postgres(configured: Settings) -> str:
    keywords: dict[str, Any] = dict(store_urls.postgres(configured.database_url))
    keywords["connect_timeout"] = ANSWERS_WITHIN

    def connect() -> Any:
        return psycopg2.connect(**keywords)

    try:
        with contextlib.closing(connect()) as connection:
            return poolers.problem(connection, connect, configured.database_prepare)
    except psycopg2.Error as error:
        return f"does not work: {_first_line(error, configured.database_url)}"


def _redis(address: store_urls.RedisAddress) -> str:
    options: dict[str, Any] = {"socket_connect_timeout": ANSWERS_WITHIN, "socket_timeout": ANSWERS_WITHIN}
    kind = redis.SSLConnection if address.tls else redis.Connection
    connection: Any = kind(**address.options, **options, retry=Retry(NoBackoff(), 0))
    try:
        connection.connect()
        connection.send_command("PING")
        connection.read_response()
    # TLS has errors of its own.
    except (redis.RedisError, OSError) as error:
        hint = "; name its authority in REDIS_CA_FILE" if "CERTIFICATE_VERIFY_FAILED" in str(error) else ""
        return f"does not work: {_first_line(error, address.url)}{hint}"
    finally:
        connection.disconnect()
    return ""


def _first_line(error: Exception, url: str) -> str:
    line = (str(error).splitlines() or [type(error).__name__])[0].strip()
    return store_urls.without_secrets(line, url)


def environment(configured: Settings) -> dict[str, str]:
    """What the processes of the system see: ours, completed by the settings in force."""
    ours = surroundings.for_processes(os.environ, own_postgres=not os.environ.get("DATABASE_URL"))
    # A wrong one is left to the process that reads it, which says so.
    numbers = {"PORT": configured.port, "FLOWER_PORT": configured.flower_port}
    # Flower's own default is every address of the machine; this one is for its owner alone.
    return (
        {"FLOWER_ADDRESS": ports.LOOPBACK}
        | ours
        | {name: str(port) for name, port in numbers.items() if not configured.wrong(name.lower())}
        | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "PYTHONUNBUFFERED": "1",
            # Celery's nine lines about root are for servers, not for somebody's own machine.
            "PYTHONWARNINGS": "ignore:You're running the worker with superuser",
            "PYTHONUTF8": "1",
            "APP_ENV": configured.app_env,
            "FLOWER_BASIC_AUTH": configured.flower_basic_auth,
        }
    )
