"""The frames that we make and read ourselves are those of the library that reads the others."""

import socket
from random import Random

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, Ping, Pong, TextMessage

from tests.fuzz.frames import frame
from web.connection import Violation, WebSocket
from web.frames import PING, PONG, close_frame, control_frame, plain_frames, text_frame

TEXT_AND_PONG = frame(b'{"type":"heartbeat"}') + frame(b"", opcode=10)


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65535, 65536, 70000])
@pytest.mark.parametrize("letter", ["a", "é", "\U0001f69a"])
def test_a_text_is_framed_as_the_library_frames_it(length: int, letter: str) -> None:
    width = len(letter.encode())
    text = letter * (length // width) + "a" * (length % width)
    assert text_frame(text) == Connection(ConnectionType.SERVER).send(TextMessage(text))


def test_control_frames_are_those_of_the_library() -> None:
    library = Connection(ConnectionType.SERVER)
    assert control_frame(PING) == library.send(Ping())
    assert control_frame(PONG, b"x" * 125) == library.send(Pong(b"x" * 125))
    assert close_frame(1008, "too many messages") == library.send(CloseConnection(1008, "too many messages"))


def heard(pieces: list[bytes]) -> list[str | bytes | Violation]:
    """What a WebSocket hears of these packets."""
    here, there = socket.socketpair()
    with here, there:
        web_socket, found = WebSocket(there), list[str | bytes | Violation]()
        for piece in pieces:
            here.sendall(piece)
        here.shutdown(socket.SHUT_WR)
        for event in web_socket.received():
            found.append(bytes(event.payload) if isinstance(event, Ping | Pong) else event)
        return found


@pytest.mark.parametrize("length", [0, 1, 3, 4, 5, 125, 126, 127, 4000])
def test_a_plain_frame_is_unmasked(length: int) -> None:
    payload = Random(length).randbytes(length)
    sent = frame(payload) + frame(payload[:125], opcode=10)
    assert [(one, two) for one, two, _ in plain_frames(sent)] == [(1, payload), (10, payload[:125])]


@pytest.mark.parametrize(
    "other",
    [
        frame(b"ab", first_bits=0) + frame(b"c", opcode=0),  # a message in two fragments
        frame(b"x" * 5000),  # longer than what is read at a time
        frame("é".encode() * 3),
        frame(b"again", opcode=9),
    ],
)
def test_whatever_comes_between_plain_frames_nothing_is_lost_or_moved(other: bytes) -> None:
    sent = TEXT_AND_PONG + other + TEXT_AND_PONG
    expected = heard([sent])
    assert expected[:2] == ['{"type":"heartbeat"}', b""]
    assert expected[-2:] == ['{"type":"heartbeat"}', b""]
    assert len(expected) == 5
    # However the network cuts it.
    for at in range(0, len(TEXT_AND_PONG) + 12):
        assert heard([sent[:at], sent[at:]]) == expected


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (frame(b"\xff\xfe"), 1007),
        (frame(b"{}", mask=False), 1002),
        (frame(b"{}", first_bits=0xC0), 1009),
        (frame(b"x" * 126, opcode=9), 1002),
        (bytes((0x81, 0xFE, 0, 5)) + bytes(9), 1002),  # a short length said in the long form
        (frame(b"", opcode=2), 1003),
    ],
)
def test_what_is_wrong_after_plain_frames_has_its_code(wrong: bytes, code: int) -> None:
    found = heard([TEXT_AND_PONG + wrong + TEXT_AND_PONG])
    assert found[:2] == ['{"type":"heartbeat"}', b""]
    assert [one.code for one in found[2:] if isinstance(one, Violation)] == [code]
    assert len(found) == 3
