"""The socket through real web processes: handshake, order and completeness, bad frames, restarts."""

import base64
import json
import os
import re
import signal
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from models import db, live
from models.live import driver_index, mailbox
from models.messages import Message, iso
from tasks.followups import follow
from tests import scenes
from tests.conftest import Stores
from tests.fuzz.frames import frame
from tests.system import System, until
from tests.upgraded import accepted
from tools.local import leash
from tools.local.stores import THROWAWAY_VALKEY, Valkey
from web.identity.issuing import issue
from web.identity.tokens import Caller
from web.socket import session
from web.socket.handshake import serve
from web.wakeups import wakeups

NOW = datetime.now(UTC)
UNKNOWN = "01890000-0000-7000-8000-000000000000"
KEY = base64.b64encode(bytes(16)).decode()
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}
LUA = (Path(live.__file__).parent / "lua" / "mailbox_put.lua").read_text()

pytestmark = pytest.mark.usefixtures("clean")


@pytest.fixture(scope="module")
def web(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Two web processes, and nothing else."""
    environment = {**stores.environment, "ALLOWED_ORIGINS": "https://app.weelo.test"}
    system = System(environment, tmp_path_factory.mktemp("web"))
    try:
        for number in (1, 2):
            system.start_web(f"web{number}")
        until(lambda: all(answers(url) for url in system.urls), 20, f"no answer; see {system.logs}")
        yield system
    finally:
        system.stop()


@contextmanager
def another(web: System, **environment: str) -> Iterator[str]:
    """One more web process, for tests that end it."""
    name = f"extra{len(web.processes)}"
    web.environment |= environment
    url = web.start_web(name)
    web.urls.remove(url)
    try:
        until(lambda: answers(url), 20, web.log(name))
        yield url
    finally:
        process = web.processes.pop(name)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        leash.release(process.pid)


def answers(url: str) -> bool:
    try:
        return raw(url, {}).startswith(b"HTTP/1.1 426")
    except OSError:
        return False


def raw(url: str, headers: dict[str, str], method: str = "GET", query: str = "") -> bytes:
    """The answer to a request of exactly these headers; with the first message if it is a 101."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=5) as connection:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        request = f"{method} /api/v1/ws{query} HTTP/1.1\r\nHost: {address.netloc}\r\n{lines}\r\n"
        connection.sendall(request.encode())
        answer = b""
        while not complete(answer):
            answer += connection.recv(4096) or pytest.fail(f"cut off: {answer!r}")
        return answer


def complete(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 101 "):
        return b"connected" in body
    length = re.search(rb"Content-Length: (\d+)", head)
    return bool(end) and len(body) >= (int(length[1]) if length else 0)


def token(role: str = "driver", sub: str = "dev", seconds: float = 3600) -> str:
    return issue(role, sub, timedelta(seconds=seconds))


def joined(
    url: str, role: str = "driver", sub: str = "dev", query: str = "", **options: Any
) -> AbstractContextManager[ClientConnection]:
    """An app's connection; to be used in a ``with``."""
    bearer = {"Authorization": f"Bearer {token(role, sub)}"}
    address = f"{url.replace('http', 'ws')}/api/v1/ws{query}"
    opened: AbstractContextManager[ClientConnection] = connect(address, additional_headers=bearer, **options)
    return opened


def heard(app: ClientConnection, seconds: float = 5) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads(app.recv(timeout=seconds))
    return frame


def say(app: ClientConnection, kind: str, **data: Any) -> None:
    app.send(json.dumps({"type": kind, "data": data}))


def closed(app: ClientConnection, seconds: float = 5) -> int:
    """The code that the server closes with."""
    try:
        while True:
            app.recv(timeout=seconds)
    except ConnectionClosed:
        return app.close_code or 0


def note(*keys: str, to: str = "driver:dev") -> None:
    mailbox.put([Message(to, "note", {"key": key}, key) for key in keys], NOW)


def put_unheard(key: str) -> None:
    """A message in the mailbox whose wake-up got lost."""
    keys = ["mailbox:driver:dev", "mailbox:driver:dev:state"]
    body = mailbox.body("note", {"key": key}, iso(NOW))
    silent = LUA.replace("redis.call('PUBLISH',", "tostring(")
    commands: Any = live.commands()
    message = ["keep", "note", body, key, ""]
    assert commands.eval(silent, 2, *keys, mailbox.SECONDS, 60, "nowhere", 9, 1, *message) == 1


# --- the handshake ---


@pytest.mark.parametrize(
    ("method", "changes", "status"),
    [
        ("GET", {}, 101),
        ("POST", {}, 400),
        ("POST", {"Upgrade": None, "Content-Length": "0"}, 400),
        ("GET", {"Upgrade": None}, 426),
        ("GET", {"Connection": "close"}, 426),
        ("GET", {"Sec-WebSocket-Version": "8"}, 426),
        ("GET", {"Sec-WebSocket-Version": None}, 426),
        ("GET", {"Sec-WebSocket-Key": None}, 400),
        ("GET", {"Sec-WebSocket-Key": "short"}, 400),
        ("GET", {"Sec-WebSocket-Key": f"{KEY}, {KEY}"}, 400),
        ("GET", {"Origin": "https://app.weelo.test"}, 101),
        ("GET", {"Origin": "{own}"}, 101),
        ("GET", {"Origin": "{own}.evil.test"}, 403),
        ("GET", {"Origin": "https://evil.test"}, 403),
        ("GET", {"Origin": "https://app.weelo.test.evil.test"}, 403),
        ("GET", {"Origin": "https://evilapp.weelo.test"}, 403),
        ("GET", {"Origin": "http://app.weelo.test"}, 403),
        ("GET", {"Origin": "null"}, 403),
        ("GET", {"Origin": ""}, 403),
        ("GET", {"Authorization": None}, 401),
        ("GET", {"Authorization": "Basic b3BzOndlZWxv"}, 401),
        ("GET", {"Authorization": "Bearer a.b.c"}, 401),
        ("GET", {"Authorization": "Bearer {ops}"}, 403),
        ("GET", {"Authorization": None, "Sec-WebSocket-Protocol": "bearer"}, 401),
        ("GET", {"Sec-WebSocket-Protocol": "bearer, {driver}"}, 401),
    ],
)
def test_everything_is_checked_before_the_upgrade(
    web: System, method: str, changes: dict[str, str | None], status: int
) -> None:
    url = web.urls[0]
    known = {"own": url, "ops": token("ops"), "driver": token()}
    wanted = UPGRADE | {"Authorization": f"Bearer {token()}"} | changes
    headers = {name: value.format(**known) for name, value in wanted.items() if value is not None}
    head, _, body = raw(url, headers, method).partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"X-Request-ID: " in head
    if status == 101:
        assert b"Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=" in head
    else:
        answer = json.loads(body)
        assert answer["success"] is False
        assert answer["error"]["code"]


def test_a_token_in_the_url_is_refused_even_beside_a_good_one(web: System) -> None:
    headers = UPGRADE | {"Authorization": f"Bearer {token()}"}
    assert raw(web.urls[0], headers, query=f"?token={token()}").startswith(b"HTTP/1.1 401 ")


def test_a_browser_comes_in_by_subprotocol_and_no_extension_is_agreed_on(web: System) -> None:
    url = web.urls[0].replace("http", "ws") + "/api/v1/ws"
    # websockets types its subprotocols as a NewType of str.
    names: Any = ["bearer", token()]
    with connect(url, subprotocols=names, compression="deflate") as app:
        assert heard(app)["type"] == "connected"
        assert app.subprotocol == "bearer"
        assert app.protocol.extensions == []


# --- what goes out ---


def test_a_socket_starts_with_the_present_state(web: System) -> None:
    driver = scenes.driver("dev")
    outcome = scenes.placed("asha")
    with joined(web.urls[0], "driver", driver) as app:
        first = heard(app)
        assert first["type"] == "connected"
        assert first["data"]["driverId"] == "dev"
        assert [offer["orderId"] for offer in first["data"]["openBroadcasts"]] == [outcome.order_id]
        # Nobody has put this offer into the mailbox yet: connecting does.
        offer = heard(app)
        assert (offer["type"], offer["data"]["orderId"]) == ("new_broadcast", outcome.order_id)
        assert offer["id"] > first["id"]
    with joined(web.urls[1], "customer", "asha") as app:
        assert heard(app)["data"]["activeOrder"]["order"]["id"] == outcome.order_id


def test_an_offer_that_has_closed_meanwhile_is_not_sent(web: System) -> None:
    mailbox.put([Message("driver:dev", "new_broadcast", {"orderId": UNKNOWN}, "offer:gone")], NOW)
    note("after")
    with joined(web.urls[0]) as app:
        assert [heard(app)["type"], heard(app)["data"]] == ["connected", {"key": "after"}]


def test_messages_arrive_in_order_whichever_process_holds_the_socket(web: System) -> None:
    for url in web.urls:
        note(f"before {url}")
        with joined(url) as app:
            frames = [heard(app), heard(app)]
            for number in range(30):
                note(f"{url}{number}")
            frames += [heard(app) for _ in range(30)]
            ids = [frame["id"] for frame in frames]
            assert ids == sorted(set(ids))
            assert frames[-1]["data"]["key"] == f"{url}29"
            say(app, "broadcast_ack", id=ids[-1])
            say(app, "heartbeat")
            until(lambda: not mailbox.since("driver:dev", 0).frames)


def test_what_was_not_acknowledged_comes_again_anywhere_with_the_same_id(web: System) -> None:
    with joined(web.urls[0]) as app:
        heard(app)
        note("a", "b", "c")
        sent = [heard(app) for _ in range(3)]
    with joined(web.urls[1], query=f"?lastEventId={sent[0]['id']}") as app:
        assert sent[0]["id"] < heard(app)["id"] < sent[1]["id"]
        assert [heard(app), heard(app)] == sent[1:]
        say(app, "broadcast_ack", id=sent[1]["id"])
        until(lambda: len(mailbox.since("driver:dev", 0).frames) == 1)
    with joined(web.urls[0], query="?lastEventId=nonsense") as app:
        heard(app)
        assert heard(app) == sent[2]


def test_a_lost_wake_up_shows_at_the_next_message_and_at_a_heartbeat(web: System) -> None:
    with joined(web.urls[0]) as app:
        heard(app)
        put_unheard("lost")
        note("next")
        assert [heard(app)["data"]["key"], heard(app)["data"]["key"]] == ["lost", "next"]
        put_unheard("lost again")
        say(app, "heartbeat")
        assert heard(app)["data"]["key"] == "lost again"


def test_a_lost_subscription_loses_nothing(web: System) -> None:
    commands: Any = live.commands()
    with joined(web.urls[0]) as app:
        heard(app)
        assert commands.client_kill_filter(_type="pubsub") >= 1
        note("while away")
        assert heard(app)["data"]["key"] == "while away"
        note("back")
        assert heard(app)["data"]["key"] == "back"


def test_a_mailbox_lost_with_redis_begins_again_from_postgres(web: System) -> None:
    scenes.driver("dev")
    with joined(web.urls[0]) as app:
        first = heard(app)
        note("a")
        heard(app)
        live.commands().flushall()
        scenes.driver("dev")
        outcome = scenes.placed("asha")
        say(app, "heartbeat")
        again, offer = heard(app), heard(app)
        assert (again["type"], offer["data"]["orderId"]) == ("connected", outcome.order_id)
        assert first["id"] < again["id"] < offer["id"]
        note("a")
        assert heard(app)["data"]["key"] == "a"


def test_messages_that_pass_are_delivered_and_not_repeated(web: System) -> None:
    with joined(web.urls[0]) as app:
        heard(app)
        mailbox.pass_on([Message("driver:dev", "location_updated", {"latitude": 1.5})], NOW)
        assert heard(app)["data"] == {"latitude": 1.5}
        note("after")
        assert heard(app)["data"] == {"key": "after"}
    with joined(web.urls[0]) as app:
        assert [heard(app)["type"], heard(app)["data"]] == ["connected", {"key": "after"}]


def test_a_newer_connection_of_the_same_person_replaces_the_older_one(web: System) -> None:
    first, second = web.urls
    with joined(first) as older:
        heard(older)
        with joined(second) as newer:
            heard(newer)
            assert closed(older) == 4409
            note("for the newer")
            assert heard(newer)["data"]["key"] == "for the newer"
            with joined(second) as newest, joined(second, "customer", "dev") as customer:
                heard(newest)
                heard(customer)
                assert closed(newer) == 4409
                say(newest, "heartbeat")
                note("for the newest")
                assert heard(newest)["data"]["key"] == "for the newer"
                assert heard(newest)["data"]["key"] == "for the newest"


def test_a_token_that_runs_out_ends_the_connection(web: System) -> None:
    url = web.urls[0].replace("http", "ws") + "/api/v1/ws"
    # Whole seconds in the token: it is issued for two and lives more than one.
    bearer = {"Authorization": f"Bearer {token(seconds=2)}"}
    with connect(url, additional_headers=bearer) as app:
        assert heard(app)["type"] == "connected"
        assert closed(app) == 4401


# --- what comes in ---


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("[]", "message"),
        ('"text"', "message"),
        ("null", "message"),
        ("{}", "type"),
        ('{"type": ["heartbeat"]}', "type"),
        ('{"type": "new_broadcast"}', "type"),
        ('{"type": "heartbeat", "data": []}', "data"),
        ('{"type": "heartbeat", "data": {"a": 1}}', "a"),
        ('{"type": "update_location", "data": {"latitude": 1}}', "longitude"),
        ('{"type": "update_location", "data": {"latitude": NaN, "longitude": 1}}', "latitude"),
        ('{"type": "update_location", "data": {"latitude": 1e999, "longitude": 1}}', "latitude"),
        ('{"type": "update_location", "data": {"latitude": 90.0001, "longitude": 1}}', "latitude"),
        ('{"type": "update_location", "data": {"latitude": 1, "longitude": -180.5}}', "longitude"),
        ('{"type": "update_location", "data": {"latitude": true, "longitude": 1}}', "latitude"),
        ('{"type": "update_location", "data": {"latitude": "1", "longitude": 1}}', "latitude"),
        ('{"type": "update_location", "data": {"latitude": 1, "longitude": 1, "at": 5}}', "at"),
        ('{"type": "update_location", "data": {"latitude": 1, "longitude": 1, "at": "2999-01-01"}}', "at"),
        (
            '{"type": "update_location", "data": {"latitude": 1, "longitude": 1, "at": "2999-01-01T00Z"}}',
            "at",
        ),
        ('{"type": "accept_broadcast", "data": {}}', "orderId"),
        ('{"type": "accept_broadcast", "data": {"orderId": "x"}}', "orderId"),
        ('{"type": "decline_broadcast", "data": {"orderId": 7}}', "orderId"),
        ('{"type": "broadcast_ack", "data": {"id": -1}}', "id"),
        ('{"type": "broadcast_ack", "data": {"id": 9007199254740992}}', "id"),
        ('{"type": "broadcast_ack", "data": {"id": true}}', "id"),
        ('{"type": "broadcast_ack", "data": {"id": 1.5}}', "id"),
    ],
)
def test_a_message_that_is_wrong_is_answered_by_its_field(web: System, message: str, field: str) -> None:
    with joined(web.urls[0]) as app:
        connected = heard(app)
        app.send(message)
        error = heard(app)
        assert (error["type"], error["data"]["code"]) == ("error", "VALIDATION_ERROR")
        assert error["data"]["message"].startswith(f"{field}: ")
        assert error["id"] > connected["id"]
        note("still here")
        assert heard(app)["data"]["key"] == "still here"


def test_customers_cannot_say_what_drivers_say(web: System) -> None:
    with joined(web.urls[0], "customer", "asha") as app:
        heard(app)
        for kind in ("update_location", "accept_broadcast", "decline_broadcast"):
            say(app, kind, orderId=UNKNOWN)
            assert heard(app)["data"]["code"] == "VALIDATION_ERROR"
        say(app, "heartbeat")
        say(app, "broadcast_ack", id=1)
        note("still here", to="customer:asha")
        assert heard(app)["data"]["key"] == "still here"


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(b"\x00\x01", opcode=2), 1003),
        (frame(b"\xff\xfe"), 1007),
        (frame(b"{"), 1007),
        (frame(b""), 1007),
        (frame(b'{"type": "heartbeat", "data": {}} {}'), 1007),
        (frame(b"[" * 30_000), 1007),
        (frame(b" " * 65_537), 1009),
        (frame(b" " * 60_000, first_bits=0) + frame(b" " * 6_000, opcode=0), 1009),
        (frame(b"", first_bits=0) + frame(b"", opcode=0, first_bits=0) * 65_540, 1009),
        (frame(b"{}", mask=False), 1002),
        # A compressed message: nobody has agreed to compress, so no bomb is ever unpacked.
        (frame(b"{}", first_bits=0xC0), 1009),
        (frame(b"x" * 126, opcode=9), 1002),
        (frame(b"", opcode=5), 1002),
        (frame(b'{"type": "heartbeat"}') * 101, 1008),
        (frame(b"", opcode=9) * 101, 1008),
        (frame(b"", opcode=10) * 101, 1008),
    ],
)
def test_a_frame_that_is_wrong_closes_with_its_code(web: System, sent: bytes, code: int) -> None:
    with joined(web.urls[0]) as app:
        heard(app)
        app.socket.sendall(sent)
        assert closed(app) == code


def test_a_hundred_messages_in_a_burst_are_no_flood(web: System) -> None:
    with joined(web.urls[0]) as app:
        heard(app)
        app.socket.sendall(frame(b'{"type": "heartbeat"}') * 99)
        app.send("{}")
        assert heard(app)["type"] == "error"


def test_a_position_goes_into_the_live_index_unless_it_is_old(web: System) -> None:
    scenes.driver("dev")
    with joined(web.urls[0]) as app:
        heard(app)
        say(app, "update_location", latitude=12.5, longitude=77.5, heading=90, speed=8.5)
        until(lambda: latitude("dev") == 12.5)
        say(app, "update_location", latitude=13.5, longitude=77.5, at="2020-01-01T00:00:00.000Z")
        say(app, "update_location", latitude=14.5, longitude=77.5)
        until(lambda: latitude("dev") == 14.5)


def latitude(driver_id: str) -> float | None:
    position = driver_index.last_position(driver_id)
    return position.latitude if position else None


def test_positions_that_come_together_are_each_taken_and_answered(web: System) -> None:
    known = [scenes.driver(f"dev{number}") for number in range(5)]
    with ExitStack() as stack:
        apps = [stack.enter_context(joined(web.urls[0], sub=name)) for name in [*known, "nobody"]]
        for app in apps:
            heard(app)
        for step in range(20):
            for app in apps:
                say(app, "update_location", latitude=12 + step / 1000, longitude=77.5)
        for name in known:
            until(lambda name=name: latitude(name) == 12.019)  # type: ignore[misc]
        assert heard(apps[-1])["data"]["code"] == "DRIVER_NOT_REGISTERED"
        note("nothing else", to="driver:dev0")
        assert heard(apps[0])["data"]["key"] == "nothing else"


def test_a_driver_who_never_registered_gets_an_error(web: System) -> None:
    with joined(web.urls[0], sub="nobody") as app:
        heard(app)
        say(app, "update_location", latitude=12.5, longitude=77.5)
        assert heard(app)["data"]["code"] == "DRIVER_NOT_REGISTERED"


def test_every_accept_is_answered(web: System) -> None:
    for name in ("dev", "bela"):
        scenes.driver(name)
    outcome = scenes.placed("asha")
    follow(outcome.followup)
    with joined(web.urls[0]) as dev, joined(web.urls[1], sub="bela") as bela:
        for app, order_id in ((dev, UNKNOWN), (dev, outcome.order_id), (bela, outcome.order_id)):
            say(app, "accept_broadcast", orderId=order_id.upper())
            app_heard = answer(app)
            assert app_heard["orderId"] == order_id
            assert (app_heard["result"], app_heard.get("code")) == {
                (dev, UNKNOWN): ("refused", "NOT_OFFERED"),
                (dev, outcome.order_id): ("accepted", None),
                (bela, outcome.order_id): ("refused", "TRUCK_TAKEN"),
            }[app, order_id]
        say(dev, "accept_broadcast", orderId=outcome.order_id)
        again = answer(dev)
        assert (again["result"], bool(again["truckRequestId"])) == ("accepted", True)


def answer(app: ClientConnection) -> dict[str, Any]:
    """What the next accept_confirmation says."""
    while (found := heard(app))["type"] != "accept_confirmation":
        pass
    data: dict[str, Any] = found["data"]
    return data


def test_an_answer_survives_the_socket_it_was_asked_on(web: System) -> None:
    with joined(web.urls[0]) as app:
        heard(app)
        say(app, "accept_broadcast", orderId=UNKNOWN)
        app.socket.shutdown(socket.SHUT_RDWR)
    until(lambda: mailbox.since("driver:dev", 0).frames)
    with joined(web.urls[1]) as app:
        assert answer(app)["orderId"] == UNKNOWN


def test_declining_closes_the_offer_and_an_impossible_decline_is_refused(web: System) -> None:
    scenes.driver("dev")
    outcome = scenes.placed("asha")
    with joined(web.urls[0]) as app:
        heard(app)
        heard(app)
        say(app, "decline_broadcast", orderId=outcome.order_id)
        say(app, "decline_broadcast", orderId=UNKNOWN)
        assert heard(app)["data"]["code"] == "NOT_OFFERED"
        with db.transaction() as connection:
            assert connection.execute(text("SELECT state FROM offers")).scalar_one() == "declined"


def test_an_accept_that_waits_for_postgres_stops_neither_delivery_nor_others(web: System) -> None:
    scenes.driver("dev")
    outcome = scenes.placed("asha")
    with joined(web.urls[0]) as app, joined(web.urls[0], sub="bela") as other:
        heard(app)
        heard(app)
        heard(other)
        with db.transaction() as holder:
            lock = text("SELECT 1 FROM orders WHERE id = :id FOR UPDATE")
            holder.execute(lock, {"id": outcome.order_id})
            say(app, "accept_broadcast", orderId=outcome.order_id)
            note("meanwhile")
            assert heard(app, 1)["data"]["key"] == "meanwhile"
            say(other, "accept_broadcast", orderId=UNKNOWN)
            assert answer(other)["code"] == "NOT_OFFERED"
        assert answer(app)["result"] == "accepted"


# --- lost connections and stores ---


def test_a_reader_who_does_not_read_is_dropped_and_costs_nobody_anything(web: System) -> None:
    big = [Message("driver:dev", "note", {"text": "x" * 8000}) for _ in range(100)]
    with joined(web.urls[0], sub="other") as other, joined(web.urls[0], max_queue=1) as app:
        heard(app)
        heard(other)
        before = memory(web.processes["web1"].pid)
        for _ in range(40):
            mailbox.put(big, NOW)
        note("for others", to="driver:other")
        assert heard(other)["data"]["key"] == "for others"
        assert memory(web.processes["web1"].pid) - before < 40_000
        # No close frame can reach a peer that does not read (1006).
        assert closed(app) == 1006


def memory(master: int) -> int:
    """KB that the one worker of this gunicorn holds."""
    worker = Path(f"/proc/{master}/task/{master}/children").read_text().split()[0]
    status = Path(f"/proc/{worker}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def test_a_client_that_never_answers_pings_is_closed_within_two_intervals(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session, "PING_SECONDS", 0.4)
    here, there = socket.socketpair()
    caller = Caller("dev", "driver", datetime.now(UTC) + timedelta(hours=1))
    server = threading.Thread(target=serve, args=[accepted(there), caller, None])
    server.start()
    try:
        before = time.monotonic()
        here.settimeout(5)
        received = b""
        while data := here.recv(4096):
            received += data
        # The first ping comes up to half an interval early.
        assert 0.6 <= time.monotonic() - before < 0.8 + session.CLOSE_SECONDS + 5
        assert received.count(b"\x89\x00") == 1
        assert struct.pack("!H", 1008) + b"no answer to pings" in received
    finally:
        server.join(5)
        here.close()
        there.close()
        wakeups.stop()


def test_a_client_that_only_answers_pings_stays_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "PING_SECONDS", 0.3)
    here, there = socket.socketpair()
    caller = Caller("dev", "driver", datetime.now(UTC) + timedelta(hours=1))
    server = threading.Thread(target=serve, args=[accepted(there), caller, None])
    server.start()
    try:
        here.settimeout(0.05)
        pings, until = 0, time.monotonic() + 1.6
        while time.monotonic() < until:
            try:
                found = here.recv(4096).count(b"\x89\x00")
            except TimeoutError:
                continue
            pings += found
            for _ in range(found):
                here.sendall(b"\x8a\x80\x00\x00\x00\x00")
        assert pings >= 4
    finally:
        here.close()
        server.join(5)
        there.close()
        wakeups.stop()


def test_a_stopping_server_says_going_away_and_saves_positions(web: System) -> None:
    scenes.driver("dev")
    big = [Message("driver:stuck", "note", {"text": "x" * 16_000}) for _ in range(100)]
    with (
        another(web) as url,
        joined(url) as app,
        joined(url, "customer", "asha") as customer,
        joined(url, sub="stuck", max_queue=1, close_timeout=0.1),
    ):
        process = list(web.processes.values())[-1]
        heard(app)
        heard(customer)
        # Somebody who does not read must not hold up the stop.
        for _ in range(5):
            mailbox.put(big, NOW)
        say(app, "update_location", latitude=12.25, longitude=77.5)
        until(lambda: latitude("dev") == 12.25)
        before = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert [closed(app), closed(customer)] == [1001, 1001]
        assert time.monotonic() - before < 5
        # It goes on accepting for a moment: what it would close at once it does not open.
        with pytest.raises((InvalidStatus, OSError)), joined(url, sub="later"):
            pass
        assert process.wait(10) == 0
        with db.transaction() as connection:
            saved = connection.execute(text("SELECT last_latitude FROM drivers WHERE id = 'dev'"))
            assert saved.scalar_one() == 12.25


def test_a_killed_server_loses_nothing(web: System) -> None:
    with another(web) as url, joined(url) as app:
        process = list(web.processes.values())[-1]
        last = heard(app)["id"]
        note("a", "b")
        last = heard(app)["id"]
        os.killpg(process.pid, signal.SIGKILL)
        note("c")
        with joined(web.urls[1], query=f"?lastEventId={last}") as again:
            assert heard(again)["type"] == "connected"
            assert [heard(again)["data"]["key"], heard(again)["data"]["key"]] == ["b", "c"]


def test_a_socket_outlives_redis(web: System, tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    valkey = Valkey(tmp_path / "valkey", THROWAWAY_VALKEY)
    valkey.start()
    try:
        with another(web, REDIS_URL=valkey.url) as url, joined(url, sub="dev") as app:
            ids = [heard(app)["id"]]
            valkey.stop()
            say(app, "heartbeat")
            lost = heard(app)
            assert (lost["type"], lost["data"]["code"]) == ("error", "SERVICE_UNAVAILABLE")
            say(app, "accept_broadcast", orderId=UNKNOWN)
            refused = heard(app)
            assert (refused["type"], refused["data"]["code"]) == ("accept_confirmation", "NOT_OFFERED")
            with joined(url, sub="later") as later:
                assert heard(later)["data"]["code"] == "SERVICE_UNAVAILABLE"
                valkey.start()
                assert heard(later)["type"] == "connected"
            assert kept(app, url, ids)
            assert ids == sorted(set(ids))
    finally:
        valkey.stop()


def kept(app: ClientConnection, url: str, ids: list[int]) -> bool:
    """Whether the mailbox is in use again: an answer given on this socket comes on the next one too."""
    say(app, "accept_broadcast", orderId=UNKNOWN)
    while (frame := heard(app))["type"] != "accept_confirmation":
        ids.append(frame["id"])
    ids.append(frame["id"])
    with joined(url, sub="dev", query=f"?lastEventId={ids[-2]}") as again:
        heard(again)
        return heard(again) == frame


def test_a_socket_waits_for_postgres(web: System) -> None:
    with another(web, DATABASE_URL="postgresql://nobody@127.0.0.1:1/none") as url, joined(url) as app:
        assert heard(app)["data"]["code"] == "SERVICE_UNAVAILABLE"
        say(app, "accept_broadcast", orderId=UNKNOWN)
        assert heard(app)["data"]["code"] == "SERVICE_UNAVAILABLE"
