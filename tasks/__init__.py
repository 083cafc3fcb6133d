"""The Celery app, and what each process that runs it does at its start.

The modules read as the pipeline: ``orders`` (place, cancel), ``offers`` (accept, decline),
``trips``, ``sweeps`` (what is due), and ``followups`` (what is done after every commit).
"""

from typing import Any

import redis
import structlog
from celery import Celery
from celery.signals import (
    beat_init,
    celeryd_init,
    heartbeat_sent,
    setup_logging,
    worker_process_init,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from models import alive_file, db, logs, settings
from models.live import alive
from tasks.celery_patches import child_tracking

settings.keep_from_celery()
app = Celery("weelo", amqp="tasks.celery_patches.broker:FastReconnectAMQP")
child_tracking.patch_pool()
app.config_from_object("celeryconfig")

# Errors of a store that is away: no traceback, the next sweep tries again.
AWAY = (redis.RedisError, db.Unavailable, PoolTimeout)

# Publishing a task must not hold a request for longer; the row in Postgres is what counts.
PUBLISH_SECONDS = 1


def publish_without_waiting() -> None:
    """Settings for a process that publishes while a customer waits: one try, one second.

    `max_retries` limits connecting. kombu connects again after each failure, and would try for up to 6 s.
    """
    options = {**app.conf.broker_transport_options, "socket_timeout": PUBLISH_SECONDS, "max_retries": 0}
    app.conf.update(broker_transport_options=options, task_publish_retry=False)


@setup_logging.connect
def _log(**_: Any) -> None:
    logs.configure("celery")


@celeryd_init.connect
@beat_init.connect
def _begin(**_: Any) -> None:
    db.check_at_start()


@worker_process_init.connect
def _after_fork(**_: Any) -> None:
    db.forget_connections()
    child_tracking.patch_child()


@heartbeat_sent.connect
def _alive(**_: Any) -> None:
    queues = app.amqp.queues.consume_from
    alive_file.touch()
    try:
        alive.say(*(alive.queue(name) for name in queues))
    except redis.RedisError:
        structlog.get_logger().warning("heartbeat lost; Redis does not answer")
