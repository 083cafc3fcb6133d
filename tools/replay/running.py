"""The run of a replay, from the first registration to the last order."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from tools.replay.customer import OPENS_APP_S, Customer
from tools.replay.driver import Driver
from tools.replay.ledger import UNSETTLED, Order, Sample, State
from tools.replay.plan import Plan
from tools.replay.progress import Shown
from tools.replay.reading import Trip
from tools.replay.window import stamp
from tools.replay.world import World

# Registrations, and sockets opened before the clock starts: a shift change, not a flood.
AT_ONCE = 16
SOCKET_EVERY_S = 0.01
ALL_ONLINE_WITHIN_S = 30.0
# The search of the last order takes 60 s; a system that needs this much longer does not end it.
SEARCHES_END_WITHIN_S = 75.0
# A trip that still runs by then is compared as it is, and completed afterwards.
TRIPS_END_WITHIN_S = 30.0
# What was just done is on its way to the sockets; what has not arrived by then was not sent.
LAST_MESSAGES_S = 2.0
ALL_TOLD_WITHIN_S = 15.0
# An order is answered within 5 s or not as it should be.
ANSWERS_COME_WITHIN_S = 8.0
SAMPLE_EVERY_S = 1.0
# A picture needs no more; a longer replay is sampled half as often each time it has this many.
MOST_SAMPLES = 4000

Item = TypeVar("Item")


async def prepare(world: World, plan: Plan, show: Shown) -> None:
    """Registers all drivers, and brings those online whose shift begins with the window."""
    world.drivers += [Driver(world, cab, number) for number, cab in enumerate(plan.cabs)]
    await each(world.drivers, Driver.register, show, "drivers registered")
    early = [driver for driver in world.drivers if driver.begins <= plan.window.begins]
    for driver in early:
        world.spawn(driver.work())
        await asyncio.sleep(SOCKET_EVERY_S)
    await wait_until(lambda: all(driver.online for driver in early), ALL_ONLINE_WITHIN_S)


async def play(world: World, plan: Plan, show: Shown) -> None:
    """Runs the clock over the window, posts every trip, and waits until nothing more happens."""
    early = {driver.number for driver in world.drivers if driver.begins <= plan.window.begins}
    world.clock.start(after=OPENS_APP_S)
    for driver in world.drivers:
        if driver.number not in early:
            world.spawn(driver.work())
    watching = world.spawn(_watch(world, plan, show))
    await _post(world, plan.trips)
    await world.clock.until(plan.window.ends)
    await _quiet(world)
    watching.cancel()


async def finish(world: World, show: Shown) -> None:
    """Lets the last messages arrive, ends all sockets, and sends the drivers home."""
    world.closing = True
    for driver in world.drivers:
        driver.park()
    await asyncio.sleep(LAST_MESSAGES_S)
    await wait_until(lambda: not world.ledger.states[State.POSTED], ANSWERS_COME_WITHIN_S)
    await wait_until(lambda: not world.ledger.untold(), ALL_TOLD_WITHIN_S)
    online = [driver for driver in world.drivers if driver.on_duty]
    await world.stop()
    await each(online, Driver.leave, show, "drivers off duty")


async def call_off(world: World, show: Shown) -> None:
    """Cancels what still searches, so that nobody is asked for the orders of a replay that is over."""
    open_orders = [order for order in world.ledger.orders if order.state in UNSETTLED and order.order_id]

    async def cancel(order: Order) -> None:
        bearer = world.tokens.bearer(order.customer_id, "customer")
        body = {"reason": "the replay was ended early"}
        answer = await world.api.send("POST", f"/orders/{order.order_id}/cancel", bearer, body)
        if answer.ok:
            world.ledger.move(order, State.CANCELLED)

    await each(open_orders, cancel, show, "orders called off")


async def clear(world: World, show: Shown) -> None:
    """Leaves nothing of this run behind: no search, no trip under way, no driver on duty."""
    world.closing = True
    await world.stop()
    if (await world.api.ready()).status:
        await call_off(world, show)
        await each(world.drivers, Driver.settle, show, "drivers without a trip")


async def _post(world: World, trips: Iterable[Trip]) -> None:
    for trip in trips:
        await asyncio.sleep(max(0.0, world.clock.seconds_until(trip.requested_at) - OPENS_APP_S))
        world.spawn(Customer(world, trip).live())


async def _quiet(world: World) -> None:
    await wait_until(lambda: not world.ledger.unsettled, SEARCHES_END_WITHIN_S)
    await wait_until(lambda: not world.ledger.running, TRIPS_END_WITHIN_S)


async def wait_until(true: Callable[[], bool], within_s: float) -> bool:
    """Waits until something is true, and for no longer than that; whether it is."""
    until = time.monotonic() + within_s
    while not true() and time.monotonic() < until:
        await asyncio.sleep(0.1)
    return true()


async def each(
    items: Sequence[Item], work: Callable[[Item], Coroutine[Any, Any, None]], show: Shown, words: str
) -> None:
    """Does something for every one of them, a few at a time."""
    gate, done = asyncio.Semaphore(AT_ONCE), 0

    async def one(item: Item) -> None:
        nonlocal done
        async with gate:
            await work(item)
        done += 1
        show(done / len(items), f"{done} {words}")

    await asyncio.gather(*map(one, items))


async def _watch(world: World, plan: Plan, show: Shown) -> None:
    ledger, every = world.ledger, SAMPLE_EVERY_S
    while True:
        online, busy = world.count_drivers()
        elapsed = max(0.0, world.clock.elapsed)
        ledger.samples.append(Sample(elapsed, dict(ledger.states), online, busy, ledger.offers_heard))
        if len(ledger.samples) > MOST_SAMPLES:
            del ledger.samples[1::2]
            every *= 2
        show(elapsed * world.clock.speed / plan.window.seconds, _words(world, online))
        await asyncio.sleep(every)


def _words(world: World, online: int) -> str:
    ledger = world.ledger
    return (
        f"{stamp(world.clock.now())[11:]}  posted {len(ledger.orders)}, filled {ledger.filled}"
        f" (running {ledger.running}), searching {ledger.unsettled},"
        f" expired {ledger.states[State.EXPIRED]}, refused {ledger.refused}, online {online}"
    )
