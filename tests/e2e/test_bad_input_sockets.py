"""Bad input on the socket that needs the whole system; the handshake and wrong frames are tested in
tests/integration/test_socket.py, against real web processes too.
"""

import json
import os
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from models import db
from models.live import driver_index
from models.messages import iso
from tests import scenes
from tests.system import Person, System, hear, on_duty, until


def say(app: ClientConnection, kind: str, **data: Any) -> None:
    app.send(json.dumps({"type": kind, "data": data}))


def offered(system: System, name: str) -> tuple[Person, Person, str]:
    """A driver to whom an order is open, its customer, and the order."""
    vehicle = ("TRUCK", name.upper())
    driver = on_duty(system.urls[0], name, vehicle=vehicle)
    customer = Person(system.urls[0], "customer", name)
    answer = customer.order(scenes.body(vehicle=vehicle)).json()["data"]
    assert answer["broadcastSummary"]["totalDriversNotified"] == 1
    return driver, customer, answer["order"]["id"]


def answer_to_accept(driver: Person, order_id: str) -> dict[str, Any]:
    with driver.socket() as app:
        hear(app, "connected")
        say(app, "accept_broadcast", orderId=order_id)
        found: dict[str, Any] = hear(app, "accept_confirmation")["data"]
        return found


def test_an_accept_of_a_cancelled_order_is_refused(system: System, name: str) -> None:
    driver, customer, order_id = offered(system, name)
    assert customer.http.post(f"/orders/{order_id}/cancel", json={}).status_code == 200
    assert answer_to_accept(driver, order_id)["code"] == "ORDER_CANCELLED"


def test_an_accept_of_an_expired_order_is_refused(system: System, name: str) -> None:
    driver, customer, order_id = offered(system, name)
    with db.transaction() as connection:
        connection.execute(
            text("UPDATE orders SET expires_at = now() - interval '1 s' WHERE id = :id"), {"id": order_id}
        )
    assert answer_to_accept(driver, order_id)["code"] == "ORDER_EXPIRED"
    until(lambda: customer.http.get(f"/orders/{order_id}").json()["data"]["order"]["status"] == "expired")


@pytest.mark.parametrize("order_id", ["", "x", "' OR 1=1", "\x00", 7, None, ["x"], {"$ne": 1}])
def test_an_accept_of_no_order_is_answered_by_its_field(system: System, name: str, order_id: Any) -> None:
    with Person(system.urls[0], "driver", name).socket() as app:
        hear(app, "connected")
        say(app, "accept_broadcast", orderId=order_id)
        error = hear(app, "error")["data"]
        assert error["code"] == "VALIDATION_ERROR"
        assert error["message"].startswith("orderId: ")


def test_a_position_older_than_60_s_is_kept_out_of_the_index(system: System, name: str) -> None:
    driver = on_duty(system.urls[0], name, vehicle=("TRUCK", name.upper()))
    before = driver_index.last_position(name)
    with driver.socket() as app:
        hear(app, "connected")
        old = iso(datetime.now(UTC) - timedelta(seconds=61))
        say(app, "update_location", latitude=1.0, longitude=1.0, at=old)
        say(app, "accept_broadcast", orderId="x")
        hear(app, "error")
        assert driver_index.last_position(name) == before


def bomb() -> bytes:
    """A frame of 40 KB that says it is compressed, and would be 40 MB."""
    packed = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    content = packed.compress(b'{"type": "heartbeat", "data": {}}' + b" " * 40_000_000) + packed.flush()
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(content))
    return b"\xc1\xfe" + len(content).to_bytes(2, "big") + mask + masked


def test_compression_bombs_are_1009_and_cost_no_memory(system: System, name: str) -> None:
    person, sent = Person(system.urls[0], "customer", name), bomb()
    before = memory(system)
    for _ in range(5):
        with person.socket() as app:
            hear(app, "connected")
            app.socket.sendall(sent)
            with pytest.raises(ConnectionClosed):
                app.recv(timeout=5)
            assert app.close_code == 1009
    assert memory(system) - before < 10_000


def memory(system: System) -> int:
    """KB that the one worker of the first web process holds."""
    master = system.processes["web1"].pid
    with open(f"/proc/{master}/task/{master}/children") as children:
        worker = children.read().split()[0]
    with open(f"/proc/{worker}/status") as status:
        return int(status.read().partition("VmRSS:")[2].split()[0])
