"""Customers whose apps do what the contract tells them: no answer, 5xx, 409 and they ask again."""

import asyncio
from collections import deque

from tests.faults.http import Answer, Client, Cut, Refused
from tests.faults.ledger import ACCEPTED, Wish
from tests.faults.scene import World, order_body, token

# An app that has tried as often as this lets it be.
TRIES = 60
# The contract says 2 s; some apps are hastier, and all together must not come at once.
PATIENCE = (0.3, 2.0)


class Customer:
    """One customer: orders, repeats, reads, cancels or waits, and orders again."""

    def __init__(self, world: World, sub: str, subtype: str) -> None:
        self.world, self.sub, self.subtype = world, sub, subtype
        self._client, self._second = (Client(token("customer", sub)) for _ in range(2))
        self._count = 0
        self._earlier: deque[Wish] = deque(maxlen=5)

    async def run(self) -> None:
        try:
            while not self.world.ending:
                if self.world.pace.take():
                    await self._order()
                else:
                    await asyncio.sleep(0.05)
        finally:
            self._client.close()
            self._second.close()

    async def _order(self) -> None:
        wish = self._wish(keyless=self._chance(0.03))
        twin = self._chance(0.08)
        if twin:
            await asyncio.gather(self._post(self._client, wish), self._post(self._second, self._rival(wish)))
        if await self._obtain(wish):
            await self._live_with(wish)
            self._earlier.append(wish)

    def _wish(self, keyless: bool = False) -> Wish:
        self._count += 1
        name = f"{self.sub}-{self._count}"
        key = None if keyless else name
        return self.world.ledger.wish(self.sub, name, key, order_body(name, self.subtype))

    def _rival(self, wish: Wish) -> Wish:
        """The same request from a second device at once, or another one."""
        return wish if wish.key and self._chance(0.5) else self._wish()

    async def _post(self, client: Client, wish: Wish) -> Answer | None:
        headers = {"X-Idempotency-Key": wish.key} if wish.key else {}
        if self._chance(0.05):
            headers["Prefer"] = self.world.random.choice(["respond-async", "wait=0", "wait=1"])
        retry = wish.accepted
        try:
            answer = await client.request(self.world.port(), "POST", "/orders", wish.body, headers)
        except Refused:
            return None
        except Cut:
            self.world.ledger.cut(wish)
            return None
        except asyncio.CancelledError:
            self.world.ledger.cut(wish)
            raise
        self.world.ledger.told(wish, answer, retry)
        return answer

    async def _obtain(self, wish: Wish) -> bool:
        """Asks until the order is accepted; false if the app gave up."""
        for _ in range(TRIES):
            if wish.accepted:
                return True
            answer = await self._post(self._client, wish)
            # A key that is answered for good is seen at the next turn.
            if self._gives_up(wish, answer):
                return False
            if answer and answer.code == "ACTIVE_ORDER_EXISTS" and self._chance(0.3):
                await self._cancel(str(answer.json["error"].get("data", {}).get("activeOrderId", "")))
            if not (answer and answer.status in ACCEPTED):
                await asyncio.sleep(self.world.random.uniform(*PATIENCE) if answer else 0.2)
        return wish.accepted

    def _gives_up(self, wish: Wish, answer: Answer | None) -> bool:
        """Without a key asking again would be a second order; a 503 is not always asked again."""
        if wish.key is None:
            return True
        return answer is not None and answer.status == 503 and self._chance(0.2)

    async def _live_with(self, wish: Wish) -> None:
        if self._chance(0.2):
            await self._again(wish)
        if self._chance(0.2):
            await self._look(wish)
        await asyncio.sleep(self.world.random.uniform(0.1, 1.5))
        if self._chance(self.world.cancels):
            await self._cancel(wish.order_id, wish)
        if self._chance(0.15):
            await self._again(wish)
        if self._earlier and self._chance(0.1):
            await self._again(self.world.random.choice(self._earlier))

    async def _again(self, wish: Wish) -> None:
        """The app was closed before it saw the answer: the same key once more."""
        if wish.key:
            await self._post(self._client, wish)

    async def _look(self, wish: Wish) -> None:
        try:
            answer = await self._client.request(self.world.port(), "GET", f"/orders/{wish.order_id}")
        except Cut:
            return
        if answer.status == 404:
            self.world.ledger.problem("an accepted order is not found", f"{wish.name}: {wish.order_id}")

    async def _cancel(self, order_id: str, wish: Wish | None = None) -> None:
        for _ in range(10):
            try:
                answer = await self._client.request(
                    self.world.port(), "POST", f"/orders/{order_id}/cancel", {"reason": "changed my mind"}
                )
            except Cut:
                await asyncio.sleep(0.2)
                continue
            if wish and answer.status == 200:
                wish.cancelled = True
            if answer.status != 503:
                return
            await asyncio.sleep(self.world.random.uniform(*PATIENCE))

    def _chance(self, probability: float) -> bool:
        return self.world.random.random() < probability
