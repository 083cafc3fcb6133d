"""What the Python client's sockets remember, and when they reconnect."""

import json
import random

import pytest
from weelo_client import Event, Replaced, SocketEnded, SocketRefused, TokenExpired
from weelo_client.stream import ACKNOWLEDGE_AT_MOST, Stream


def text(number: int, kind: str = "new_broadcast") -> str:
    return json.dumps({"type": kind, "id": number, "at": "2026-01-31T12:00:00.000Z", "data": {}})


def read(stream: Stream, number: int, kind: str = "new_broadcast") -> Event:
    event = stream.read(text(number, kind))
    assert event is not None
    return event


def test_a_frame_that_comes_twice_is_read_once() -> None:
    stream = Stream()
    read(stream, 100)
    assert stream.read(text(100)) is None
    assert stream.read(text(200)) is not None


def test_only_what_the_app_has_finished_with_is_acknowledged_and_all_at_once() -> None:
    stream = Stream()
    events = [read(stream, number) for number in (100, 200, 300)]
    assert stream.acknowledgement(idle=True) is None
    stream.finished(events[0])
    stream.finished(events[1])
    assert stream.acknowledgement(idle=False) is None
    sent = stream.acknowledgement(idle=True)
    assert json.loads(sent or "") == {"type": "broadcast_ack", "data": {"id": 200}}
    assert stream.acknowledgement(idle=True) is None
    assert stream.address("http://host:1").endswith("/api/v1/ws?lastEventId=200")


def test_a_busy_stream_is_acknowledged_now_and_then() -> None:
    stream = Stream()
    due = []
    for number in range(ACKNOWLEDGE_AT_MOST):
        due.append(stream.acknowledgement(idle=False))
        stream.finished(read(stream, number + 1))
    assert set(due) == {None}
    assert stream.acknowledgement(idle=False) is not None


def test_connected_is_never_acknowledged_since_older_frames_may_follow() -> None:
    stream = Stream()
    stream.finished(read(stream, 500, "connected"))
    assert stream.last_event_id is None
    assert stream.address("https://host") == "wss://host/api/v1/ws"


@pytest.mark.parametrize("code", [None, 1000, 1001, 1006, 1011])
def test_it_reconnects_after_a_lost_connection(code: int | None) -> None:
    assert 0.1 <= Stream(dice=random.Random(1)).lost(code) <= 0.3


def test_pauses_grow_until_it_is_connected_again() -> None:
    stream = Stream(dice=random.Random(1))
    pauses = [stream.lost(None) for _ in range(10)]
    assert 5 <= pauses[-1] <= 15
    read(stream, 1, "connected")
    assert stream.lost(1001) <= 0.3


def test_after_a_flood_it_rests() -> None:
    assert Stream(dice=random.Random(1)).lost(1008) >= 2.5


@pytest.mark.parametrize(("code", "error"), [(4401, TokenExpired), (4409, Replaced), (1009, SocketEnded)])
def test_it_stays_away_where_coming_back_would_be_wrong(code: int, error: type[SocketEnded]) -> None:
    with pytest.raises(error) as raised:
        Stream().lost(code, "why")
    assert (raised.value.code, raised.value.reason) == (code, "why")


def test_the_handshake_is_tried_again_unless_the_refusal_is_final() -> None:
    said = b'{"success": false, "error": {"code": "SOME_CODE", "message": "why"}}'
    assert Stream().refused(502, said) > 0
    assert Stream().refused(429, said) > 0
    with pytest.raises(TokenExpired):
        Stream().refused(401, said)
    with pytest.raises(SocketRefused):
        Stream().refused(403, said)


@pytest.mark.parametrize("status", [401, 403, 404, 426, 429, 502])
@pytest.mark.parametrize("body", [b"", b"<html>", b'{"message": "Forbidden"}', b"\xff"])
def test_a_gateways_refusal_of_the_handshake_is_never_final(status: int, body: bytes) -> None:
    assert Stream().refused(status, body) > 0
