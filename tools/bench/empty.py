"""Programs that do nothing, on the libraries that the product uses, as those come.

`python -m tools.bench.empty RATE SECONDS` publishes so many empty tasks a second and prints its CPU seconds.
"""

import sys
import time
from typing import Any

from celery import Celery
from flask import Flask, Response
from flask_sock import Sock  # type: ignore[import-untyped]
from simple_websocket import ConnectionClosed, Server  # type: ignore[import-untyped]

from models import settings

QUEUE = "empty"
NOTHING = b'{"success":true,"data":{}}'
# As long as the frame of an offer.
FRAME = "x" * 900

app = Celery("empty", broker=settings.load().broker_url, set_as_current=False)
app.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True, task_default_queue=QUEUE)


@app.task(name="bench.empty")
def empty(order_id: str) -> None:
    """Takes an id."""


def create_app() -> Flask:
    """``POST /empty`` answers 201; ``POST /frames`` sends a frame to each open socket first."""
    web, sockets = Flask("empty"), set[Any]()
    sock = Sock(web)

    @web.post("/empty")
    def _empty() -> Response:
        return Response(NOTHING, 201, mimetype="application/json")

    @web.post("/frames")
    def _frames() -> Response:
        for socket in sockets:
            socket.send(FRAME)
        return Response(NOTHING, 201, mimetype="application/json")

    @sock.route("/api/v1/ws")  # type: ignore[untyped-decorator]
    def _socket(opened: Server) -> None:
        sockets.add(opened)
        try:
            while True:
                opened.receive()
        except ConnectionClosed:
            sockets.discard(opened)

    return web


def main() -> None:
    """Publishes."""
    rate, seconds = float(sys.argv[1]), float(sys.argv[2])
    empty.delay("0" * 36)
    begun, used = time.monotonic(), time.process_time()
    for number in range(round(rate * seconds)):
        time.sleep(max(0.0, begun + number / rate - time.monotonic()))
        empty.delay(f"{number:036}")
    print(time.process_time() - used)


if __name__ == "__main__":
    main()
