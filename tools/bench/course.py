"""What every case needs: the site, the people, how long and how often, and a word about progress."""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg2

from tools.bench import cpu
from tools.bench.figures import Round, Row, row
from tools.bench.people import People
from tools.bench.site import Site

# Orders of a round that still search would be work in the next one.
SETTLE_SECONDS = 300.0
UNSETTLED = "SELECT (SELECT count(*) FROM orders WHERE searching) + (SELECT count(*) FROM outbox)"


@dataclass
class Course:
    """One run of the bench. ``seconds`` is the length of one round's load."""

    site: Site
    people: People
    rounds: int
    seconds: float
    say: Callable[[str], None]

    def repeat(self, case: str, condition: str, run: Callable[[int], Round]) -> Row:
        """Runs the rounds of one line of the table and says how each went. Garbage of this process is
        collected between them.
        """
        done = []
        for number in range(1, self.rounds + 1):
            gc.collect()
            begun, others = time.monotonic(), cpu.others()
            found = run(number)
            cores = (cpu.others() - others) / (time.monotonic() - begun)
            found.counts["cores used by others"] = round(cores, 2)
            done.append(found)
            told = [f"{name} {value:.4g} {unit}" for name, (value, unit) in found.values.items()]
            self.say(f"{case}  {condition}  {number}/{self.rounds}: " + ", ".join(told[:4]))
        return row(case, condition, done)

    def settle(self) -> tuple[float, dict[str, float]]:
        """Waits until no order searches and no notification is due; seconds and CPU seconds by kind."""
        begun, before = time.monotonic(), cpu.seconds(self.site.kinds)
        with psycopg2.connect(self.site.postgres.url) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                while time.monotonic() - begun < SETTLE_SECONDS:
                    cursor.execute(UNSETTLED)
                    if cursor.fetchone() == (0,):
                        break
                    time.sleep(0.2)
                else:
                    raise AssertionError(f"orders still search after {SETTLE_SECONDS:.0f} s")
        connection.close()
        return time.monotonic() - begun, cpu.since(before, cpu.seconds(self.site.kinds))
