"""What all drivers and customers of one replay share."""

import asyncio
import logging
import random
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tools.replay.api import Api
from tools.replay.clock import Clock
from tools.replay.ledger import Ledger
from tools.replay.places import Place, within_km
from tools.replay.tokens import Tokens

if TYPE_CHECKING:
    from tools.replay.driver import Driver

log = logging.getLogger("replay")


@dataclass
class World:
    """One replay against one system.

    ``run`` tells this replay's people from those of any other one against the same system;
    ``seed`` makes the human side (delays, preferences) the same each time.
    """

    api: Api
    clock: Clock
    ledger: Ledger
    tokens: Tokens
    run: str
    seed: int = 0
    # Set at the end: nobody begins anything any more.
    closing: bool = False
    drivers: list["Driver"] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def chance(self, person: str) -> random.Random:
        """The dice of one person."""
        return random.Random(f"{self.seed}:{person}")

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs something on the side; an error in it is counted and shown, never lost."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self.ledger.failed(f"replay error: {error!r:.80}")
            log.error("an error of the replay itself", exc_info=error)

    async def stop(self) -> None:
        """Ends everything that runs on the side."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def free_driver_within(self, place: Place, km: float) -> bool:
        """Whether a driver without a trip is that near, by the drivers' own account."""
        now = self.clock.now()
        return any(
            driver.free and within_km(driver.whereabouts.at(now), place, km) for driver in self.drivers
        )

    def count_drivers(self) -> tuple[int, int]:
        """How many drivers are online, and how many of them have a trip."""
        online = [driver for driver in self.drivers if driver.online]
        self.ledger.most_online = max(self.ledger.most_online, len(online))
        return len(online), sum(driver.trip is not None for driver in online)
