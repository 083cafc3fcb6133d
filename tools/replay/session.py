"""One replay from the command to its exit status: begin, run, compare, report."""

import asyncio
import signal
import time
from collections.abc import Coroutine, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from tools.replay import alone, chart, greedy, pace, running, table
from tools.replay.alone import NotBegun
from tools.replay.api import Api
from tools.replay.clock import Clock
from tools.replay.figures import figures
from tools.replay.greedy import Ride, Shares
from tools.replay.ledger import Ledger
from tools.replay.plan import Plan
from tools.replay.progress import shown
from tools.replay.tokens import Tokens
from tools.replay.verifying import Disagreement, verify
from tools.replay.world import World

OK, FAILED, NOT_BEGUN, INTERRUPTED = 0, 1, 2, 130


@dataclass(frozen=True)
class Options:
    """How to replay: where to, how fast, as which run, and where the results go."""

    url: str
    speed: float
    run: str
    seed: int
    out: Path


async def replay(plan: Plan, options: Options, console: Console) -> int:
    """Replays the plan; the exit status. Raises NotBegun."""
    with closing(Api(options.url)) as api:
        world = World(
            api, Clock(plan.window.begins, options.speed), Ledger(), Tokens(), options.run, options.seed
        )
        await _must_be_there(world)
        await alone.wait(world, plan.trips)
        try:
            report, rides = await _replayed(world, plan, console)
        finally:
            with shown(console, "clearing") as show:
                await running.clear(world, show)
    _write(world, report, rides, options.out, console)
    return status(report)


async def _replayed(world: World, plan: Plan, console: Console) -> tuple[table.Report, list[Ride]]:
    """The run from its first driver to its figures."""
    speed, began = world.clock.speed, time.monotonic()
    finished = await _unless_interrupted(_run(world, plan, console))
    with shown(console, "finishing") as show:
        await running.finish(world, show)
        if not finished:
            await running.call_off(world, show)
    verified = await _compare(world, console) if finished else None
    rides = greedy.simulate(plan.trips, plan.cabs, speed) if finished else []
    shares = Shares(len(plan.trips), world.ledger.filled, len(rides)) if finished else None
    behind = shares is not None and shares.behind
    report = table.Report(
        str(plan.window),
        speed,
        time.monotonic() - began,
        plan.trips_in_file,
        len(plan.cabs),
        figures(world.ledger),
        world.ledger,
        plan.bad,
        verified,
        shares,
        pace.fitting(plan.trips, plan.cabs, speed) if behind else None,
    )
    return report, rides


async def _must_be_there(world: World) -> None:
    answer = await world.api.ready()
    if answer.status == 0:
        raise NotBegun(f"Nothing answers at {world.api.url}: start the system with `make run`.")
    if answer.unusable:
        raise NotBegun(f"What answers at {world.api.url} is not the system (HTTP {answer.status}): see URL=.")
    if not answer.ok:
        raise NotBegun(f"The system is not ready (HTTP {answer.status}): {world.api.url}/ready says why.")
    answer = await world.api.send("GET", "/drivers/me", world.tokens.bearer("cab-replay", "driver"))
    if answer.status == 401:
        raise NotBegun("The system refuses the replay's token: set JWT_SECRET as the system has it.")


async def _run(world: World, plan: Plan, console: Console) -> None:
    with shown(console, "preparing") as show:
        await running.prepare(world, plan, show)
    with shown(console, "replaying") as show:
        await running.play(world, plan, show)


async def _compare(world: World, console: Console) -> list[Disagreement]:
    count, total = 0, len(world.ledger.orders) or 1
    with shown(console, "comparing") as show:

        def done() -> None:
            nonlocal count
            count += 1
            show(count / total, f"{count} orders")

        return await verify(world, done)


async def _unless_interrupted(work: Coroutine[Any, Any, None]) -> bool:
    """Runs it to its end, or until the first Ctrl-C; whether it came to its end."""
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, task.cancel)
    try:
        await asyncio.wait([task])
    finally:
        # From here on a second Ctrl-C ends the program as it would any other.
        for number in signals:
            loop.remove_signal_handler(number)
    if task.cancelled():
        return False
    task.result()
    return True


def _write(world: World, report: table.Report, rides: Sequence[Ride], out: Path, console: Console) -> None:
    out.mkdir(parents=True, exist_ok=True)
    table.write_orders(out / "orders.csv", world.ledger)
    title = f"{report.window} UTC, {report.speed:g} times as fast"
    chart.draw(out / "replay.png", world.ledger, world.clock, rides, title)
    table.show(console, report)
    console.print(
        f"picture: {out / 'replay.png'}, orders: {out / 'orders.csv'}", highlight=False, soft_wrap=True
    )


def status(report: table.Report) -> int:
    """The exit status of a replay that has begun."""
    if report.verified is None:
        return INTERRUPTED
    wrong = report.verified or report.ledger.failures or report.figures.unsettled
    return FAILED if wrong or (report.shares and report.shares.behind) else OK
