"""The connection to the broker, found again soon after it was lost."""

from typing import Any, Self

import redis
from celery.app.amqp import AMQP
from kombu.connection import Connection, ConnectionPool, PooledConnection
from kombu.transport.redis import Channel, Transport

# kombu pauses 2, 4, 6 ... s between its tries; a system that recovers within 5 s cannot.
RETRY_SECONDS = 0.2


class HonestChannel(Channel):
    """kombu's channel, which says that its connection is closed if that is so.

    After Redis was lost, kombu 5.7 gives tasks back, or acknowledges one that ended meanwhile, on a
    channel that has no transport any more. It stumbles over ``None`` and the whole worker ends; a
    connection error is what its callers expect. The task is handed out again in any case.
    """

    # kombu makes a client for every command; the pool of connections in it is what costs nothing to share.
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


class HonestTransport(Transport):
    """kombu's transport with that channel."""

    Channel = HonestChannel


def _honest(kind: Any) -> Any:
    return HonestTransport if kind is Transport else kind


class _Pooled(PooledConnection):
    """One of the connections that tasks are published on, with that transport."""

    def get_transport_cls(self) -> Any:
        return _honest(super().get_transport_cls())  # type: ignore[misc]


class _Pool(ConnectionPool):
    def new(self) -> Any:
        return _Pooled(self, **dict(self.connection._info(resolve=False)))


class PromptConnection(Connection):
    """kombu's connection, which looks for a lost broker five times a second.

    Workers and beat wait here while Redis is away; a process that publishes has its own limits and
    does not come by.
    """

    def get_transport_cls(self) -> Any:
        return _honest(super().get_transport_cls())

    def Pool(self, limit: int | None = None, **options: Any) -> _Pool:
        return _Pool(self, limit, **options)

    def ensure_connection(self, *args: Any, **options: Any) -> Self:
        pauses = {"interval_start": RETRY_SECONDS, "interval_step": 0, "interval_max": RETRY_SECONDS}
        super().ensure_connection(*args, **(pauses | options))
        return self


class PromptAMQP(AMQP):
    """Celery's amqp with that connection."""

    Connection = PromptConnection
