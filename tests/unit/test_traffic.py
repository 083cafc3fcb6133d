"""Counts that the processes of one web server share: exact, bounded, and never falling."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from server import counts
from tests.conftest import ROOT
from web.http.request_counters import UNMATCHED, SharedCounters

SHOW = ("GET", "/api/v1/orders/<order_id>")
REQUESTS = "weelo_http_requests_total"
DURATIONS = "weelo_http_request_duration_seconds"
LIMITS = ("0.01", "0.025", "10.0", "+Inf")

TELL = """
import json
samples = [one for metric in counters.collect() for one in metric.samples]
print(json.dumps([(one.name, sorted(one.labels.items()), one.value) for one in samples]))
"""

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples_of(counters: SharedCounters) -> Samples:
    found = [sample for metric in counters.collect() for sample in metric.samples]
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in found}


def figure(found: Samples, name: str, **labels: str) -> float:
    return found[name, tuple(sorted(labels.items()))]


class Processes:
    """Processes that count together, one after the other: each tells what it sees, or is killed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def count(self, slot: int, code: str) -> Samples:
        """What a process in this slot tells after it has run this code."""
        told = self._run(slot, code + TELL)
        assert told.returncode == 0, told.stderr
        return {
            (name, tuple((k, v) for k, v in labels)): value for name, labels, value in json.loads(told.stdout)
        }

    def count_and_die(self, slot: int, code: str) -> None:
        died = self._run(slot, code + "\nimport os, signal; os.kill(os.getpid(), signal.SIGKILL)")
        assert died.returncode == -signal.SIGKILL, died.stderr

    def _run(self, slot: int, code: str) -> subprocess.CompletedProcess[str]:
        begin = f"from server import counts; counts.take_slot({slot})\n"
        begin += "from web.http.request_counters import counters\n"
        return subprocess.run(
            [sys.executable, "-c", begin + code],
            env={**os.environ, counts.DIRECTORY: str(self._directory)},
            cwd=ROOT,
            capture_output=True,
            text=True,
        )


@pytest.fixture
def processes(tmp_path: Path) -> Processes:
    return Processes(tmp_path)


def test_a_request_is_counted_under_its_route_its_status_and_its_bucket() -> None:
    counters = SharedCounters()
    for status, seconds in ((200, 0.02), (404, 0.02), (200, 60.0)):
        counters.count(SHOW, status, seconds)
    found = samples_of(counters)
    method, route = SHOW
    assert figure(found, REQUESTS, method=method, route=route, status="200") == 2
    assert figure(found, REQUESTS, method=method, route=route, status="404") == 1
    buckets = {le: figure(found, DURATIONS + "_bucket", method=method, route=route, le=le) for le in LIMITS}
    assert buckets == {"0.01": 0, "0.025": 2, "10.0": 2, "+Inf": 3}
    assert figure(found, DURATIONS + "_count", method=method, route=route) == 3
    assert figure(found, DURATIONS + "_sum", method=method, route=route) == pytest.approx(60.04)


def test_statuses_that_are_unknown_are_counted_together() -> None:
    counters = SharedCounters()
    for status in (418, 419):
        counters.count(UNMATCHED, status, 0.1)
    method, route = UNMATCHED
    assert figure(samples_of(counters), REQUESTS, method=method, route=route, status="other") == 2


def test_every_process_tells_of_all(processes: Processes) -> None:
    processes.count(0, f"counters.count({SHOW}, 200, 0.01); counters.connected('driver', +1)")
    found = processes.count(1, f"counters.count({SHOW}, 200, 0.01); counters.connected('customer', +1)")
    method, route = SHOW
    assert figure(found, REQUESTS, method=method, route=route, status="200") == 2
    assert figure(found, DURATIONS + "_count", method=method, route=route) == 2
    assert figure(found, "weelo_sockets", role="driver") == 1
    assert figure(found, "weelo_sockets", role="customer") == 1


def test_a_new_process_goes_on_counting_where_the_dead_one_ended_and_has_none_of_its_sockets(
    processes: Processes,
) -> None:
    count = f"counters.count({SHOW}, 200, 0.01); counters.let_through('reads'); counters.refused('full')"
    processes.count_and_die(0, count + "; counters.connected('driver', +1)")
    found = processes.count(0, count)
    method, route = SHOW
    assert figure(found, REQUESTS, method=method, route=route, status="200") == 2
    assert figure(found, "weelo_limit_uncounted_total", limit="reads") == 2
    assert figure(found, "weelo_orders_refused_total", reason="full") == 2
    assert figure(found, "weelo_sockets", role="driver") == 0


def test_what_was_never_counted_is_shown_as_zero(processes: Processes) -> None:
    for found in (samples_of(SharedCounters()), processes.count(0, "")):
        for limit in ("orders", "reads"):
            assert figure(found, "weelo_limit_uncounted_total", limit=limit) == 0
        for reason in ("full", "behind", "gone"):
            assert figure(found, "weelo_orders_refused_total", reason=reason) == 0
        assert not [name for name, _ in found if name.endswith("_created")]


def test_a_server_removes_its_directory_and_what_killed_servers_have_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "MEMORY", str(tmp_path))
    # To be restored after the test.
    monkeypatch.setenv(counts.DIRECTORY, "")
    ended = subprocess.Popen(["true"])
    ended.wait()
    killed, running, before_us = (
        tmp_path / f"weelo-counts-{pid}-x" for pid in (ended.pid, os.getppid(), os.getpid())
    )
    strange = tmp_path / "weelo-counts-of-nobody"
    for left in (killed, running, before_us, strange):
        left.mkdir()
    counts.make_directory()
    made = counts.directory()
    assert made is not None
    assert {str(path) for path in tmp_path.iterdir()} == {made, str(running)}
    counts.remove_directory()
    assert list(tmp_path.iterdir()) == [running]
    assert counts.directory() is None
