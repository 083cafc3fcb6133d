"""Whether Postgres says anything to this process at all.

A request that waits for a silent Postgres waits once. The first one that waits too long says so for all: no
request asks Postgres until a thread that keeps asking has an answer.
"""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg2

# Longer than a slow disk takes for a commit. Where a host is cut off, a request has waited half a second for
# Redis before: 3 s in all.
PATIENCE_SECONDS = 2.4
# How often a connection that waits looks whether it waits in vain.
LOOK_SECONDS = 0.1


class _Postgres:
    """What this process knows; ``asker`` is the thread that may ask while it is silent."""

    heard_at = 0.0
    silent = False
    asker = 0


def heard() -> None:
    """Postgres has sent something, on any connection."""
    _Postgres.heard_at = time.monotonic()


def check() -> None:
    """Raises ``psycopg2.OperationalError`` while Postgres is silent."""
    if _Postgres.silent and threading.get_ident() != _Postgres.asker:
        raise _error()


def waited(since: float, connect: Callable[[], Any]) -> None:
    """A connection has waited since then. Raises ``psycopg2.OperationalError`` if that is long enough, or if
    Postgres is silent: ``connect`` is called then until it answers.
    """
    now = time.monotonic()
    if not _Postgres.silent and now - max(_Postgres.heard_at, since) >= PATIENCE_SECONDS:
        _Postgres.silent = True
        threading.Thread(target=_ask, args=(connect,), name="silence", daemon=True).start()
    check()
    if now - since >= PATIENCE_SECONDS:
        raise _error()


def _error() -> psycopg2.OperationalError:
    return psycopg2.OperationalError(f"Postgres has not answered for {PATIENCE_SECONDS:g} s")


def _ask(connect: Callable[[], Any]) -> None:
    _Postgres.asker = threading.get_ident()
    while _Postgres.silent:
        begun = time.monotonic()
        try:
            with closing(connect()):
                _Postgres.silent = False
        except psycopg2.Error:
            # A refusal is an answer too.
            _Postgres.silent = time.monotonic() - begun >= PATIENCE_SECONDS
    _Postgres.asker = 0
