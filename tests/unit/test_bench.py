"""What the bench reckons with: medians, CPU times, answers and frames that come in pieces."""

import socket
import subprocess
import sys
import threading
import time

import pytest

from models import geo
from tests.conftest import ROOT
from tools.bench import cpu, nearest, pieces
from tools.bench.arrivals import CONNECTIONS, Arrivals, evenly
from tools.bench.figures import Figure, costs, percentile
from tools.bench.http import Connection, Record, request
from tools.bench.loop import Loop
from tools.bench.sockets import Heard, connect

ORDER = b"0199a1b2-0000-7000-8000-000000000001"
ANSWER = (
    b"HTTP/1.1 201 CREATED\r\nLocation: /api/v1/orders/" + ORDER + b'\r\nContent-Length: 9\r\n\r\n{"a": 12}'
)
OFFER = b'{"type":"new_broadcast","id":1700,"data":{"orderId":"' + ORDER + b'"}}'


def test_a_figure_is_the_median_with_its_range() -> None:
    figure = Figure("ms", [3.0, 1.0, 250.0])
    assert figure.median == 3
    assert str(figure) == "3 (1 to 250) ms"


def test_percentiles_are_values_that_were_measured() -> None:
    assert [percentile(range(1, 101), share) for share in (0.5, 0.99)] == [51, 100]
    assert percentile([7.0], 0.99) == 7
    assert percentile([], 0.5) == 0


def test_what_is_due_just_before_the_end_is_done() -> None:
    loop, done = Loop(), list[float]()
    for _ in range(20):
        end = time.monotonic() + 0.005
        loop.at(end - 0.000_1, done.append)
        loop.run(end)
    loop.close()
    assert len(done) == 20


def test_costs_leave_the_client_out_of_the_servers() -> None:
    values = costs({"web": 1.0, "redis": 0.5, "client": 9.0}, 1000)
    assert {name: value for name, (value, _) in values.items()} == {
        "CPU web": 1.0,
        "CPU redis": 0.5,
        "CPU client": 9.0,
        "CPU servers": 1.5,
    }


def test_the_cpu_time_of_a_child_counts_while_it_lives_and_after_its_end() -> None:
    work = "import time\nwhile time.process_time() < 0.3: pass\n"
    parent = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {work!r}])\n"
    parent += "print(flush=True)\ninput()"
    process = subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    process.stdout.readline()
    # In ticks of 10 ms, of two processes.
    assert cpu.seconds({"web": [process.pid]})["web"] >= 0.28
    process.communicate("\n")


def test_a_process_belongs_to_the_nearest_head_above_it() -> None:
    work = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ninput()"
    parent = f"import subprocess, sys\nchild = subprocess.Popen([sys.executable, '-c', {work!r}])\n"
    parent += "print(child.pid, flush=True)\nchild.wait()"
    process = subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    child = int(process.stdout.readline())
    process.stdout.readline()
    used = cpu.seconds({"launcher": [process.pid], "web": [child]})
    assert used["web"] >= 0.28
    assert used["launcher"] < cpu.seconds({"launcher": [process.pid]})["launcher"] - 0.2
    process.communicate("\n")


@pytest.fixture
def server() -> socket.socket:
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(5)
    return listening


def test_an_answer_that_comes_in_pieces_is_one_answer(server: socket.socket) -> None:
    with server:
        loop, record = Loop(), Record()
        line = Connection(loop, server.getsockname()[1], record, lambda _, __: None)
        peer, _ = server.accept()
        line.send(request("/api/v1/orders", "token", b"{}", "key"), time.monotonic())
        assert peer.recv(4096).endswith(b"Content-Length: 2\r\n\r\n{}")
        for piece in (ANSWER[:60], ANSWER[60:-3]):
            peer.sendall(piece)
            loop.run(time.monotonic() + 0.02)
            assert record.answers == 0
        peer.sendall(ANSWER[-3:])
        loop.run(time.monotonic() + 5, lambda: not line.busy)
        assert record.statuses == {201: 1}
        assert list(record.sent) == [ORDER]
        peer.close()
        loop.close()


def test_a_connection_that_ends_before_the_answer_is_counted_as_cut(server: socket.socket) -> None:
    with server:
        loop, record = Loop(), Record()
        line = Connection(loop, server.getsockname()[1], record, lambda _, __: None)
        peer, _ = server.accept()
        line.send(b"POST", time.monotonic())
        peer.close()
        loop.run(time.monotonic() + 5, lambda: not line.busy)
        assert (record.cut, record.answers) == (1, 0)
        loop.close()


def test_offers_in_pieces_and_in_one_piece_are_counted_by_order(server: socket.socket) -> None:
    with server:
        server_side: list[socket.socket] = []
        loop, heard = Loop(), Heard()
        port = server.getsockname()[1]

        def answer() -> None:
            peer, _ = server.accept()
            peer.recv(4096)
            peer.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
            server_side.append(peer)

        thread = threading.Thread(target=answer)
        thread.start()
        [driver] = connect(loop, port, ["token"], heard)
        thread.join()
        frame = bytes([0x81, len(OFFER)]) + OFFER
        for piece in (frame[:5], frame[5:] + frame):
            server_side[0].sendall(piece)
            loop.run(time.monotonic() + 0.05)
        assert heard.counts == {ORDER: 2}
        driver.acknowledge()
        assert b'"id": 1700' in server_side[0].recv(4096)
        server_side[0].close()
        loop.run(time.monotonic() + 5, lambda: heard.closed == 1)
        assert driver.gone
        loop.close()


def test_searches_are_the_same_by_distance_and_may_differ_at_the_very_edge() -> None:
    land = nearest.LANDS[0]
    theirs = [km * nearest.REDIS_RADIUS_KM / geo.EARTH_RADIUS_KM for km in (1.0, 2.0)]
    assert nearest._same([1.0, 2.0], theirs, land)
    assert nearest._same([1.0, 2.0, 4.999], theirs, land)
    assert not nearest._same([1.0, 2.0, 4.9], theirs, land)
    assert not nearest._same([1.0, 2.01], theirs, land)


def test_an_arrival_that_finds_connections_busy_takes_the_next_free_one(server: socket.socket) -> None:
    with server:
        loop, record = Loop(), Record()
        arrivals = Arrivals(loop, server.getsockname()[1], record, lambda: b"POST")
        peers = [server.accept()[0] for _ in range(CONNECTIONS)]
        wanted = CONNECTIONS + 1
        arrivals.schedule(evenly(time.monotonic(), 1000.0, wanted))
        loop.run(time.monotonic() + 0.2)
        assert [peer.recv(4096) for peer in peers] == [b"POST"] * CONNECTIONS
        peers[0].sendall(ANSWER)
        loop.run(time.monotonic() + 5, lambda: record.answers == 1)
        # The last one was due when all were busy: it goes out now.
        assert peers[0].recv(4096) == b"POST"
        for peer in peers:
            peer.sendall(ANSWER)
        arrivals.finish(time.monotonic() + 5)
        assert record.statuses == {201: wanted}
        assert record.seconds[-1] > 0.05
        arrivals.close()
        loop.close()
        for peer in peers:
            peer.close()


@pytest.mark.parametrize("piece", pieces.PIECES)
def test_each_piece_that_the_bench_takes_out_is_there(piece: str) -> None:
    for name, old, _ in pieces.PIECES[piece]:
        assert (ROOT / name).read_text().count(old) == 1, f"{name} has changed: update tools/bench/pieces.py"
