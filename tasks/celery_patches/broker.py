"""A broker connection that recovers within a second of the broker. Made for kombu 5.7.0.

- `FastReconnectConnection`: kombu pauses 2, 4, 6, … s between its attempts, and Celery has no setting for
  that. Upstream: celery/celery#4627 (connection retry settings that have no effect), open.
- `ClosedAwareChannel._connparams`: a channel that was closed raises ``AttributeError`` and the worker ends.
  Upstream: celery/kombu#582, closed, the fault is still there.
- `ClosedAwareChannel._create_client`: every command builds a client. No upstream issue known; to report:
  `conn_or_acquire` copies redis-py's table of callbacks for each command.
"""

from typing import Any, Self

import redis
from celery.app.amqp import AMQP
from kombu.connection import Connection, ConnectionPool, PooledConnection
from kombu.transport.redis import Channel, Transport

RETRY_SECONDS = 0.2


class ClosedAwareChannel(Channel):
    """Raises a connection error after its connection was closed, which its callers expect.

    The task that is acknowledged or rejected on such a channel is delivered again in any case.
    """

    _kept: redis.Redis | None = None

    def _create_client(self, asynchronous: bool = False) -> Any:
        if asynchronous:
            return super()._create_client(asynchronous)  # type: ignore[misc]
        if self._kept is None or self._kept.connection_pool is not self.pool:
            self._kept = super()._create_client()  # type: ignore[misc]
        return self._kept

    def _connparams(self, asynchronous: bool = False) -> Any:
        if self.connection is None or self.connection.client is None:
            raise redis.ConnectionError("the connection of this channel is closed")
        return super()._connparams(asynchronous)  # type: ignore[misc]


class ClosedAwareTransport(Transport):
    """kombu's transport with that channel."""

    Channel = ClosedAwareChannel


def _patched(transport: Any) -> Any:
    return ClosedAwareTransport if transport is Transport else transport


class _PublishingConnection(PooledConnection):
    """One of the connections that tasks are published on, with that transport."""

    def get_transport_cls(self) -> Any:
        return _patched(super().get_transport_cls())  # type: ignore[misc]


class _PublishingPool(ConnectionPool):
    def new(self) -> Any:
        return _PublishingConnection(self, **dict(self.connection._info(resolve=False)))


class FastReconnectConnection(Connection):
    """Tries a lost broker five times a second.

    Workers and beat wait here while Redis is away; a process that publishes has limits of its own.
    """

    def get_transport_cls(self) -> Any:
        return _patched(super().get_transport_cls())

    def Pool(self, limit: int | None = None, **options: Any) -> _PublishingPool:
        return _PublishingPool(self, limit, **options)

    def ensure_connection(self, *args: Any, **options: Any) -> Self:
        pauses = {"interval_start": RETRY_SECONDS, "interval_step": 0, "interval_max": RETRY_SECONDS}
        super().ensure_connection(*args, **(pauses | options))
        return self


class FastReconnectAMQP(AMQP):
    """Celery's amqp with that connection."""

    Connection = FastReconnectConnection
