"""`make overload`: 2.5 times the peak for 20 s, from clients that do not wait for each other.

Open loop: requests arrive at random (Poisson), whether the system keeps up or not, and the time of each
counts from the moment at which it was due. Beside them drivers accept other orders, somebody asks for
`/health`, and the drivers' sockets stay open. The exit status is 1 where a line is not reached.
"""

import argparse
import gc
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tools.bench import placing
from tools.bench.apps import App, Lines, request
from tools.bench.course import Course
from tools.bench.crew import Crew, until_indexed
from tools.bench.figures import percentile
from tools.bench.loop import Loop
from tools.bench.people import DRIVERS_KM, People
from tools.bench.site import Site
from tools.bench.sockets import Heard, connect

# Longer than the load, so that offers made before it can be accepted to its end.
TTL_SECONDS = 30
TIMES_THE_PEAK = 2.5
LOAD_SECONDS = 20.0
PEAK_CONNECTIONS, PEAK_SECONDS = 32, 6.0
BUSY_PROCESSES = 4
# What is still on its way when the load ends has this long to be answered.
LAST_SECONDS = 15.0
ACCEPTS_A_SECOND = 10
HEALTH_A_SECOND = 2
# After the load: one order at a time, until they are answered as quickly as before.
PROBE_SECONDS, PROBE_EVERY_SECONDS = 10.0, 0.2
QUICK_SECONDS = 1.0

PATIENT_SECONDS = 12.0
IMPATIENT_SECONDS, IMPATIENT_REPEATS = 2.0, 5
LATE_SECONDS = 7.0
ANSWERED_WITHIN = 5.0


@dataclass(frozen=True)
class Case:
    """How long an app waits for an answer, how often it sends again, how many processes take what they can
    of the processors meanwhile, and whether an app that was refused sends again too.
    """

    patience: float
    repeats: int
    busy: int
    insists: bool = False


CASES = {
    "patient": Case(PATIENT_SECONDS, 0, 0),
    "repeating": Case(IMPATIENT_SECONDS, IMPATIENT_REPEATS, 0),
    "busy": Case(IMPATIENT_SECONDS, IMPATIENT_REPEATS, BUSY_PROCESSES),
    "insisting": Case(IMPATIENT_SECONDS, IMPATIENT_REPEATS, 0, insists=True),
}


@dataclass
class Seen:
    """What one round saw: the apps of the load, the accepts, and how long after the load 201s were quick."""

    peak: float
    seconds: float
    apps: list[App] = field(default_factory=list)
    accepts: list[App] = field(default_factory=list)
    health: list[App] = field(default_factory=list)
    sockets_closed: int = 0
    recovered: float = float("inf")


class Overload:
    """One round at ``rate`` arrivals a second, with ``busy`` processes beside it."""

    def __init__(self, course: Course, case: Case, rate: float, seconds: float) -> None:
        self._course, self._case, self._rate, self._seconds = course, case, rate, seconds
        self._loop, self._random = Loop(), Random(1)
        self._lines = Lines(self._loop, course.site.web_port)

    def run(self, peak: float) -> Seen:
        """The load, and what comes after it; ``peak`` is what the goodput is held against."""
        course, people, rate = self._course, self._course.people, self._rate
        seen = Seen(peak, self._seconds)
        subtype = f"LOAD_{time.time_ns()}"
        crew = Crew(course, self._loop, subtype)
        requests = people.orders(subtype)
        supply = iter([next(requests) for _ in range(int(1.1 * rate * self._seconds))])
        offers, heard = self._offers(round(1.4 * ACCEPTS_A_SECOND * self._seconds))
        course.say(f"peak {peak:.0f} orders/s; now {rate:.0f} arrivals/s for {self._seconds:.0f} s")
        begun = time.monotonic()
        end = begun + self._seconds
        crew.work(end + LAST_SECONDS)
        self._arrive(begun, end, rate, lambda due: seen.apps.append(self._order(next(supply), due)))
        accepting = iter(offers)
        self._arrive(
            begun,
            end - 0.5,
            ACCEPTS_A_SECOND,
            lambda due: seen.accepts.append(self._ask(next(accepting), due)),
        )
        self._arrive(
            begun, end, HEALTH_A_SECOND, lambda due: seen.health.append(self._ask(_get("/health"), due))
        )
        with _busy(self._case.busy):
            self._loop.run(end)
        seen.recovered = self._recover(end, requests)
        self._loop.run(time.monotonic() + LAST_SECONDS, lambda: all(app.over for app in seen.apps))
        seen.sockets_closed = crew.heard.closed + heard.closed
        self._loop.close()
        return seen

    def _offers(self, count: int) -> tuple[list[bytes], Heard]:
        """Accepts that are ready to be sent: each of a driver who holds an offer of their own."""
        people, heard, name = self._course.people, Heard(), f"ACCEPT_{time.time_ns()}"
        subtypes = [f"{name}_{number}" for number in range(count)]
        subs = [people.register(subtype, 1)[0] for subtype in subtypes]
        tokens = [people.token("driver", sub) for sub in subs]
        for driver_socket in connect(self._loop, self._course.site.web_port, tokens, heard):
            latitude, longitude = people.place(DRIVERS_KM)
            driver_socket.report(latitude, longitude)
        until_indexed(self._course, self._loop, subtypes, count)
        accepts = []
        for subtype, token in zip(subtypes, tokens, strict=True):
            app = self._order(next(people.orders(subtype)))
            self._loop.run(time.monotonic() + PATIENT_SECONDS, lambda app=app: app.over)  # type: ignore[misc]
            order_id = json.loads(app.body)["data"]["order"]["id"]
            accepts.append(request(f"/api/v1/orders/{order_id}/accept", token, b"{}"))
        return accepts, heard

    def _order(self, content: bytes, due: float = 0.0) -> App:
        case = self._case
        return App(self._loop, self._lines, content, case.patience, case.repeats, case.insists, due)

    def _ask(self, content: bytes, due: float) -> App:
        return App(self._loop, self._lines, content, PATIENT_SECONDS, 0, due=due)

    def _arrive(self, begun: float, end: float, rate: float, come: Callable[[float], None]) -> None:
        """Calls at independent moments, ``rate`` of them a second."""

        def later(moment: float) -> None:
            if (following := moment + self._random.expovariate(rate)) < end:
                self._loop.at(following, lambda _: due(following))

        def due(moment: float) -> None:
            come(moment)
            later(moment)

        later(begun)

    def _recover(self, end: float, requests: Iterator[bytes]) -> float:
        """How long after the load the first of the orders came that were answered quickly ever since."""
        quick_since = float("inf")
        while (now := time.monotonic()) < end + PROBE_SECONDS:
            probe = App(self._loop, self._lines, next(requests), PATIENT_SECONDS, 0)
            self._loop.run(now + PATIENT_SECONDS, lambda probe=probe: probe.over)  # type: ignore[misc]
            quick = probe.status == 201 and probe.seconds <= QUICK_SECONDS
            quick_since = min(quick_since, now - end) if quick else float("inf")
            self._loop.run(time.monotonic() + PROBE_EVERY_SECONDS)
        return quick_since


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


@contextmanager
def _busy(count: int) -> Iterator[None]:
    """So many processes that take what they can of the processors, for the time of the block."""
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def measured_peak(course: Course, busy: int) -> float:
    """Orders a second that are placed for as many clients as keep the system fully at work."""
    loop = Loop()
    with _busy(busy):
        found = placing.placed(course, PEAK_CONNECTIONS, "PEAK", PEAK_SECONDS, loop)
    loop.close()
    return found.values["rate"][0]


def verdict(seen: Seen, busy: bool) -> list[tuple[str, str, bool]]:
    """The lines of the table: what, how much, and whether it is what is wanted."""
    apps = seen.apps
    good = sum(app.status == 201 and app.seconds <= ANSWERED_WITHIN for app in apps)
    goodput = good / seen.seconds
    silent = sum(app.status is None for app in apps)
    late = sum(app.status is not None and app.total > LATE_SECONDS for app in apps)
    refused = [app for app in apps if app.refusals]
    careless = sum(app.refusals_without_wait for app in apps)
    accepts = [app.seconds if app.status == 200 else float("inf") for app in seen.accepts]
    health = [app.seconds if app.status == 200 else float("inf") for app in seen.health]
    answers = Counter(app.status for app in apps)
    times = [app.seconds for app in apps if app.status == 201]
    share = 100 / max(len(apps), 1)
    accepted = 1000 * percentile(accepts, 0.99)
    peak = "peak" + (" of these minutes" if busy else "")
    return [
        ("arrivals", f"{len(apps)}, last answers {dict(answers)}", True),
        (f"goodput (201 within {ANSWERED_WITHIN:.0f} s)", f"{goodput:.0f}/s", True),
        (f"goodput over the {peak}", f"{100 * goodput / seen.peak:.0f} %  (60)", goodput >= 0.6 * seen.peak),
        ("without an answer", f"{share * silent:.2f} %  (1)", share * silent <= 1),
        (f"after more than {LATE_SECONDS:.0f} s", f"{share * late:.2f} %  (1)", share * late <= 1),
        ("refused at least once", f"{share * len(refused):.0f} %", bool(refused)),
        ("refusals without Retry-After", f"{careless}  (0)", careless == 0),
        ("201 p50, p99", " and ".join(f"{1000 * percentile(times, p):.0f} ms" for p in (0.5, 0.99)), True),
        ("accepts p50", f"{1000 * percentile(accepts, 0.5):.0f} ms", True),
        ("accepts p99", f"{accepted:.0f} ms of {len(accepts)}  (500)", accepted <= 500),
        ("/health p99", f"{1000 * percentile(health, 0.99):.0f} ms", True),
        ("201 within a second again", f"{seen.recovered:.1f} s after the load  (5)", seen.recovered <= 5),
        ("sockets closed", f"{seen.sockets_closed}  (0)", seen.sockets_closed == 0),
    ]


def main() -> int:
    """Runs the cases, prints a table of each, and says whether every line was reached."""
    parser = argparse.ArgumentParser(prog="make overload", description=__doc__)
    parser.add_argument(
        "--cases", nargs="*", default=[name for name in CASES if not CASES[name].insists], choices=list(CASES)
    )
    parser.add_argument("--seconds", type=float, default=LOAD_SECONDS)
    wanted = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    gc.disable()
    directory = Path(tempfile.mkdtemp(prefix="weelo-overload-"))
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {text}", flush=True)

    site = Site(directory, TTL_SECONDS)
    reached = True
    try:
        say("starting stores, web, workers and beat")
        site.begin()
        course = Course(site, People(site), 1, PEAK_SECONDS, say)
        # The first round is slower than all others.
        measured_peak(course, 0)
        peak = measured_peak(course, 0)
        for name in wanted.cases:
            case = CASES[name]
            present = measured_peak(course, case.busy) if case.busy else peak
            seen = Overload(course, case, TIMES_THE_PEAK * peak, wanted.seconds).run(present)
            print(f"\n{name}: {case}")
            for what, figure, fine in verdict(seen, bool(case.busy)):
                print(f"    {what:32} {figure}{'' if fine else '   NOT REACHED'}", flush=True)
                reached = reached and fine
    except BaseException:
        say(f"logs in {directory}")
        raise
    finally:
        site.stop()
    site.forget()
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
