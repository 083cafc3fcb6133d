"""The ceiling of the workers: a task that does nothing, on the product's own Celery app and settings.

`python -m bench.empty_task N` publishes N of them and prints seconds and CPU seconds of the publishing.
"""

import sys
import time

from tasks import app, publish_without_waiting

QUEUE = "emptytask"


@app.task(name="bench.empty", queue=QUEUE)
def empty(order_id: str, request_id: str) -> None:
    """Takes what `orders.place` takes."""


def main() -> None:
    """Publishes as the web processes do."""
    publish_without_waiting()
    empty.apply_async(args=("0" * 36, "0" * 32), retry=False)
    begun, used = time.perf_counter(), time.process_time()
    for number in range(int(sys.argv[1]) - 1):
        empty.apply_async(args=(f"{number:036}", "0" * 32), retry=False)
    print(time.perf_counter() - begun, time.process_time() - used)


if __name__ == "__main__":
    main()
