"""The ceilings of the workers: tasks that do nothing, on Celery as it comes and on the product's app.

`python -m bench.empty_task NAME N` publishes N of one of them, as their app does, and prints seconds and
CPU seconds of the publishing.
"""

import sys
import time
from collections.abc import Callable

from celery import Celery

from bench.queues import QUEUES
from models import settings
from tasks import app as ours
from tasks import publish_without_waiting

# Its settings are Celery's own; nobody wants a result, as in the product.
plain = Celery("plain", broker=settings.load().broker_url, set_as_current=False)
plain.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True)
ours.conf.task_routes = ours.conf.task_routes | {"bench.empty": {"queue": QUEUES["ours"]}}


@ours.task(name="bench.empty")
def empty(order_id: str, request_id: str) -> None:
    """Takes two identifiers."""


@plain.task(name="bench.plain", queue=QUEUES["plain"])
def plain_empty(order_id: str, request_id: str) -> None:
    """The same."""


PUBLISH: dict[str, Callable[[str, str], object]] = {
    "plain": plain_empty.delay,
    "ours": empty.delay,
}


def main() -> None:
    """Publishes."""
    name, count = sys.argv[1], int(sys.argv[2])
    publish_without_waiting()
    PUBLISH[name]("0" * 36, "0" * 32)
    begun, used = time.perf_counter(), time.process_time()
    for number in range(count - 1):
        PUBLISH[name](f"{number:036}", "0" * 32)
    print(time.perf_counter() - begun, time.process_time() - used)


if __name__ == "__main__":
    main()
