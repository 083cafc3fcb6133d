"""Why `web/socket/websocket.py` corrects its libraries: a test that fails here names what can leave there.

flask-sock 0.7.0, simple-websocket 1.1.0, wsproto 1.3.2.
"""

import inspect
import socket
import struct
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import flask_sock  # type: ignore[import-untyped]
import pytest
import simple_websocket  # type: ignore[import-untyped]
from flask import Flask, has_request_context
from wsproto import WSConnection
from wsproto.connection import Connection, ConnectionType
from wsproto.events import AcceptConnection, CloseConnection

from tests.fuzz.frames import frame
from tests.upgraded import KEY
from web.socket.websocket import COMPRESSED

UPGRADE = {
    "HTTP_HOST": "weelo",
    "HTTP_CONNECTION": "Upgrade",
    "HTTP_UPGRADE": "websocket",
    "HTTP_SEC_WEBSOCKET_VERSION": "13",
    "HTTP_SEC_WEBSOCKET_KEY": KEY,
}


@contextmanager
def plain(**headers: str) -> Iterator[tuple[Any, socket.socket]]:
    """The library's server as it comes, and its peer."""
    peer, ours = socket.socketpair()
    with peer, ours:
        peer.settimeout(5)
        server = simple_websocket.Server(
            {"gunicorn.socket": ours, **UPGRADE, **headers}, max_message_size=65536
        )
        yield server, peer
        peer.close()
        server.thread.join(5)


def test_it_starts_a_thread_for_each_socket() -> None:
    before = threading.active_count()
    with plain():
        assert threading.active_count() == before + 1


def test_it_agrees_to_compress() -> None:
    with plain(HTTP_SEC_WEBSOCKET_EXTENSIONS="permessage-deflate") as (_, peer):
        assert b"permessage-deflate" in peer.recv(4096)


def test_it_raises_for_a_header_that_gunicorn_lets_through() -> None:
    with pytest.raises(Exception, match="Bad HTTP message"), plain(HTTP_X_ODD="a\x0bb"):
        pass


def test_its_answer_carries_no_header_of_ours() -> None:
    assert "headers" not in inspect.signature(simple_websocket.Server.__init__).parameters
    with plain() as (_, peer):
        assert b"x-request-id" not in peer.recv(4096).lower()


def test_it_takes_binary_messages() -> None:
    with plain() as (server, peer):
        peer.sendall(frame(b"\x00", opcode=2))
        assert server.receive(timeout=5) == b"\x00"


def test_it_limits_characters_and_not_bytes() -> None:
    with plain() as (server, peer):
        peer.sendall(frame("é".encode() * 60_000))
        assert len(server.receive(timeout=5)) == 60_000


def test_it_takes_any_number_of_fragments_and_of_messages() -> None:
    with plain() as (server, peer):
        peer.sendall(
            frame(b"", first_bits=0) + frame(b"", opcode=0, first_bits=0) * 1000 + frame(b"x", opcode=0)
        )
        assert server.receive(timeout=5) == "x"
        peer.sendall(frame(b"{}") * 1000)
        for _ in range(1000):
            assert server.receive(timeout=5) == "{}"


def test_it_answers_a_close_with_the_peers_own_code() -> None:
    with plain() as (_, peer):
        peer.recv(4096)
        peer.sendall(frame(struct.pack("!H", 4999), opcode=8))
        assert peer.recv(4096) == b"\x88\x02" + struct.pack("!H", 4999)


def test_it_takes_a_partial_write_for_a_whole_one() -> None:
    """miguelgrinberg/simple-websocket#45."""
    with plain() as (server, _):

        class Slow:
            def send(self, data: bytes) -> int:
                written.append(data[:10])
                return 10

        written: list[bytes] = []
        library_socket, server.sock = server.sock, Slow()
        server.send("x" * 100)
        server.sock = library_socket
        assert sum(map(len, written)) == 10


def test_wsproto_reports_a_compressed_frame_as_a_wrong_one_and_keeps_what_it_no_longer_parses() -> None:
    connection = Connection(ConnectionType.SERVER)
    connection.receive_data(frame(b"{}", first_bits=0xC0))
    (event,) = connection.events()
    assert isinstance(event, CloseConnection)
    assert (event.code, event.reason) == (1002, COMPRESSED)
    tracemalloc.start()
    try:
        connection.receive_data(bytes(1_000_000))
        assert list(connection.events()) == []
        assert tracemalloc.get_traced_memory()[0] > 1_000_000
    finally:
        tracemalloc.stop()


def test_wsprotos_handshake_is_given_its_headers_by_the_event_alone() -> None:
    assert "extra_headers" in inspect.signature(AcceptConnection).parameters
    assert "headers" not in inspect.signature(WSConnection.__init__).parameters


def test_flask_sock_holds_the_conversation_inside_the_request_and_with_its_own_server() -> None:
    app, seen = Flask(__name__), []
    sock = flask_sock.Sock(app)

    @sock.route("/ws")  # type: ignore[untyped-decorator]
    def converse(server: Any) -> None:
        seen.append((has_request_context(), type(server)))

    peer, ours = socket.socketpair()
    with peer, ours, pytest.raises(StopIteration):
        app.test_client().get("/ws", environ_overrides={**UPGRADE, "gunicorn.socket": ours})
    assert seen == [(True, simple_websocket.Server)]
