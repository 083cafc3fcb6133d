"""The city: everybody in it, from the first registration to the last driver's going home."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx
from weelo_client import RequestRefused, WeeloError

from tools.demo import demand
from tools.demo.customer import Customer
from tools.demo.driver import Driver
from tools.demo.ledger import Ledger
from tools.replay.tokens import Tokens

# Registrations and goodbyes: a shift change, not a flood.
AT_ONCE = 16
# Enough for everybody's next request; the rest wait in the client, in a queue that is short.
CONNECTIONS = 64
# A cancelled order's trucks are notified within this time; what still drives then has a load on, or is to.
CANCELS_ARRIVE_WITHIN_S = 1.5
# The last steps are on their way to the customers.
TOLD_WITHIN_S = 5.0
HOME_WITHIN_S = 15.0
LOOK_EVERY_S = 0.1
# A restart takes seconds. After this long without any answer nobody is left to say goodbye to.
GONE_AFTER_S = 20.0
ASK_EVERY_S, ANSWER_WITHIN_S = 2.0, 5.0


class NotBegun(Exception):
    """The system is not there to be demonstrated; the text is one sentence."""


@dataclass(frozen=True)
class Options:
    """``minutes`` is how long the day lasts; ``speed`` how many times as fast as real ones trucks drive."""

    url: str
    seed: int = 1
    drivers: int = 200
    speed: float = 20.0
    minutes: float = 10.0


class City:
    """One run of the simulation. :meth:`run` once; :meth:`stop` ends it early, from the same loop."""

    def __init__(self, options: Options, tokens: Tokens, run: str, crew: str = "") -> None:
        """``run`` names its customers, and its drivers too unless they are those of a ``crew`` before."""
        self.options, self.run_name, self.crew = options, run, crew or run
        self.url = options.url.rstrip("/")
        self.ledger = Ledger()
        self.tokens = tokens
        self.http = httpx.AsyncClient(
            timeout=15.0, limits=httpx.Limits(max_connections=CONNECTIONS), trust_env=False
        )
        # Apart: its one question must not wait behind those of hundreds of drivers.
        self._probe = httpx.AsyncClient(timeout=ANSWER_WITHIN_S, trust_env=False)
        # No new work any more. Drivers with a load finish their trip at once.
        self.stopping = asyncio.Event()
        self.hurrying = asyncio.Event()
        self.drivers: list[Driver] = []
        self.customers: dict[str, Customer] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._began = time.monotonic()
        self._gone = False

    @property
    def state(self) -> str:
        """``starting`` until the system has taken the first driver, ``running``, ``stopping``."""
        if self.stopping.is_set():
            return "stopping"
        return "running" if self.drivers else "starting"

    @property
    def share(self) -> float:
        """How much of the day is over (0 to 1)."""
        return min(1.0, (time.monotonic() - self._began) / (self.options.minutes * 60))

    def token(self, role: str, sub: str) -> str:
        return self.tokens.bearer(sub, role).removeprefix("Bearer ")

    def stop(self) -> None:
        self.stopping.set()

    def counts(self) -> tuple[int, int]:
        """Drivers online, and how many of them have a trip."""
        online = [driver for driver in self.drivers if driver.online]
        return len(online), sum(driver.busy for driver in online)

    async def run(self) -> None:
        """Lives through the day, or to :meth:`stop`, and leaves nothing behind. Raises ``NotBegun``."""
        try:
            await self._must_be_there()
            drivers = [Driver(self, number) for number in range(self.options.drivers)]
            await self._must_take(drivers[0])
            self.drivers = drivers
            try:
                self.spawn(self._watch(), "watch")
                await self._each(self.drivers, Driver.begin)
                await self._day()
            finally:
                self.stopping.set()
                if not self._gone:
                    await self._end()
                await self._quit()
        finally:
            await self.http.aclose()
            await self._probe.aclose()

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Runs something on the side; an error in it is counted, never lost."""
        task = asyncio.ensure_future(work)
        task.set_name(name)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self.ledger.failures[f"{task.get_name()}: {error!r:.80}"] += 1

    async def pause(self, seconds: float) -> None:
        """Waits, or until the city hurries."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.hurrying.wait(), seconds)

    async def _watch(self) -> None:
        """Ends the city when the system has ended, as it does that started us by a button."""
        answered = time.monotonic()
        while time.monotonic() - answered < GONE_AFTER_S:
            await asyncio.sleep(ASK_EVERY_S)
            with suppress(httpx.TransportError):
                await self._probe.get(f"{self.url}/health")
                answered = time.monotonic()
        self.ledger.failures["the system has gone"] += 1
        self._gone = True
        self.stop()

    async def _must_be_there(self) -> None:
        try:
            answer = await self.http.get(f"{self.url}/ready")
        except httpx.TransportError:
            raise NotBegun(f"Nothing answers at {self.url}: start the system with `make run`.") from None
        if answer.status_code != 200:
            raise NotBegun(f"The system is not ready (HTTP {answer.status_code}): {self.url}/ready says why.")

    async def _must_take(self, driver: Driver) -> None:
        try:
            await driver.register()
        except RequestRefused as refused:
            raise NotBegun(
                f"The system refuses a driver ({refused}); is JWT_SECRET as the system has it?"
            ) from None

    async def _day(self) -> None:
        self._began = time.monotonic()
        for number, wish in enumerate(self._wishes()):
            if await self._stopped_within(wish.after_s - (time.monotonic() - self._began)):
                return
            self.ledger.posted += 1
            self.spawn(Customer(self, number, wish.body).live(), "customer")
        await self._stopped_within(self.options.minutes * 60 - (time.monotonic() - self._began))

    def _wishes(self) -> Iterator[demand.Wish]:
        options = self.options
        return demand.day(options.seed, options.minutes * 60, options.drivers, options.speed)

    async def _stopped_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), max(0.0, seconds))
        return self.stopping.is_set()

    async def _end(self) -> None:
        """Orders are called off where they still can be, loads are brought home, drivers go off duty."""
        await self._until(
            lambda: not any(customer.open for customer in self.customers.values()), HOME_WITHIN_S
        )
        await self._until(lambda: not self._unloaded(), CANCELS_ARRIVE_WITHIN_S)
        self.hurrying.set()
        await self._until(lambda: not any(driver.busy for driver in self.drivers), HOME_WITHIN_S)
        await self._until(lambda: not self.customers, TOLD_WITHIN_S)
        await self._each(self.drivers, Driver.leave)

    async def _quit(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _unloaded(self) -> bool:
        return any(driver.unloaded for driver in self.drivers)

    async def _until(self, true: Callable[[], bool], within_s: float) -> None:
        until = time.monotonic() + within_s
        while not true() and time.monotonic() < until:
            await asyncio.sleep(LOOK_EVERY_S)

    async def _each(
        self, drivers: Sequence[Driver], work: Callable[[Driver], Coroutine[Any, Any, None]]
    ) -> None:
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(driver: Driver) -> None:
            async with gate:
                try:
                    await work(driver)
                except WeeloError as error:
                    self.ledger.failures[f"driver: {error}"] += 1

        await asyncio.gather(*map(one, drivers))
