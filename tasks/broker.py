"""The connection to the broker, found again soon after it was lost."""

from typing import Any, Self

import redis
from celery.app.amqp import AMQP
from kombu import Connection
from kombu.transport.redis import Channel, Transport

# kombu pauses 2, 4, 6 ... s between its tries; a system that recovers within 5 s cannot.
RETRY_SECONDS = 0.2


class HonestChannel(Channel):
    """kombu's channel, which says that its connection is closed if that is so.

    After Redis was lost, kombu 5.7 gives tasks back, or acknowledges one that ended meanwhile, on a
    channel that has no transport any more. It stumbles over ``None`` and the whole worker ends; a
    connection error is what its callers expect. The task is handed out again in any case.
    """

    def _connparams(self, asynchronous: bool = False) -> Any:
        if self.connection is None or self.connection.client is None:
            raise redis.ConnectionError("the connection of this channel is closed")
        return super()._connparams(asynchronous)  # type: ignore[misc]


class HonestTransport(Transport):
    """kombu's transport with that channel."""

    Channel = HonestChannel


class PromptConnection(Connection):
    """kombu's connection, which looks for a lost broker five times a second.

    Workers and beat wait here while Redis is away; a process that publishes has its own limits and
    does not come by.
    """

    def get_transport_cls(self) -> Any:
        kind = super().get_transport_cls()
        return HonestTransport if kind is Transport else kind

    def ensure_connection(self, *args: Any, **options: Any) -> Self:
        pauses = {"interval_start": RETRY_SECONDS, "interval_step": 0, "interval_max": RETRY_SECONDS}
        super().ensure_connection(*args, **(pauses | options))
        return self


class PromptAMQP(AMQP):
    """Celery's amqp with that connection."""

    Connection = PromptConnection
