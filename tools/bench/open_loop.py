"""The open loop: customers come independently of each other, each for one order, and the time of a request
counts from the moment it was due. What an order costs at a rate, and the highest rate that is served well.
"""

import gc
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tools.bench import cpu
from tools.bench.arrivals import Arrivals, independent
from tools.bench.city import WAVE, City
from tools.bench.figures import Round, costs, latencies, percentile
from tools.bench.http import Record
from tools.bench.search import highest

# Long enough for the first orders to expire (see ``TTL_SECONDS``): from then on as many end as begin.
WARM_UP_SECONDS = 4.0
TTL_SECONDS = 3
# After the last arrival, for answers and offers on their way; what comes later counts as not having come.
LAST_SECONDS = 2.0
# Limits of `capacity`, p99 in seconds from the moment the request was due.
ANSWERED_WITHIN, OFFERED_WITHIN = 0.100, 0.150
# The first rate that a search for the capacity tries (orders/s); the rates it knows lie 5 % apart.
FIRST_RATE = 250.0
STEP = 1.05


@dataclass
class Timed(Record):
    """A record that knows when each answered request was due."""

    answered: list[tuple[float, float, int]] = field(default_factory=list)

    def take(self, since: float, now: float, answer: bytes) -> None:
        super().take(since, now, answer)
        self.answered.append((since, now - since, int(answer[9:12])))


@dataclass
class Step:
    """What happened to the requests that were due in a window: times in seconds, infinite if nothing came;
    CPU seconds by kind of process.
    """

    rate: float
    due: int
    statuses: Counter[int]
    answers: list[float]
    first_offers: list[float]
    used: dict[str, float]
    others: float
    sockets_closed: int

    @property
    def served_well(self) -> bool:
        """Whether this rate is within the capacity."""
        return (
            self.statuses == {201: self.due}
            and percentile(self.answers, 0.99) <= ANSWERED_WITHIN
            and percentile(self.first_offers, 0.99) <= OFFERED_WITHIN
        )

    def round(self) -> Round:
        """The figures of one round of the cost of an order."""
        values = costs(self.used, self.statuses[201])
        values |= latencies("201", self.answers) | latencies("first offer", self.first_offers)
        counts = {"due": self.due, "statuses": dict(self.statuses), "sockets closed": self.sockets_closed}
        return Round(values, counts | {"cores used by others": round(self.others, 2)})

    def __str__(self) -> str:
        p99 = [1000 * percentile(times, 0.99) for times in (self.answers, self.first_offers)]
        refused = {status: number for status, number in self.statuses.items() if status != 201}
        text = f"{self.rate:.0f}/s: 201 p99 {p99[0]:.0f} ms, first offer p99 {p99[1]:.0f} ms"
        return text + (f", others {refused}" if refused else "")


def step(city: City, rate: float, seconds: float, warm_up: float = WARM_UP_SECONDS) -> Step:
    """Independent arrivals at ``rate``; those due in the last ``seconds`` are measured."""
    gc.collect()
    city.heard.forget()
    loop, record = city.loop, Timed()
    # Made ahead: signing tokens is no part of what is measured.
    orders = city.orders(round(1.2 * rate * (warm_up + seconds)) + 50)
    arrivals = Arrivals(loop, city.target.web_port, record, orders.popleft)
    begun = time.monotonic()
    moments = list(independent(city.random, begun, rate, warm_up + seconds))
    arrivals.schedule(moments)
    loop.run(begun + warm_up)
    opened, before, others = time.monotonic(), cpu.seconds(city.target.kinds), cpu.others()
    loop.run(begun + warm_up + seconds)
    used = cpu.since(before, cpu.seconds(city.target.kinds))
    others = (cpu.others() - others) / (time.monotonic() - opened)
    arrivals.finish(time.monotonic() + LAST_SECONDS)
    due = [moment for moment in moments if moment >= opened]
    loop.run(time.monotonic() + LAST_SECONDS, lambda: city.heard.offers >= WAVE * record.statuses[201])
    arrivals.close()
    return _window(city, rate, record, opened, len(due), used, others)


def _window(
    city: City, rate: float, record: Timed, opened: float, due: int, used: dict[str, float], others: float
) -> Step:
    answered = [(took, status) for since, took, status in record.answered if since >= opened]
    heard = city.heard.first
    offers = [
        heard[order] - since if order in heard else float("inf")
        for order, since in record.sent.items()
        if since >= opened
    ]
    never = [float("inf")] * (due - len(answered))
    return Step(
        rate=rate,
        due=due,
        statuses=Counter(status for _, status in answered),
        answers=[took for took, _ in answered] + never,
        first_offers=offers,
        used=used,
        others=others,
        sockets_closed=city.heard.closed,
    )


def capacity(
    city: City, seconds: float, first: float = FIRST_RATE, say: Callable[[str], None] = lambda _: None
) -> tuple[float, list[str]]:
    """The highest rate that is served well (orders/s), and what each step of the search saw. A step that
    fails is tried once more, so that one pause of the machine does not decide.
    """
    steps: list[str] = []

    def served_well(rate: float) -> bool:
        for _ in range(2):
            found = step(city, rate, seconds)
            steps.append(f"{found}{'' if found.served_well else ' (too much)'}")
            say(steps[-1])
            if found.served_well:
                return True
            city.wait_until_ready()
        return False

    return highest(served_well, first, STEP), steps
