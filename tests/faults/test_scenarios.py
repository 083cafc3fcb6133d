"""One fault at a time, by name: what must hold while one thing dies, and how soon it works again."""

import asyncio
import json
import shutil
import signal
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import cast

import psycopg2
import pytest
import redis

from tests.faults.apps import (
    RECOVERY_SECONDS,
    admissions_of,
    frozen,
    keep_asking,
    order,
    order_many,
    orders_of,
    placed,
    works,
)
from tests.faults.faults import send_signal
from tests.faults.fleet import Fleet
from tests.faults.http import Answer, Cut, Refused
from tests.faults.proxy import between
from tests.faults.verdict import rows
from tests.system import Person, hear, on_duty, until
from tools.local.stores import THROWAWAY_POSTGRES, Postgres

pytestmark = [pytest.mark.long, pytest.mark.timeout(90)]

ORDERS = ("orders1", "orders2")
SWEEPS = ("sweeps1", "sweeps2")
# While Redis is away nobody waits longer than this for an answer.
WITHOUT_REDIS_SECONDS = 4.0
MANY = 20


def ports(fleet: Fleet) -> tuple[int, int]:
    return fleet.port("web1"), fleet.port("web2")


def many(name: str) -> list[str]:
    return [f"{name}-{number}" for number in range(MANY)]


def accepted(answers: list[Answer | Cut]) -> bool:
    return all(isinstance(answer, Answer) and answer.status in (201, 202) for answer in answers)


@pytest.mark.parametrize("what", ["group", "child"])
def test_worker_killed_with_orders_in_hand(fleet: Fleet, name: str, what: str) -> None:
    for worker in ORDERS:
        fleet.settle(worker)
    with ThreadPoolExecutor(1) as pool:
        answers = pool.submit(order_many, ports(fleet), many(name))
        if what == "group":
            for worker in ORDERS:
                fleet.kill(worker)
            for worker in ORDERS:
                fleet.launch(worker)
        else:
            for worker in ORDERS:
                for child in fleet.children(worker):
                    send_signal(child, signal.SIGKILL)
        assert accepted(answers.result())
    placed(fleet, many(name), 10)
    works(fleet, ports(fleet)[0], name + "-new", 10)


def test_web_process_killed_between_the_commit_and_the_answer(fleet: Fleet, name: str) -> None:
    killed, other = ports(fleet)
    with frozen(fleet, *ORDERS, *SWEEPS), ThreadPoolExecutor(1) as pool:
        cut = pool.submit(order, killed, name)
        until(lambda: admissions_of(fleet, name), what="not committed")
        fleet.kill("web1")
        with pytest.raises(Cut):
            cut.result()
    try:
        answer = keep_asking(other, name)
        assert answer.data["order"]["id"] == admissions_of(fleet, name)[0].order_id
        again = order(other, name)
        assert (again.status, again.body) == (answer.status, answer.body)
        assert len(orders_of(fleet, name)) == 1
    finally:
        fleet.launch("web1")
    works(fleet, killed, name + "-new", 10)


def test_sockets_of_a_killed_web_process_resume_at_the_other(fleet: Fleet, name: str) -> None:
    killed, other = (f"http://127.0.0.1:{port}" for port in ports(fleet))
    driver = on_duty(killed, name, vehicle=("TRUCK", name.upper()))
    try:
        with driver.socket(killed) as socket:
            seen = hear(socket, "connected")["id"]
            fleet.kill("web1")
            offered = order(ports(fleet)[1], name, "k", name.upper())
            with pytest.raises(Exception, match="close"):
                hear(socket, "new_broadcast")
        with driver.socket(other, f"?lastEventId={seen}") as socket:
            frame = hear(socket, "new_broadcast", 2)
            assert frame["data"]["orderId"] == offered.data["order"]["id"]
            assert frame["id"] > seen
    finally:
        fleet.launch("web1")
    works(fleet, ports(fleet)[0], name + "-new", 10)


def test_redis_killed_and_started_again(fleet: Fleet, name: str) -> None:
    fleet.valkey.kill()
    try:
        answers = order_many(ports(fleet), many(name))
        begun = time.monotonic()
        last = order(ports(fleet)[0], name)
        assert time.monotonic() - begun < WITHOUT_REDIS_SECONDS
    finally:
        fleet.valkey.start()
    assert accepted([*answers, last])
    placed(fleet, [*many(name), name], 10)
    assert works(fleet, ports(fleet)[0], name + "-new") < RECOVERY_SECONDS


def test_worker_children_killed_around_the_loss_of_redis(fleet: Fleet, name: str) -> None:
    for worker in ORDERS:
        fleet.settle(worker)
        send_signal(fleet.children(worker)[0], signal.SIGKILL)
    fleet.valkey.kill()
    try:
        for worker in ORDERS:
            for child in fleet.children(worker):
                send_signal(child, signal.SIGKILL)
        answers = order_many(ports(fleet), many(name))
    finally:
        fleet.valkey.start()
    assert accepted(answers)
    placed(fleet, many(name), 10)
    works(fleet, ports(fleet)[0], name + "-new")


@pytest.mark.parametrize("how", ["SIGSTOP", "CLIENT PAUSE"])
def test_redis_frozen(fleet: Fleet, name: str, how: str) -> None:
    if how == "SIGSTOP":
        fleet.valkey.kill(signal.SIGSTOP)
    else:
        redis.Redis.from_url(fleet.valkey.url).client_pause(3000)
    try:
        begun = time.monotonic()
        answers: list[Answer | Cut] = [order(port, f"{name}-{port}") for port in ports(fleet)]
        assert time.monotonic() - begun < 2 * WITHOUT_REDIS_SECONDS
    finally:
        fleet.valkey.kill(signal.SIGCONT)
    assert accepted(answers)
    placed(fleet, [f"{name}-{port}" for port in ports(fleet)], 10)


def test_redis_wiped_under_load(fleet: Fleet, name: str) -> None:
    driver = on_duty(f"http://127.0.0.1:{ports(fleet)[0]}", name, vehicle=("TRUCK", name.upper()))
    with driver.socket() as socket, ThreadPoolExecutor(1) as pool:
        hear(socket, "connected")
        answers = pool.submit(order_many, ports(fleet), many(name))
        for _ in range(5):
            redis.Redis.from_url(fleet.valkey.url).flushall()
            time.sleep(0.1)
        first = answers.result()
        assert accepted(first)
        placed(fleet, many(name), 10)
        for before, after in zip(first, order_many(ports(fleet), many(name)), strict=True):
            assert isinstance(before, Answer)
            assert isinstance(after, Answer)
            assert (after.status, after.body) == (before.status, before.body)
        here = {"latitude": 28.5445, "longitude": 77.391}
        socket.send(json.dumps({"type": "update_location", "data": here}))
        asked = 0

        def offered() -> bool:
            nonlocal asked
            asked += 1
            answer = order(ports(fleet)[1], f"{name}-asked-{asked}", "k", name.upper())
            return bool(answer.data.get("broadcastSummary", {}).get("totalDriversNotified"))

        until(offered, 5, "the driver is not found again")
        hear(socket, "new_broadcast")


def test_redis_started_with_an_empty_directory(fleet: Fleet, name: str) -> None:
    before = order(ports(fleet)[0], name)
    fleet.valkey.kill()
    shutil.rmtree(fleet.valkey.directory / "appendonlydir", ignore_errors=True)
    waiting = order_many(ports(fleet), many(name))
    fleet.valkey.start()
    assert accepted(waiting)
    after = order(ports(fleet)[1], name)
    assert (after.status, after.body) == (before.status, before.body)
    placed(fleet, many(name), 10)
    works(fleet, ports(fleet)[0], name + "-new")


def test_postgres_killed_and_started_again(fleet: Fleet, name: str) -> None:
    fleet.postgres.kill()
    try:
        refused = order_many(ports(fleet), many(name))
    finally:
        fleet.postgres.start()
    for answer in refused:
        assert isinstance(answer, Answer)
        assert (answer.status, answer.code) == (503, "SERVICE_UNAVAILABLE")
        assert int(answer.headers["retry-after"]) >= 1
    assert works(fleet, ports(fleet)[0], name + "-new") < RECOVERY_SECONDS
    # Long enough for any sweep to place what was refused.
    until(lambda: fleet.postgres.pid and _turns(fleet, 3), what="the sweeps do not run")
    assert not [row for customer in many(name) for row in orders_of(fleet, customer)]
    assert accepted([keep_asking(ports(fleet)[1], name + "-0")])


def _turns(fleet: Fleet, seconds: float) -> bool:
    """True once the sweeps have renewed their sign of life for so long."""
    client = redis.Redis.from_url(fleet.valkey.url)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if cast("int", client.pttl("alive:beat")) < 12_000:
            return False
        time.sleep(0.2)
    return True


def test_all_connections_to_postgres_terminated(fleet: Fleet, name: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        answers = pool.submit(order_many, ports(fleet), many(name))
        for _ in range(10):
            _terminate_all(fleet)
            time.sleep(0.05)
        heard = dict(zip(many(name), answers.result(), strict=True))
    for customer, answer in heard.items():
        assert isinstance(answer, Answer)
        assert answer.status in (201, 202, 409, 503)
        final = keep_asking(ports(fleet)[0], customer)
        if answer.status in (201, 202):
            assert (final.status, final.body) == (answer.status, answer.body)
    placed(fleet, many(name), 10)
    works(fleet, ports(fleet)[0], name + "-new")


def _terminate_all(fleet: Fleet) -> None:
    query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    with suppress(psycopg2.Error):
        rows(fleet.postgres.url, query + " AND datname = current_database()")


@pytest.mark.parametrize("cut_off", [False, True], ids=["once", "for good"])
def test_answer_to_the_commit_lost(fleet: Fleet, name: str, cut_off: bool) -> None:
    with between(fleet.postgres.url) as (proxy, url):
        fleet.launch("web3", DATABASE_URL=url)
        try:
            port = fleet.port("web3")
            works(fleet, port, name + "-first", 20)
            proxy.arm(b"EXECUTE admit", cut_off)
            with suppress(Cut):
                told = order(port, name)
                assert told.status in ((201, 202, 409) if not cut_off else (202, 409, 503))
            assert proxy.lost == 1
            answer = keep_asking(ports(fleet)[0], name)
            assert len(orders_of(fleet, name)) == len(admissions_of(fleet, name)) == 1
            assert answer.data["order"]["id"] == orders_of(fleet, name)[0].id
        finally:
            fleet.retire("web3")


def test_lock_holder_paused_past_its_lock(fleet: Fleet, name: str) -> None:
    with psycopg2.connect(fleet.postgres.url) as connection, connection.cursor() as cursor:
        # Placing stops in the middle of its transaction, and then its process stops.
        cursor.execute("LOCK TABLE truck_requests IN SHARE MODE")
        assert order(ports(fleet)[0], name, "a").status in (201, 202)
        connection_waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        until(lambda: rows(fleet.postgres.url, connection_waits), 3, "nobody places")
        children = [child for worker in ORDERS for child in fleet.children(worker)]
        for child in children:
            send_signal(child, signal.SIGSTOP)
    connection.close()
    try:
        client = redis.Redis.from_url(fleet.valkey.url)
        until(lambda: not client.exists(f"order:create:{name}"), 15, "the lock does not run out")
        answers = [order(port, name, "b") for port in ports(fleet)]
        assert {answer.status for answer in answers} <= {201, 202, 409}
    finally:
        for child in children:
            send_signal(child, signal.SIGCONT)
    placed_at_all = until(lambda: orders_of(fleet, name), 10, "nothing was placed")
    assert sum(row.searching for row in placed_at_all) <= 1
    works(fleet, ports(fleet)[0], name + "-new", 10)
    assert sum(row.searching for row in orders_of(fleet, name)) <= 1


def test_two_beats_end_a_search_in_time(fleet: Fleet, name: str) -> None:
    answer = order(ports(fleet)[0], name)
    assert answer.status == 201
    url = fleet.postgres.url
    ended = (
        "SELECT extract(epoch FROM e.at - o.expires_at)::float AS late FROM order_events e "
        f"JOIN orders o ON o.id = e.order_id WHERE o.customer_id = '{name}' AND e.type = 'order_expired'"
    )
    found = until(lambda: rows(url, ended), 10, "the search did not end")
    assert [0 <= row.late < 2 for row in found] == [True]


def test_beat_dead(fleet: Fleet, name: str) -> None:
    port = ports(fleet)[0]
    driver = on_duty(f"http://127.0.0.1:{port}", name, vehicle=("TRUCK", name.upper()))
    for beat in ("beat1", "beat2"):
        fleet.kill(beat)
    try:
        answer = order(port, name, "k", name.upper())
        assert answer.status == 201
        until(lambda: "no sweep has run" in _ready(port), 20, "/ready does not say it")
        row = orders_of(fleet, name)[0]
        assert (row.status, row.searching) == ("active", True)
        late = driver.http.post(f"/orders/{row.id}/accept", json={})
        assert (late.status_code, late.json()["error"]["code"]) == (409, "ORDER_EXPIRED")
    finally:
        for beat in ("beat1", "beat2"):
            fleet.launch(beat)
    until(lambda: orders_of(fleet, name)[0].status == "expired", 10, "the sweep does not catch up")
    until(lambda: "no sweep has run" not in _ready(port), 10, "/ready stays red")


def _ready(port: int) -> str:
    return str(
        Person(f"http://127.0.0.1:{port}", "ops", "ops").http.get(f"http://127.0.0.1:{port}/ready").text
    )


def test_restart_under_load_fails_no_request(fleet: Fleet, name: str) -> None:
    heard: list[Answer | Cut] = []
    driver = on_duty(f"http://127.0.0.1:{ports(fleet)[0]}", name)
    stop = False

    def load() -> None:
        number = 0
        while not stop:
            number += 1
            heard.extend(_balanced(fleet, f"{name}-{number}-{n}") for n in range(3))

    with ThreadPoolExecutor(1) as pool, driver.socket() as socket:
        hear(socket, "connected")
        loading = pool.submit(load)
        try:
            for process in ("web1", "orders1", "sweeps1", "beat1", "web2", "orders2"):
                took = fleet.terminate(process)
                fleet.launch(process)
                # Beat has nothing to finish: one that has to be killed has lost nothing.
                assert took < 10 or process == "beat1", f"{process} took {took:.1f} s"
                if process.startswith("web"):
                    assert asyncio.run(fleet.wait_until(fleet.port(process), "/health", 20))
        finally:
            stop = True
        loading.result()
        with pytest.raises(Exception, match="1001"):
            hear(socket, "nothing")
    failed = [
        outcome
        for outcome in heard
        if not isinstance(outcome, Answer)
        or not (outcome.status in (201, 202) or (outcome.status == 503 and "retry-after" in outcome.headers))
    ]
    assert not failed
    assert len(heard) > 20


def _balanced(fleet: Fleet, customer: str) -> Answer | Cut:
    """As through a load balancer: a process that accepts no connection is skipped."""
    for port in (*ports(fleet), *ports(fleet)):
        try:
            return order(port, customer)
        except Refused:
            continue
        except Cut as cut:
            return cut
    return Cut("nobody takes connections")


def test_disk_full(fleet: Fleet, name: str, tmp_path: Path) -> None:
    # Not below the directory of the tests, which only root may enter: Postgres runs as somebody else.
    mount = Path(tempfile.mkdtemp(prefix="weelo-disk-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400m,mode=711", "tmpfs", mount], check=False
    )
    if mounted.returncode:
        mount.rmdir()
        pytest.skip("only root may mount a small disk")
    mount.chmod(0o711)
    small = Fleet(fleet.root, tmp_path, **fleet.settings)
    small.postgres = Postgres(mount / "postgres", THROWAWAY_POSTGRES)
    try:
        small.start(("web1", "orders1", "sweeps1", "beat1"))
        _fill_and_order(small, mount / "ballast", name)
    finally:
        small.stop()
        subprocess.run(["umount", "-l", mount], check=True)
        mount.rmdir()


def _fill_and_order(small: Fleet, ballast: Path, name: str) -> None:
    port = small.port("web1")
    works(small, port, name, 10)
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    answers: dict[str, Answer] = {}
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and not any(answer.status == 503 for answer in answers.values()):
        for customer in many(f"{name}-{len(answers)}"):
            with suppress(Cut):
                answers[customer] = order(port, customer)
    ballast.unlink()
    assert {answer.status for answer in answers.values()} <= {201, 202, 409, 503}
    assert any(answer.status == 503 for answer in answers.values()), "the disk was never full"
    if small.postgres.pid is None:
        small.postgres.kill()
        small.postgres.start()
    placed(small, [customer for customer, answer in answers.items() if answer.status in (201, 202)], 20)
    works(small, port, name + "-new", 10)
