"""Case `day`: recorded hours, replayed faster and faster until the replay says that it was too fast."""

import csv
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tools.bench import cpu
from tools.bench.course import Course
from tools.bench.figures import Round, Row, costs
from tools.local.ports import LOOPBACK
from tools.replay.session import OK

SPEEDS = (60, 120, 240, 480, 960)


@dataclass(frozen=True)
class Recording:
    """The two files of a replay, and where its output goes."""

    trips: Path
    pings: Path
    into: Path


def replayed(course: Course, recording: Recording, speeds: Sequence[int] = SPEEDS) -> list[Row]:
    """A row for each speed, up to the first that the replay does not pass in every round."""
    rows: list[Row] = []
    for speed in speeds:
        rows.append(course.repeat("day", f"{speed} times as fast", partial(_round, course, recording, speed)))
        if any(status != OK for status in rows[-1].notes["exit status"]):
            break
    return rows


def _round(course: Course, recording: Recording, speed: int, number: int) -> Round:
    into = recording.into / f"replay-{speed}-{number}"
    into.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tools.replay", "--speed", str(speed), "--out", str(into)]
    command += ["--trips", str(recording.trips), "--pings", str(recording.pings)]
    command += ["--url", f"http://{LOOPBACK}:{course.site.web_port}"]
    before, begun = cpu.seconds(course.site.kinds), time.monotonic()
    with (into / "output.txt").open("w") as output:
        done = subprocess.run(
            command, cwd=course.site.root, env=course.site.environment, stdout=output, check=False
        )
    seconds, used = time.monotonic() - begun, cpu.since(before, cpu.seconds(course.site.kinds))
    # The replay is a process of its own; this one only waits.
    used.pop(cpu.CLIENT)
    with (into / "orders.csv").open() as table:
        orders = sum(1 for _ in csv.DictReader(table))
    values = {"took": (seconds, "s"), "rate": (orders / seconds, "orders/s")} | costs(used, orders)
    return Round(values, {"exit status": done.returncode, "orders": orders})
