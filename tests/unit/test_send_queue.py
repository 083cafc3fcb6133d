"""Bytes go out whole and in order, and a sender never waits for the peer."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.system import until
from web.socket import send_queue
from web.socket.send_queue import MAX_UNSENT_BYTES, SendQueue

BIG = b"x" * 60_000


@contextmanager
def queue() -> Iterator[tuple[SendQueue, socket.socket]]:
    """Our end and the peer's; the kernel never waits for the peer, as on gevent."""
    peer, ours = socket.socketpair()
    with peer, ours:
        os.set_blocking(ours.fileno(), False)
        peer.settimeout(5)
        opened = SendQueue(ours)
        yield opened, peer
        opened.cut()
        opened.join()


def received(peer: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        found += peer.recv(65536) or pytest.fail(f"cut off after {len(found)} of {size} bytes")
    return found


def flushers() -> int:
    return sum(thread.name == "flusher" for thread in threading.enumerate())


def test_what_the_kernel_takes_needs_no_thread() -> None:
    with queue() as (ours, peer):
        ours.send(b"a")
        ours.send(b"b")
        assert flushers() == 0
        assert received(peer, 2) == b"ab"


def test_a_peer_that_does_not_read_holds_up_nobody_and_misses_nothing() -> None:
    with queue() as (stuck, slow), queue() as (other, quick):
        texts = [BIG + str(number).encode() for number in range(15)]
        before = time.monotonic()
        for text in texts:
            stuck.send(text)
        other.send(b"meanwhile")
        assert received(quick, 9) == b"meanwhile"
        assert time.monotonic() - before < send_queue.STALLED_SECONDS / 2
        assert flushers() == 1
        expected = b"".join(texts)
        assert received(slow, len(expected)) == expected
        assert not stuck.slow
        # The thread goes, and another one comes when it is needed again.
        until(lambda: flushers() == 0)
        for text in texts:
            stuck.send(text)
        assert received(slow, len(expected)) == expected


def test_a_peer_that_lets_too_much_wait_is_cut_off() -> None:
    with queue() as (ours, peer):
        for _ in range(2 * MAX_UNSENT_BYTES // len(BIG) + 10):
            ours.send(BIG)
        assert ours.slow
        found = 0
        while data := peer.recv(65536):
            found += len(data)
        assert found < MAX_UNSENT_BYTES


def test_a_peer_that_takes_nothing_for_long_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send_queue, "STALLED_SECONDS", 0.2)
    with queue() as (ours, _):
        for _ in range(15):
            ours.send(BIG)
        until(lambda: ours.slow)
        until(lambda: flushers() == 0)


def test_a_cut_ends_the_flusher_at_once() -> None:
    with queue() as (ours, _):
        for _ in range(15):
            ours.send(BIG)
        before = time.monotonic()
        ours.cut()
        ours.join()
        assert time.monotonic() - before < send_queue.STALLED_SECONDS / 2
        until(lambda: flushers() == 0)


def test_a_peer_that_is_gone_costs_the_sender_nothing() -> None:
    with queue() as (ours, peer):
        peer.close()
        for _ in range(3):
            ours.send(b"a")
        assert flushers() == 0
