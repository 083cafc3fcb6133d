"""One run: load, faults, heal, quiet, verdict."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any

import psycopg2

from tests.faults import leaks
from tests.faults.customers import Customer
from tests.faults.drivers import Driver
from tests.faults.faults import Field, draw, strike
from tests.faults.fleet import Fleet
from tests.faults.http import Cut
from tests.faults.incidents import RECOVERY_SECONDS
from tests.faults.ledger import Ledger
from tests.faults.scene import UNSERVED, Pace, World, vehicle
from tests.faults.sockets import Listener
from tests.faults.verdict import Verdict, judge, rows
from tests.faults.watch import Watch

# Short, so that customers who do not cancel can order again soon.
TTL_SECONDS = 6
PROGRESS_SECONDS = 10.0
# Apps whose order is still not answered for good by then give up.
LEAVE_SECONDS = 20.0
# The orders asked for are sent in this share of the time; the rest is for what outages held up.
PACE_SHARE = 0.85
# On a slow machine, or with long pauses drawn, the kills take up to so many times the plan's seconds.
PATIENCE = 2.0
# A search, the sweeps' turn and a trip under way.
QUIET_SECONDS = 60.0
# Orders wait this long for the last of their kind to be delivered before the sockets are closed.
WAITING = """
    SELECT (SELECT count(*) FROM admissions WHERE state = 'queued') + (SELECT count(*) FROM outbox)
        + (SELECT count(*) FROM orders WHERE searching)
"""

SETTINGS = {
    "ORDER_TTL_SECONDS": str(TTL_SECONDS),
    "ORDER_WAIT_SECONDS": "2",
    "CLEANUP_INTERVAL_SECONDS": "30",
    # One for HTTP and one for sockets, as the product has it.
    "WEB_CONCURRENCY": "2",
}


@dataclass(frozen=True)
class Plan:
    """How much of everything. The run ends when kills and orders are reached, or time and kills are over."""

    seed: int
    kills: int
    orders: int
    seconds: float
    customers: int = 120
    kinds: int = 8
    drivers_of_a_kind: int = 4
    # How many customers, of one, cancel what was accepted.
    cancels: float = 0.85
    # Names of the kinds of faults to draw; all of them if empty.
    only: tuple[str, ...] = ()
    leave_seconds: float = LEAVE_SECONDS
    quiet_seconds: float = QUIET_SECONDS
    # How long a task of a killed worker may stay unacknowledged; 0 does not look.
    unacked_seconds: float = leaks.UNACKED_SECONDS
    # Every so often somebody's line is cut; never if 0.
    cut_every_seconds: float = 0
    say: Callable[[str], None] = print


@dataclass
class Report:
    """The figures of one run."""

    plan: Plan
    verdict: Verdict
    ledger: Ledger
    field: Field
    seconds: float
    latest_end: float
    recoveries: list[tuple[float, str]]

    @property
    def kills(self) -> int:
        return self.field.incidents.kills.total()

    @property
    def longest_recovery(self) -> float:
        return self.recoveries[0][0] if self.recoveries else 0.0


def run(plan: Plan, fleet: Fleet) -> Report:
    """Runs the plan against a fleet that has been started; the fleet is left running."""
    return asyncio.run(_Run(plan, fleet).run())


class _Run:
    def __init__(self, plan: Plan, fleet: Fleet) -> None:
        self.plan, self.fleet = plan, fleet
        self.ledger = Ledger()
        random = Random(plan.seed)
        pace = Pace(plan.orders / (PACE_SHARE * plan.seconds))
        self.world = World(fleet.web_ports, self.ledger, Random(plan.seed + 1), pace, plan.cancels)
        self.field = Field(fleet, random, self.ledger)
        self.watch = Watch(
            fleet.postgres.url, self.world, self.ledger, self.field.incidents, self._ended_by_themselves
        )
        self.begun = time.monotonic()
        self.load_ended = 0.0

    async def run(self) -> Report:
        drivers, customers, listeners = self._people()
        for driver in drivers:
            await driver.register()
        self.field.customers = [customer.sub for customer in customers]
        self.begun = time.monotonic()
        loading = _tasks(customer.run() for customer in customers)
        sockets = [*(driver.run() for driver in drivers), *(listener.run() for listener in listeners)]
        lines = [*(driver.listener for driver in drivers), *listeners]
        others = _tasks([*sockets, self.watch.run(), self._progress(), self._cut(lines)])
        await self._faults()
        self.world.ending, self.load_ended = True, time.monotonic()
        _, late = await asyncio.wait(loading, timeout=self.plan.leave_seconds)
        for task in late:
            task.cancel()
        await self._quiet()
        self.world.over = True
        await _end_everything()
        return await asyncio.to_thread(self._report, [*loading, *others])

    def _people(self) -> tuple[list[Driver], list[Customer], list[Listener]]:
        world, plan = self.world, self.plan
        drivers = [
            Driver(world, f"driver-{kind}-{number}", vehicle(kind), number)
            for kind in range(plan.kinds)
            for number in range(plan.drivers_of_a_kind)
        ]
        # Every other customer wants what nobody drives, so that the load is not all sockets.
        customers = [
            Customer(world, f"customer-{n}", vehicle(n // 2 % plan.kinds) if n % 2 else UNSERVED)
            for n in range(plan.customers)
        ]
        beat = {"type": "heartbeat", "data": {}}
        listeners = [Listener(world, "customer", customer.sub, _ignore, beat) for customer in customers[:8]]
        return drivers, customers, listeners

    async def _faults(self) -> None:
        """Strikes until there were enough kills and orders, or the time is over and the kills are done."""
        plan, striking = self.plan, set()
        deadline = self.begun + plan.seconds
        gap = 0.9 * plan.seconds / plan.kills if plan.kills else 1.0
        last = self.begun + PATIENCE * plan.seconds
        while not self._enough() and time.monotonic() < (last if self._kills_left() else deadline):
            drawn = draw(self.field, plan.only)
            if drawn and self._kills_left():
                task = asyncio.create_task(strike(self.field, *drawn))
                striking.add(task)
                task.add_done_callback(striking.discard)
            await asyncio.sleep(self.field.random.uniform(0.5, 1.5) * gap)
        await asyncio.gather(*striking)

    def _kills_left(self) -> bool:
        return self.field.incidents.kills.total() < self.plan.kills

    def _enough(self) -> bool:
        return not self._kills_left() and self.ledger.accepted >= self.plan.orders

    async def _cut(self, lines: list[Listener]) -> None:
        """Bad lines: a client that is cut off reconnects by itself."""
        pause = self.plan.cut_every_seconds
        while pause and not self.world.ending:
            await asyncio.sleep(pause)
            self.world.random.choice(lines).cut()

    def _ended_by_themselves(self) -> list[str]:
        return [name for name in self.fleet.ended() if name not in self.field.hurt]

    async def _quiet(self) -> None:
        """Waits until nothing is left to do."""
        deadline = time.monotonic() + self.plan.quiet_seconds
        while time.monotonic() < deadline:
            with suppress(psycopg2.Error):
                left = await asyncio.to_thread(rows, self.fleet.postgres.url, WAITING)
                if left[0][0] == 0:
                    return
            await asyncio.sleep(0.5)

    async def _progress(self) -> None:
        while not self.world.over:
            await asyncio.sleep(PROGRESS_SECONDS)
            ledger, kills = self.ledger, self.field.incidents.kills
            problems = sum(ledger.problems.values())
            self.plan.say(
                f"{time.monotonic() - self.begun:6.0f} s  {kills.total():4} kills"
                f"  {ledger.accepted:6} accepted  {ledger.statuses[503]:5} refused  {problems:3} problems"
            )

    def _report(self, tasks: list[asyncio.Task[Any]]) -> Report:
        url = self.fleet.postgres.url
        verdict = judge(url, self.ledger, self.field.incidents)
        for kind, text in leaks.found(self.fleet.valkey.url, self.plan.unacked_seconds):
            verdict.add(kind, text)
        for task in tasks:
            error = None if task.cancelled() else task.exception()
            if error and not isinstance(error, Cut):
                verdict.add("the harness itself failed", repr(error))
        recoveries = self.field.incidents.recoveries(self.ledger.new_201s, self.load_ended)
        for seconds, kind in recoveries:
            if seconds > RECOVERY_SECONDS:
                verdict.add("slow recovery", f"{seconds:.1f} s after {kind}")
        seconds = time.monotonic() - self.begun
        return Report(self.plan, verdict, self.ledger, self.field, seconds, self.watch.latest, recoveries)


def _tasks(them: Any) -> list[asyncio.Task[Any]]:
    return [asyncio.create_task(running) for running in them]


async def _end_everything() -> None:
    """Cancels what still runs and lets its connections close."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    await asyncio.sleep(0.1)


async def _ignore(frame: dict[str, Any]) -> None:
    return
