# Made of aio/driver.py by `make twin`.
"""The driver's app: duty, positions, offers, trips."""

from collections.abc import Sequence

import httpx

from weelo_client import calls
from weelo_client.closing import Closing
from weelo_client.doors import Door
from weelo_client.events import Events
from weelo_client.shapes import (
    Accepted,
    Broadcast,
    DriverView,
    Me,
    Position,
    Received,
    Registration,
    Track,
    TripState,
    TripStep,
)


class Driver(Closing):
    """One driver. Calls raise ``RequestRefused`` and ``NoAnswer``."""

    def __init__(self, url: str, token: str, http: httpx.Client | None = None) -> None:
        self._door = Door(url, token, "driver", http)

    def register(self, registration: Registration) -> DriverView:
        """Registers the driver and their vehicle; they are not available yet."""
        return self._door.do(calls.register(registration))

    def available(self, wants_work: bool = True) -> DriverView:
        """Goes on duty or off; going off withdraws the open offers."""
        return self._door.do(calls.available(wants_work))

    def me(self) -> Me:
        return self._door.do(calls.me())

    def broadcasts(self) -> Sequence[Broadcast]:
        """The open offers."""
        return self._door.do(calls.broadcasts())

    def report(self, *positions: Position) -> Received:
        """Up to 100 positions, for an app without a socket."""
        return self._door.do(calls.report(positions))

    def accept(self, order_id: str, truck_request_id: str | None = None) -> Accepted:
        """Takes a truck; again, once more the same success. ``TRUCK_TAKEN`` if another was first."""
        return self._door.do(calls.accept(order_id, truck_request_id))

    def decline(self, order_id: str) -> None:
        self._door.do(calls.decline(order_id))

    def advance(self, truck_request_id: str, status: TripStep) -> TripState:
        """One step of the trip; one whose answer was lost is not taken twice."""
        return self._door.do(calls.advance(truck_request_id, status))

    def give_back(self, truck_request_id: str, reason: str = "given back by the driver") -> TripState:
        """Returns a truck that is not loaded yet; it is searched for again, without this driver."""
        return self._door.do(calls.give_back(truck_request_id, reason))

    def track(self, truck_request_id: str, after: str | None = None) -> Track:
        """Where this driver was on a trip of theirs."""
        return self._door.do(calls.track(truck_request_id, after))

    def socket(self, last_event_id: int | None = None) -> Events:
        """Offers and what becomes of them; positions and accepts can be sent over it too."""
        return Events(self._door.url, self._door.token, last_event_id)

    def close(self) -> None:
        self._door.close()
