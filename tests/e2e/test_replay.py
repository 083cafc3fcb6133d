"""The replay against the real processes: a short recorded morning in another city."""

import csv
import gzip
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from models import db
from models.tables.orders import RUNNING
from tests.conftest import ROOT, own_stores
from tests.e2e.test_demo import left
from tests.system import Person, System, running
from tools.demo.control import Demo

BEGIN = datetime(2019, 3, 4, 6, 0, tzinfo=UTC)
NAIROBI = (-1.2864, 36.8172)
TRIPS, CABS, MINUTES = 30, 30, 8
# Ids as recordings have them; a token's subject may not look like that.
CAB_IDS = [f"KBZ {number:03}/é" for number in range(CABS)]
ENDED = {"completed", "cancelled", "expired"}
SETTLED = {"running", "completed"}

ORDERS = text("""
    SELECT id, status, searching, trucks_filled,
        (SELECT count(driver_id) FROM truck_requests t WHERE t.order_id = o.id) AS drivers,
        (SELECT count(*) FROM offers f WHERE f.order_id = o.id AND f.state = 'open') AS open_offers
    FROM orders o WHERE customer_id LIKE :customers
""")


BUSY = text(f"""
    SELECT (SELECT count(*) FROM drivers WHERE available AND id LIKE :drivers)
        + (SELECT count(*) FROM truck_requests WHERE driver_id LIKE :drivers AND status IN {RUNNING})
""")


def stamp(seconds: float) -> str:
    return (BEGIN + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def place(dice: random.Random) -> list[str]:
    return [f"{degrees + dice.uniform(-0.01, 0.01):.5f}" for degrees in NAIROBI]


def write(path: Path, header: str, rows: Sequence[Sequence[str]]) -> Path:
    lines = [header, *(",".join(row) for row in rows)]
    content = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.fixture
def recording(tmp_path: Path) -> list[str]:
    """Trips (two lines of them unusable) and pings of eight minutes, as the command takes them."""
    dice = random.Random(7)
    trips = [
        [stamp(number * 60 * MINUTES / TRIPS), *place(dice), *place(dice), str(dice.randint(20, 60))]
        for number in range(TRIPS)
    ]
    trips[10:10] = [["noon", *place(dice), *place(dice), "60"], [""]]
    pings = [[stamp(at), cab, *place(dice)] for at in range(0, 60 * MINUTES + 1, 30) for cab in CAB_IDS]
    columns = "requested_at,pickup_latitude,pickup_longitude,drop_latitude,drop_longitude,duration_s"
    return [
        *("--trips", str(write(tmp_path / "trips.csv", columns, trips))),
        *("--pings", str(write(tmp_path / "pings.csv.gz", "at,driver,latitude,longitude", pings))),
        *("--speed", "60"),
    ]


def start(system: System, recording: list[str], out: Path, run: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-u", "-m", "tools.replay", *recording, "--run", run, "--out", str(out)]
    return subprocess.Popen(
        [*command, "--url", system.urls[0]],
        cwd=ROOT,
        env=system.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def orders_of(run: str) -> dict[str, Any]:
    with db.transaction() as connection:
        return {str(row.id): row for row in connection.execute(ORDERS, {"customers": f"replay-{run}-%"})}


def busy_of(run: str) -> int:
    """How many drivers of a run are on duty or have a trip."""
    with db.statements() as connection:
        return int(connection.execute(BUSY, {"drivers": f"replay-{run}-cab%"}).scalar_one())


def share(system: System, recording: list[str], out: Path, run: str) -> float:
    """Plays all of it; the percentage of the orders that were filled."""
    with start(system, recording, out, run) as process:
        said, _ = process.communicate(timeout=100)
    assert process.returncode == 0, said
    found = re.search(r"^filled: system +([0-9.]+)%", said, re.MULTILINE)
    assert found, said
    return float(found[1])


@pytest.mark.long
@pytest.mark.timeout(400)
def test_after_two_replays_and_a_city_stopped_at_any_moment_a_replay_finds_what_a_fresh_system_has(
    system: System, recording: list[str], tmp_path: Path, name: str
) -> None:
    # A city of another test whose system had gone could not send its drivers home.
    with db.transaction() as connection:
        connection.exec_driver_sql("UPDATE drivers SET available = false WHERE id LIKE 'demo-%%'")
    dice = random.Random(name)
    for run in (f"{name}-1", f"{name}-2"):
        with start(system, recording, tmp_path / "out", run) as process:
            assert process.stdout
            next(line for line in process.stdout if line.startswith("replaying"))
            time.sleep(dice.uniform(0, 8))
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=40)
        assert busy_of(run) == 0
        assert not [order for order in orders_of(run).values() if order.status not in ENDED]
    city = Demo(tmp_path)
    city.start(system.urls[0], drivers=30, speed=200, minutes=2)
    time.sleep(dice.uniform(0, 8))
    assert city.stop(40)
    assert left() == {}
    afterwards = share(system, recording, tmp_path / "out", f"{name}-3")
    with own_stores("weelo-fresh-") as stores, running(stores.environment, tmp_path) as fresh:
        assert abs(afterwards - share(fresh, recording, tmp_path / "fresh", f"{name}-4")) <= 1


@pytest.mark.long
def test_a_recorded_morning_is_replayed_and_every_source_tells_the_same(
    system: System, recording: list[str], tmp_path: Path, name: str
) -> None:
    with start(system, recording, tmp_path / "out", name) as process:
        said, _ = process.communicate(timeout=100)
    assert process.returncode == 0, said
    for row in (
        f"orders posted                 {TRIPS}",
        f"drivers online                {CABS} at most, of {CABS} cabs",
        f"filled: system                100.0% ({TRIPS} of {TRIPS})",
        f"filled: greedy                100.0% ({TRIPS} of {TRIPS})",
        "filled: difference            +0.0 points, at least -3 expected",
        "bad lines in trips.csv        2",
        f"compared afterwards           {TRIPS} orders with what the sockets received: 0 disagreements",
        "trips.csv, line 12: requested_at 'noon' is not an ISO 8601 time",
    ):
        assert row in map(str.rstrip, said.splitlines()), said
    assert (tmp_path / "out" / "replay.png").stat().st_size > 10_000
    with (tmp_path / "out" / "orders.csv").open() as file:
        posted = list(csv.DictReader(file))
    assert busy_of(name) == 0
    stored = orders_of(name)
    assert {order["order_id"] for order in posted} == set(stored)
    assert {order["state"] for order in posted} <= SETTLED
    for order in stored.values():
        assert order.status == "completed"
        assert (order.searching, order.trucks_filled, order.drivers, order.open_offers) == (False, 1, 1, 0)


@pytest.mark.long
def test_ctrl_c_ends_a_replay_with_its_table_and_leaves_nothing_behind(
    system: System, recording: list[str], tmp_path: Path, name: str
) -> None:
    with start(system, recording, tmp_path / "out", name) as process:
        assert process.stdout
        for line in process.stdout:
            if re.search(r"^replaying .*\(running [1-9]", line):
                break
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert "compared afterwards" in said
    assert "no, ended early" in said
    assert "not simulated, ended early" in said
    stored = orders_of(name)
    assert stored
    assert {order.status for order in stored.values()} <= ENDED
    assert busy_of(name) == 0


@pytest.mark.long
def test_a_replay_is_refused_where_others_are_at_work(
    system: System, recording: list[str], tmp_path: Path, name: str
) -> None:
    driver = Person(system.urls[0], "driver", name)
    vehicle = {"vehicleType": "TRUCK", "vehicleSubtype": "TATA_ACE", "vehicleNumber": "KBZ 1"}
    driver.http.put("/drivers/me", json={"name": "Other", "phone": "+254712345678"} | vehicle)
    driver.http.put("/drivers/me/availability", json={"available": True})
    here = {"latitude": NAIROBI[0], "longitude": NAIROBI[1]}
    driver.http.post("/drivers/me/locations", json={"locations": [here]})
    with start(system, recording, tmp_path / "out", name) as process:
        said, _ = process.communicate(timeout=30)
    driver.http.put("/drivers/me/availability", json={"available": False})
    assert process.returncode == 2, said
    assert re.search(r"busy where the trips are: 0 searches and [1-9]\d* free drivers", said)
