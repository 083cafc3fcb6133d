"""Looks twice a second while everything dies: what must hold at every moment."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import psycopg2

from tests.faults.incidents import Incidents
from tests.faults.ledger import Ledger
from tests.faults.scene import World
from tests.faults.verdict import rows

LOOK_SECONDS = 0.5
# A search is over 2 s after its time; one more for the look itself and a loaded machine.
LATE_SECONDS = 3.0

TWO_SEARCHES = """
    SELECT customer_id FROM orders WHERE searching AND round = 1 GROUP BY customer_id HAVING count(*) > 1
"""
LATE = """
    SELECT id::text, extract(epoch FROM now() - expires_at)::float AS late FROM orders
    WHERE searching AND expires_at < now() - interval '1 second'
"""


class Watch:
    """Notes broken promises in the ledger; ``latest`` is the latest end of a search that nothing
    excused, in seconds.
    """

    def __init__(
        self, url: str, world: World, ledger: Ledger, incidents: Incidents, ended: Callable[[], list[str]]
    ) -> None:
        self.url, self.world, self.ledger, self.incidents = url, world, ledger, incidents
        self.latest = 0.0
        self._ended = ended
        self._late: set[str] = set()
        self._dead: set[str] = set()

    async def run(self) -> None:
        while not self.world.over:
            try:
                searches, late = await asyncio.to_thread(self._look)
            except psycopg2.Error:
                searches, late = [], []
            for row in searches:
                self.ledger.problem("a customer has two searches", row.customer_id)
            self._judge(late)
            self._mourn()
            await asyncio.sleep(LOOK_SECONDS)

    def _look(self) -> tuple[list[Any], list[Any]]:
        return rows(self.url, TWO_SEARCHES), rows(self.url, LATE)

    def _judge(self, late: list[Any]) -> None:
        now = time.monotonic()
        for row in late:
            excused = self.incidents.calm(now - row.late, now)
            self.latest = max(self.latest, excused)
            if excused > LATE_SECONDS and row.id not in self._late:
                self._late.add(row.id)
                self.ledger.problem("a search ended late", f"{row.id}: {row.late:.1f} s")

    def _mourn(self) -> None:
        """A process that was not killed has to live."""
        dead = set(self._ended())
        for name in dead - self._dead:
            self.ledger.problem("a process ended by itself", name)
        self._dead = dead
