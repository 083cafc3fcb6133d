"""Whether Postgres is silent, seen by one process: who waits, who is refused at once, and when that ends."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg2
import pytest

from models import silence
from tests.system import until


@pytest.fixture(autouse=True)
def speaking() -> Iterator[None]:
    yield
    until(lambda: not silence._Postgres.silent)


class Connection:
    def close(self) -> None:
        return


def answering(answers: threading.Event) -> Callable[[], Any]:
    """A Postgres that answers the one who keeps asking, once it answers at all."""

    def connect() -> Connection:
        answers.wait(10)
        return Connection()

    return connect


def long_ago() -> float:
    return time.monotonic() - silence.PATIENCE_SECONDS


def test_after_the_first_who_waited_too_long_nobody_waits_until_there_is_an_answer() -> None:
    answers = threading.Event()
    with pytest.raises(psycopg2.OperationalError):
        silence.waited(long_ago(), answering(answers))
    with pytest.raises(psycopg2.OperationalError):
        silence.check()
    with pytest.raises(psycopg2.OperationalError):
        silence.waited(time.monotonic(), answering(answers))
    answers.set()
    until(lambda: not silence._Postgres.silent)
    silence.check()


def test_one_silent_connection_beside_others_that_answer_is_refused_alone() -> None:
    since = long_ago()
    silence.heard()
    with pytest.raises(psycopg2.OperationalError):
        silence.waited(since, answering(threading.Event()))
    silence.check()


def test_who_has_not_waited_long_waits_on() -> None:
    silence.heard()
    silence.waited(time.monotonic(), answering(threading.Event()))


def test_a_postgres_that_refuses_is_not_silent() -> None:
    def refused() -> Any:
        raise psycopg2.OperationalError("connection refused")

    with pytest.raises(psycopg2.OperationalError):
        silence.waited(long_ago(), refused)
    until(lambda: not silence._Postgres.silent)
    silence.check()
