"""Frames go out in turn, and whoever sends waits for no peer and no store."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.system import until
from web import outgoing, writers
from web.connection import WebSocket
from web.frames import close_frame, text_frame
from web.outgoing import MAX_QUEUED, Outgoing

BIG = "x" * 60_000


class Line(Outgoing[str | threading.Event]):
    """Sends texts; an event in between has to be waited for."""

    def __init__(self, web_socket: WebSocket) -> None:
        super().__init__(web_socket, "driver:dev")
        self.by: list[int] = []

    def send(self, *work: str | threading.Event) -> None:
        self._submit(*work)

    def _do(self, work: str | threading.Event) -> None:
        self.by.append(threading.get_ident())
        if isinstance(work, str):
            self._texts.append(work)
        else:
            work.wait(10)

    def _must_wait(self, work: str | threading.Event) -> bool:
        return not isinstance(work, str)


@contextmanager
def line() -> Iterator[tuple[Line, socket.socket]]:
    """Our end and the peer's; the kernel never waits for the peer, as on gevent."""
    here, there = socket.socketpair()
    with here, there:
        ours = WebSocket(there)
        os.set_blocking(there.fileno(), False)
        here.settimeout(5)
        yield Line(ours), here
    writers.stop()


def received(peer: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        found += peer.recv(65536) or pytest.fail(f"cut off after {len(found)} of {size} bytes")
    return found


def test_what_the_kernel_takes_is_sent_by_whoever_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "start", lambda _: pytest.fail("a writer for nothing"))
    with line() as (ours, peer):
        ours.send("a", "b")
        ours.close(1000, "")
        expected = text_frame("a") + text_frame("b") + close_frame(1000, "")
        assert received(peer, len(expected)) == expected
        assert ours.by == [threading.get_ident()] * 2
        ours.end()


def test_a_peer_that_does_not_read_holds_up_nobody_and_misses_nothing() -> None:
    with line() as (stuck, slow), line() as (other, quick):
        texts = [BIG + str(number) for number in range(30)]
        before = time.monotonic()
        for text in texts:
            stuck.send(text)
        other.send("meanwhile")
        assert received(quick, 11) == text_frame("meanwhile")
        assert time.monotonic() - before < 1
        expected = b"".join(map(text_frame, texts))
        assert received(slow, len(expected)) == expected
        stuck.end()
        other.end()


def test_what_comes_while_a_store_is_asked_waits_in_turn() -> None:
    with line() as (ours, peer):
        answered = threading.Event()
        ours.send("before", answered, "after")
        ours.send("later")
        assert received(peer, 8) == text_frame("before")
        answered.set()
        expected = text_frame("after") + text_frame("later")
        assert received(peer, len(expected)) == expected
        assert threading.get_ident() not in ours.by[1:]
        ours.end()


def test_whoever_lets_too_much_wait_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    with line() as (ours, peer):
        for _ in range(30):
            ours.send(BIG)
        for _ in range(MAX_QUEUED + 1):
            ours.send("more")
        assert ours.closing
        found = 0
        while data := peer.recv(65536):
            found += len(data)
        assert found < 30 * len(BIG)
        ours.end()


def test_the_reader_waits_for_whoever_is_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "CLOSE_SECONDS", 0.1)
    with line() as (ours, peer):
        answered = threading.Event()
        ours.send(answered)
        ending = threading.Thread(target=ours.end)
        ending.start()
        ending.join(0.3)
        assert ending.is_alive()
        answered.set()
        ending.join(5)
        assert not ending.is_alive()
        assert peer.recv(100) == b""


def test_a_close_waits_for_the_frame_before_it_and_the_first_reason_counts() -> None:
    with line() as (ours, peer):
        for _ in range(10):
            ours.send(BIG)
        ours.close(1001, "one")
        ours.close(1008, "two")
        found, ending = b"", close_frame(1001, "one")
        while not found.endswith(ending):
            found += peer.recv(65536) or pytest.fail("no close frame")
        until(lambda: ours.due_at < float("inf"))
        ours.end()
