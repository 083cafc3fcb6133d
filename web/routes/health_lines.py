"""What stops or delays the main job, as lines for the console's banner, each with its paragraph of the
runbook. They name a part sooner than `/ready`, on whose word a load balancer acts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from models.live import alive, queues
from web.routes.health import QUEUES, state
from web.routes.readings import DEADLINE_SECONDS, Readings

RUNBOOK = "/runbook"
# Workers speak every 2 s and a sweep runs every second.
SILENT_SECONDS = 6
# Orders placed as they come leave the queues empty; notifications leave within the second.
WAITING_TASKS = 50
LATE_SECONDS = 10


@dataclass(frozen=True)
class Line:
    """One part; ``detail`` says what is wrong, or how it does."""

    part: str
    ok: bool
    detail: str

    def view(self) -> dict[str, Any]:
        return {
            "part": self.part,
            "ok": self.ok,
            "detail": self.detail,
            "runbook": f"{RUNBOOK}#{self.part}",
        }


def silent(part: str) -> Line:
    """The line of a store that takes connections and does not answer."""
    return Line(part, False, f"no answer within {DEADLINE_SECONDS} s")


class StoreHealth:
    """Looks at both stores, at most once at a time, however many consoles are open."""

    def __init__(self) -> None:
        self._readings = Readings({"postgres": _of_postgres, "redis": _of_redis})

    def lines(self) -> list[Line]:
        """Of both stores, and of what Redis knows: without it nothing is said of workers, beat and queues."""
        found = self._readings.take()
        return [line for part, said in found.items() for line in said or [silent(part)]]


def _of_postgres() -> list[Line]:
    return [_store("postgres")]


def _of_redis() -> list[Line]:
    store = _store("redis")
    return [store, *_signs(), _queues()] if store.ok else [store]


def _store(name: str) -> Line:
    said = state(name)
    return Line(name, said == "ok", said)


def _signs() -> Iterator[Line]:
    *workers, swept = alive.ages(*map(alive.queue, QUEUES), alive.BEAT)
    gone = [name for name, age in zip(QUEUES, workers, strict=True) if age > SILENT_SECONDS]
    yield Line("worker", not gone, f"no worker for the queue {' and '.join(gone)}" if gone else "ok")
    # Whether beat sends the sweeps is not known while nobody runs them.
    if "sweeps" not in gone:
        yield Line("beat", swept <= SILENT_SECONDS, f"the last sweep ran {_ago(swept)} ago")


def _ago(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds <= alive.SECONDS else f"more than {alive.SECONDS} s"


def _queues() -> Line:
    waiting = queues.depths(QUEUES).waiting
    told = ", ".join(f"{count} in {name}" for name, count in waiting.items())
    return Line("queues", max(waiting.values()) <= WAITING_TASKS, f"tasks that wait: {told}")


def of_figures(counters: Mapping[str, Any]) -> list[Line]:
    """What the figures of an overview say."""
    dead, failed = counters["deadAdmissions"], counters["failedRows"]
    late, refused = counters["outboxOldestSeconds"], counters["ordersRefused"]
    return [
        Line("rows", not dead and not failed, f"{dead} orders given up, {failed} rows set aside"),
        Line("notifications", late <= LATE_SECONDS, f"the oldest waits {late:.0f} s"),
        Line(
            "refusals",
            not refused,
            f"{refused} new orders refused lately, since more come than can be placed",
        ),
    ]
