"""The offers a driver has open, and how one of them is accepted."""

import asyncio
import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tools.replay.api import WORTH_REPEATING, Api
from tools.replay.driving import place_of
from tools.replay.places import Place, distance_km
from tools.replay.sockets import Socket

# How many accept over HTTP instead of the socket, and how many decline what they pass over.
ACCEPT_BY_HTTP = 0.3
DECLINE_REST = 0.5
# An answer to an accept that has not come by then was lost with its connection.
CONFIRMATION_S = 10.0
# The search of any order is over by then; its end was missed with a connection.
FORGET_OFFER_S = 90.0


@dataclass(frozen=True, slots=True)
class Offer:
    """An order that a driver could take.

    ``heard_at`` and ``read_at`` (when the driver has decided) are readings of the monotonic clock.
    """

    order_id: str
    truck_request_id: str
    pickup: Place
    drop: Place
    heard_at: float
    read_at: float


class OpenOffers:
    """The offers on one driver's screen."""

    def __init__(self) -> None:
        self._offers: dict[str, Offer] = {}

    def __len__(self) -> int:
        return len(self._offers)

    def add(self, told: dict[str, Any], now: float, reading_s: float) -> None:
        """Shows an offer, which takes ``reading_s`` to read; one that is shown stays as it is."""
        pickup, drop = place_of(told["pickup"]), place_of(told["drop"])
        offer = Offer(told["orderId"], told["truckRequestId"], pickup, drop, now, now + reading_s)
        self._offers.setdefault(offer.order_id, offer)

    def drop(self, order_id: str) -> None:
        """Removes an offer that is over."""
        self._offers.pop(order_id, None)

    def next_read_at(self) -> float:
        """When the first of them has been read; there must be one."""
        return min(offer.read_at for offer in self._offers.values())

    def take_nearest(self, here: Place, now: float) -> Offer | None:
        """Removes and returns, of those that have been read, the one with the nearest pickup."""
        self._forget(now)
        read = [offer for offer in self._offers.values() if offer.read_at <= now]
        nearest = min(read, key=lambda offer: distance_km(here, offer.pickup), default=None)
        if nearest:
            del self._offers[nearest.order_id]
        return nearest

    def clear(self) -> list[Offer]:
        """Removes and returns what is left."""
        rest, self._offers = list(self._offers.values()), {}
        return rest

    def _forget(self, now: float) -> None:
        self._offers = {i: o for i, o in self._offers.items() if now - o.heard_at < FORGET_OFFER_S}


@dataclass(frozen=True, slots=True)
class Reply:
    """What an accept led to: the code of the refusal, or the truck that was won."""

    code: str = ""
    truck_request_id: str = ""


class Replies:
    """Accepts and declines of one driver: over the socket or over HTTP, at random."""

    def __init__(self, api: Api, bearer: str, socket: Socket, dice: random.Random) -> None:
        self._api = api
        self._bearer = bearer
        self._socket = socket
        self._dice = dice
        self._waiting: dict[str, asyncio.Future[Reply]] = {}

    async def accept(self, offer: Offer) -> Reply:
        """Asks for the truck; over HTTP too when the socket gives no answer, or none that counts.

        Accepting twice is the same as once, so there is no harm in it.
        """
        if self._dice.random() >= ACCEPT_BY_HTTP:
            reply = await self._accept_by_socket(offer)
            if reply and reply.code not in WORTH_REPEATING:
                return reply
        return await self._accept_by_http(offer)

    def hear(self, confirmation: dict[str, Any]) -> None:
        """Takes an `accept_confirmation`."""
        waiting = self._waiting.get(confirmation["orderId"])
        if waiting and not waiting.done():
            refused = confirmation["result"] != "accepted"
            code = confirmation.get("code") or "NO_CODE" if refused else ""
            waiting.set_result(Reply(code, confirmation.get("truckRequestId") or ""))

    async def pass_over(self, offers: Iterable[Offer]) -> None:
        """Declines some of the offers that will not be accepted, and leaves the others to run out."""
        for offer in offers:
            if self._dice.random() < DECLINE_REST:
                await self._socket.send("decline_broadcast", {"orderId": offer.order_id})

    async def _accept_by_socket(self, offer: Offer) -> Reply | None:
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[offer.order_id] = reply
        body = {"orderId": offer.order_id, "truckRequestId": offer.truck_request_id}
        try:
            if not await self._socket.send("accept_broadcast", body):
                return None
            return await asyncio.wait_for(reply, CONFIRMATION_S)
        except TimeoutError:
            return None
        finally:
            del self._waiting[offer.order_id]

    async def _accept_by_http(self, offer: Offer) -> Reply:
        body = {"truckRequestId": offer.truck_request_id}
        path = f"/orders/{offer.order_id}/accept"
        answer = await self._api.send("POST", path, self._bearer, body)
        return Reply(answer.code, answer.data.get("truckRequestId", ""))
