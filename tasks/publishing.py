"""Publishes a task at half the cost of ``apply_async``, which finds out each time what is known here."""

from typing import Any
from uuid import uuid4

from tasks import app

# What Flower shows of the arguments.
SHOWN = 200


def publish(task: Any, *args: Any) -> None:
    """Puts a task on the queue that the settings give it; one try.

    Without a delay, an end or a follower, and without declaring the queue, which its workers do.
    Raises what kombu and redis raise when the broker is away.
    """
    message = app.amqp.as_task_v2(
        str(uuid4()), task.name, args, ignore_result=True, argsrepr=repr(args)[:SHOWN], kwargsrepr="{}"
    )
    queue = app.conf.task_routes[task.name]["queue"]
    with app.producer_pool.acquire(block=True) as producer:
        app.amqp.send_task_message(producer, task.name, message, queue=queue, declare=(), retry=False)
