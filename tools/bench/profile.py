"""`make profile RATE=50`: where the CPU time of an order goes, by process and by stage of its way.

py-spy looks into each Python process 200 times a second; a stage's share of the looks is its share of the CPU
time that the system says the process used. Statements are those of `pg_stat_statements`, commands those of
Redis' ``INFO commandstats``.
"""

import argparse
import gc
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import psycopg2
import redis

from tests.conftest import ROOT
from tools.bench import cpu, open_loop
from tools.bench.city import City
from tools.bench.loop import Loop
from tools.bench.site import Site

LOOKS_A_SECOND = 200
# A stack belongs to the first stage of which it has a frame: `function (file` as py-spy writes it.
STAGES = (
    ("commit", ("admit (workers/orders/admitting",)),
    ("publish the task", ("enqueue (tasks/orders",)),
    ("key, lock, limit", ("acquire (models/live/order_gate",)),
    ("outcome to the request", ("(web/wakeups",)),
    ("frames to sockets", ("(web/socket/",)),
    ("token and limits", ("(web/identity/", "(web/limits/")),
    ("read and check the body", ("_request (web/admission/door",)),
    ("read rows", ("_queued (workers/orders/placing",)),
    ("locks", ("(models/live/order_lock",)),
    ("find drivers", ("(models/live/driver_search", "(workers/offers/matching")),
    ("placing statement", ("insert_orders (workers/orders/placing_sql",)),
    ("follow-ups", ("_finish (tasks/", "follow_all (tasks/followups")),
    ("sweeps", ("(tasks/sweeps",)),
    ("worker's parent", ("asynloop (celery/worker/loops",)),
    ("task in the child", ("workloop (billiard/pool",)),
    ("HTTP", ("(gunicorn/", "(server/")),
)
OTHER = "event loop and the rest"
TOP = 12
LISTED_MS = 0.1

STATEMENTS = """
    SELECT calls, total_exec_time, left(regexp_replace(query, '\\s+', ' ', 'g'), 60)
    FROM pg_stat_statements ORDER BY total_exec_time DESC LIMIT %s
"""
BAR, LEFT, WIDTH = 34, 190, 640
COLOURS = ("#24425c", "#c8553d", "#588b8b", "#e0a458", "#7d5a80", "#8fae5d", "#b0b7bf", "#3b7ea1")


@dataclass(frozen=True)
class Process:
    """One process of the system: its kind, and the CPU-ms an order of each stage (one for a store)."""

    name: str
    stages: Mapping[str, float]

    @property
    def total(self) -> float:
        return sum(self.stages.values())


def stage_of(stack: str) -> str:
    """The stage of a stack as py-spy writes it: frames from the outermost to the innermost, by ``;``."""
    for stage, frames in STAGES:
        if any(frame in stack for frame in frames):
            return stage
    return OTHER


def shares(lines: Iterable[str]) -> dict[str, float]:
    """The share of each stage in the looks of one process."""
    looks: Counter[str] = Counter()
    for line in lines:
        stack, _, number = line.rpartition(" ")
        looks[stage_of(stack)] += int(number)
    return {stage: number / looks.total() for stage, number in looks.most_common()} or {OTHER: 1.0}


@contextmanager
def _watched(pids: Iterable[int], seconds: float, directory: Path) -> Iterator[None]:
    command = [str(Path(sys.executable).parent / "py-spy"), "record", "--nonblocking", "--format", "raw"]
    command += ["--rate", str(LOOKS_A_SECOND), "--duration", str(int(seconds))]
    watching = [
        subprocess.Popen(
            [*command, "--pid", str(pid), "--output", str(directory / f"{pid}.raw")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for pid in pids
    ]
    yield
    for recorder in watching:
        recorder.wait()


def _used(site: Site) -> dict[int, float]:
    """CPU seconds so far of each process of the system."""
    return {pid: cpu.own_seconds(pid) for heads in site.kinds.values() for h in heads for pid in cpu.pids(h)}


def profile(site: Site, rate: float, seconds: float, directory: Path) -> list[Process]:
    """What each process of the running system used an order at this rate (orders/s)."""
    loop = Loop()
    city = City(site, loop)
    city.wait_until_ready()
    kinds = {pid: kind for kind, heads in site.kinds.items() for head in heads for pid in cpu.pids(head)}
    python = [pid for pid, kind in kinds.items() if kind not in ("postgres", "redis")]
    _forget_figures(site)
    # Once without py-spy for the CPU time, and once with it for the shares.
    before = _used(site)
    open_loop.step(city, rate, seconds, 0.0)
    used = {pid: now - before.get(pid, 0.0) for pid, now in _used(site).items()}
    _say_stores(site, rate * seconds)
    with _watched(python, seconds, directory):
        open_loop.step(city, rate, seconds, 0.0)
    loop.close()
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for pid, kind in kinds.items():
        ms = 1000 * used.get(pid, 0.0) / (rate * seconds)
        raw = directory / f"{pid}.raw"
        parts = shares(raw.read_text().splitlines()) if raw.exists() else {kind: 1.0}
        found[kind].update({stage: share * ms for stage, share in parts.items()})
    processes = [Process(kind, dict(stages.most_common())) for kind, stages in found.items()]
    return sorted(processes, key=lambda process: -process.total)


def _forget_figures(site: Site) -> None:
    with psycopg2.connect(site.postgres.url) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        cursor.execute("SELECT pg_stat_statements_reset()")
    redis.Redis.from_url(site.valkey.url).config_resetstat()


def _say_stores(site: Site, orders: float) -> None:
    with psycopg2.connect(site.postgres.url) as connection, connection.cursor() as cursor:
        cursor.execute(STATEMENTS, (TOP,))
        print("\nPostgres: calls and ms an order, statement")
        for calls, ms, text in cursor.fetchall():
            print(f"  {calls / orders:6.2f} {ms / orders:8.3f}  {text}")
    commands: dict[str, Any] = redis.Redis.from_url(site.valkey.url).info("commandstats")  # type: ignore[assignment]
    dearest = sorted(commands.items(), key=lambda command: -command[1]["usec"])[:TOP]
    print("\nRedis: calls and ms an order, command")
    for name, figures in dearest:
        ms = figures["usec"] / 1000 / orders
        print(f"  {figures['calls'] / orders:6.2f} {ms:8.3f}  {name.removeprefix('cmdstat_')}")


def table(processes: Sequence[Process]) -> str:
    """CPU-ms an order of each process, and of each of its stages from 1 % on."""
    whole = sum(process.total for process in processes)
    lines = [f"\nCPU-ms an order: {whole:.2f}"]
    for process in processes:
        lines.append(f"{process.name:28} {process.total:6.2f}  {100 * process.total / whole:3.0f} %")
        if len(process.stages) > 1:
            parts = [(stage, ms) for stage, ms in process.stages.items() if ms >= whole / 100]
            lines += [f"    {stage:24} {ms:6.2f}" for stage, ms in parts]
    return "\n".join(lines)


def picture(processes: Sequence[Process], title: str) -> str:
    """The same as SVG: a bar for each process in the order given, a piece for each stage."""
    scale = WIDTH / max(process.total for process in processes)
    drawn = [f'<text x="12" y="24" font-size="15">{escape(title)}</text>']
    for row, process in enumerate(processes):
        left, top = float(LEFT), 44 + row * 2 * BAR
        drawn.append(f'<text x="12" y="{top + 22}">{escape(process.name)} {process.total:.2f}</text>')
        for number, (stage, ms) in enumerate(process.stages.items()):
            wide, colour = ms * scale, COLOURS[number % len(COLOURS)]
            drawn.append(
                f'<rect x="{left:.1f}" y="{top}" width="{wide:.1f}" height="{BAR}" fill="{colour}">'
                f"<title>{escape(stage)} {ms:.2f} ms</title></rect>"
            )
            if wide > 7 * len(stage):
                drawn.append(f'<text x="{left + 5:.1f}" y="{top + 22}" fill="#fff">{escape(stage)}</text>')
            left += wide
        if len(process.stages) > 1:
            listed = " · ".join(
                f"{stage} {ms:.2f}" for stage, ms in process.stages.items() if ms >= LISTED_MS
            )
            drawn.append(f'<text x="{LEFT}" y="{top + BAR + 15}" font-size="10">{escape(listed)}</text>')
    size = f"{LEFT + WIDTH + 20} {60 + len(processes) * 2 * BAR}"
    style = 'font-family="Helvetica, Arial, sans-serif" font-size="12"'
    ground = '<rect width="100%" height="100%" fill="#fff"/>'
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" {style}>'
    return f"{opening}{ground}{''.join(drawn)}</svg>\n"


def main() -> None:
    """Starts a system, measures it and stops it; prints the table, writes the picture."""
    parser = argparse.ArgumentParser(prog="make profile", description=__doc__)
    parser.add_argument("--rate", type=float, default=50.0, help="orders/s (%(default)s)")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each of the two runs (%(default)s)")
    parser.add_argument("--into", type=Path, default=ROOT / ".run" / "profile.svg", help="the picture")
    wanted = parser.parse_args()
    gc.disable()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="weelo-profile-") as name:
        directory = Path(name)
        site = Site(directory, open_loop.TTL_SECONDS)
        site.postgres.settings = {
            **site.postgres.settings,
            "shared_preload_libraries": "pg_stat_statements",
        }
        try:
            print(f"two runs of {wanted.seconds:.0f} s at {wanted.rate:.0f} orders/s", flush=True)
            site.begin()
            processes = profile(site, wanted.rate, wanted.seconds, directory)
        finally:
            site.stop()
    print(table(processes))
    wanted.into.parent.mkdir(parents=True, exist_ok=True)
    title = f"CPU-ms an order at {wanted.rate:.0f} orders/s, by process and stage"
    wanted.into.write_text(picture(processes, title))
    print(f"\nwritten after {time.monotonic() - begun:.0f} s: {wanted.into}")


if __name__ == "__main__":
    main()
