"""The broker's connection: who lost it waits for it, and does not end."""

import socket
import time
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from celery.concurrency.asynpool import AsynPool
from kombu.exceptions import OperationalError

from tasks import app, publish_without_waiting
from tasks.celery_patches.broker import RETRY_SECONDS, ClosedAwareTransport, FastReconnectConnection
from tools.local import ports


def connection() -> FastReconnectConnection:
    """A connection to a port where nobody listens."""
    return FastReconnectConnection(
        f"redis://127.0.0.1:{ports.free()}/0", transport_options={"socket_timeout": 1}
    )


def test_workers_and_beat_use_it() -> None:
    for made in (app.connection_for_read(), app.connection_for_write()):
        assert isinstance(made, FastReconnectConnection)
        assert made.get_transport_cls() is ClosedAwareTransport


def test_tasks_are_published_on_it() -> None:
    with app.pool.acquire() as pooled:
        made: Any = pooled
        assert made.get_transport_cls() is ClosedAwareTransport


def test_a_channel_has_one_client_for_its_pool() -> None:
    channel: Any = ClosedAwareTransport.Channel.__new__(ClosedAwareTransport.Channel)
    channel.Client = redis.Redis
    channel._pool = redis.ConnectionPool()
    first = channel._create_client()
    assert channel._create_client() is first
    channel._pool = redis.ConnectionPool()
    assert channel._create_client().connection_pool is channel._pool


def test_it_looks_again_soon() -> None:
    begun = time.monotonic()
    with pytest.raises(OperationalError):
        connection().ensure_connection(max_retries=3)
    assert time.monotonic() - begun < 3 * RETRY_SECONDS + 3


def test_a_process_that_publishes_for_a_customer_tries_a_lost_broker_once() -> None:
    publish_without_waiting()
    tries: list[socket.socket] = []

    def hang_up() -> None:
        while True:
            try:
                tries.append(server.accept()[0])
            except OSError:
                return
            tries[-1].close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = Thread(target=hang_up)
        thread.start()
        address = f"redis://127.0.0.1:{server.getsockname()[1]}/0"
        with app.connection_for_write(address) as away, pytest.raises(OperationalError):
            app.amqp.Producer(away).publish({}, retry=False)
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert len(tries) == 1


def test_a_channel_without_a_connection_says_so_in_its_callers_words() -> None:
    lost = connection()
    channel: Any = ClosedAwareTransport.Channel.__new__(ClosedAwareTransport.Channel)
    channel.connection = None
    with pytest.raises(redis.ConnectionError) as raised:
        channel._connparams()
    assert isinstance(raised.value, lost.connection_errors)


def test_a_child_whose_end_was_seen_is_replaced_and_not_watched() -> None:
    soon: list[Any] = []
    pool: Any = SimpleNamespace(maintain_pool=lambda: None)
    hub: Any = SimpleNamespace(call_soon=soon.append)
    kind: Any = AsynPool
    kind._track_child_process(pool, SimpleNamespace(_sentinel_poll=None), hub)
    assert soon == [pool.maintain_pool]
