"""Incoming frames: whole messages for the receiver, and a close code for whatever is wrong."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from simple_websocket import ConnectionClosed  # type: ignore[import-untyped]

from tests.fuzz.frames import frame
from tests.upgraded import accepted
from web.socket.websocket import FLOOD_MESSAGES, MAX_FRAGMENTS, MAX_MESSAGE_BYTES, WebSocket

HEARTBEAT = '{"type":"heartbeat"}'
HELLO = frame(HEARTBEAT.encode()) + frame(b"", opcode=10)


@contextmanager
def connected(**headers: str) -> Iterator[tuple[WebSocket, socket.socket, bytes]]:
    """Our end, the peer's, and the 101."""
    peer, ours = socket.socketpair()
    with peer, ours:
        peer.settimeout(5)
        web_socket = accepted(ours, **headers)
        yield web_socket, peer, peer.recv(4096)


def heard(*packets: bytes) -> tuple[list[str], bytes]:
    """The messages that are received of these packets, and what the peer was sent."""
    with connected() as (web_socket, peer, _):
        messages = []

        def send() -> None:
            for packet in packets:
                peer.sendall(packet)
            peer.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        with suppress(ConnectionClosed):
            while True:
                messages.append(web_socket.receive())
        web_socket.await_close()
        sender.join()
        web_socket.cut()
        return messages, peer.recv(4096)


def close_code(sent: bytes) -> int:
    assert sent[0] == 0x88
    return int(struct.unpack("!H", sent[2:4])[0])


def test_the_101_names_the_request_and_agrees_to_nothing_but_the_subprotocol() -> None:
    offered = {
        "HTTP_SEC_WEBSOCKET_PROTOCOL": "bearer, token",
        "HTTP_SEC_WEBSOCKET_EXTENSIONS": "permessage-deflate",
        # h11 refuses a vertical tab with an exception.
        "HTTP_X_ODD": "a\x0bb",
    }
    with connected(**offered) as (_, _, head):
        status, *lines = head.decode().removesuffix("\r\n\r\n").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        assert status.startswith("HTTP/1.1 101 ")
        assert headers == {
            "upgrade": "websocket",
            "connection": "upgrade",
            "sec-websocket-accept": "icx+yqv66kxgm0fcwalwlflwtai=",
            "sec-websocket-protocol": "bearer",
            "x-request-id": "request",
        }
    with connected() as (_, _, head):
        assert b"sec-websocket-protocol" not in head.lower()


@pytest.mark.parametrize("length", [0, 1, 125, 126, 4096, MAX_MESSAGE_BYTES])
def test_a_message_is_received_however_the_network_cuts_it(length: int) -> None:
    text = ("é" * length)[: length // 2] + "a" * (length % 2)
    sent = HELLO + frame(text.encode()) + HELLO
    for at in {0, 1, 3, 10, len(HELLO) + 1, len(HELLO) + 5, len(sent) // 2}:
        assert heard(sent[:at], sent[at:])[0] == [HEARTBEAT, text, HEARTBEAT]


def test_fragments_with_a_ping_between_them_are_one_message_and_a_pong() -> None:
    parts = [
        frame("é".encode()[:1], first_bits=0),
        frame(b"again", opcode=9),
        frame("é".encode()[1:], opcode=0),
    ]
    messages, sent = heard(*parts)
    assert messages == ["é"]
    assert sent == b"\x8a\x05again"


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (frame(b"\xff\xfe"), 1007),
        (frame(b"{}", mask=False), 1002),
        (frame(b"{}", first_bits=0xC0), 1009),
        (frame(b"x" * 126, opcode=9), 1002),
        (bytes((0x81, 0xFE, 0, 5)) + bytes(9), 1002),  # a short length in the long form
        (frame(b"", opcode=2), 1003),
        (frame(b"x" * (MAX_MESSAGE_BYTES + 1)), 1009),
        (frame("é".encode() * (MAX_MESSAGE_BYTES // 2 + 1)), 1009),  # fewer characters than bytes
        (frame(b"x", first_bits=0) + frame(b"x", opcode=0, first_bits=0) * MAX_FRAGMENTS, 1009),
        (frame(b"{}") * (FLOOD_MESSAGES + 1), 1008),
        (frame(b"", opcode=9) * (FLOOD_MESSAGES + 1), 1008),
        (frame(b"", opcode=10) * (FLOOD_MESSAGES + 1), 1008),
    ],
)
def test_what_is_wrong_closes_with_its_code_once_and_nothing_after_it_is_received(
    wrong: bytes, code: int
) -> None:
    messages, sent = heard(HELLO, wrong, HELLO)
    assert messages[0] == HEARTBEAT
    assert messages.count(HEARTBEAT) == 1
    assert len(messages) <= FLOOD_MESSAGES
    closing = sent[sent.index(b"\x88") :]
    assert close_code(closing) == code
    assert len(closing) == 2 + closing[1]


def test_a_close_of_the_peer_is_answered_and_what_came_before_it_is_received() -> None:
    for payload in (b"", struct.pack("!H", 1001), struct.pack("!H", 4999) + b"odd"):
        messages, sent = heard(HELLO + frame(payload, opcode=8) + HELLO)
        assert messages == [HEARTBEAT]
        assert sent == b"\x88\x02" + struct.pack("!H", 1000)


def test_after_our_close_nothing_is_received_or_sent_and_the_peers_own_close_ends_it() -> None:
    with connected() as (web_socket, peer, _):
        web_socket.close(4409, "replaced")
        web_socket.close(1008, "another reason")
        web_socket.send("late")
        web_socket.ping()
        peer.sendall(HELLO)
        with pytest.raises(ConnectionClosed):
            web_socket.receive()
        peer.sendall(HELLO + frame(struct.pack("!H", 4409), opcode=8))
        web_socket.await_close()
        sent = peer.recv(4096)
        assert close_code(sent) == 4409
        assert len(sent) == 2 + sent[1]
