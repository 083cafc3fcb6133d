"""What a customer sees of the drivers who were asked for an order but never had one of its trucks.

Each has a pseudonym that means something within this order only: drivers cannot be
followed over several orders, and without the secret a pseudonym cannot be computed from a driver's id.
"""

import hmac
import secrets
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import text

from models import db

# All processes share the one in Postgres; the first that needs it makes it.
NAME = "pseudonyms"
MAKE = text("INSERT INTO secrets (name, value) VALUES (:name, :value) ON CONFLICT (name) DO NOTHING")
READ = text("SELECT value FROM secrets WHERE name = :name")

# A driver who was assigned a truck, even if they returned it, is known to the customer.
ASSIGNED = text("""
    SELECT driver_id FROM offers
    WHERE order_id = :order_id AND driver_id = ANY(:drivers) AND state IN ('accepted', 'given_back')
    UNION
    SELECT driver_id FROM truck_requests WHERE order_id = :order_id AND driver_id IS NOT NULL
""")

# What a customer sees of an event beside its drivers: no distances, and no operator's id.
SHOWN = frozenset(
    {"customerId", "driversAsked", "reason", "status", "truckRequestId", "trucks", "trucksFilled", "wave"}
)


def of(order_id: str, driver_id: str) -> str:
    """The pseudonym of a driver within one order."""
    digest = hmac.digest(_secret(), f"{order_id}:{driver_id}".encode(), "sha256")
    return f"driver-{digest[:16].hex()}"


@lru_cache(maxsize=1)
def _secret() -> bytes:
    named = {"name": NAME}
    with db.statements() as connection:
        made = connection.execute(READ, named).scalar_one_or_none()
        if made is None:
            connection.execute(MAKE, named | {"value": secrets.token_bytes(32)})
            made = connection.execute(READ, named).scalar_one()
        return bytes(made)


def story(order_id: str, whole: Mapping[str, Any]) -> dict[str, Any]:
    """A page of an order's story (``{events, offers, …}``) as its customer sees it."""
    names = _Names(order_id, whole)
    events = [event | {"data": names.shown(event["data"])} for event in whole["events"]]
    offers = [_offer(offer, names) for offer in whole["offers"]]
    # Within a wave the nearest come first; this order says nothing.
    offers.sort(key=lambda offer: (offer["offeredAt"], offer["driverId"]))
    return {**whole, "events": events, "offers": offers}


def _offer(offer: Mapping[str, Any], names: "_Names") -> dict[str, Any]:
    seen = {name: value for name, value in offer.items() if name != "pickupDistanceKm"}
    return seen | {"driverId": names.of(offer["driverId"])}


class _Names:
    """How the drivers of one page are called."""

    def __init__(self, order_id: str, whole: Mapping[str, Any]) -> None:
        self._order_id = order_id
        self._assigned = _assigned(order_id, _drivers_of(whole))

    def of(self, driver_id: str) -> str:
        return driver_id if driver_id in self._assigned else of(self._order_id, driver_id)

    def shown(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The data of an event."""
        seen = {name: value for name, value in data.items() if name in SHOWN}
        if "driverId" in data:
            seen["driverId"] = self.of(data["driverId"])
        for name in ("drivers", "assignedDrivers"):
            if name in data:
                seen[name] = self._sorted(data[name])
        return seen

    def _sorted(self, drivers: Sequence[Any]) -> list[Any]:
        """Drivers by their names, not by their distance: ids, or what each was offered."""
        if all(isinstance(driver, str) for driver in drivers):
            return sorted(self.of(driver) for driver in drivers)
        return sorted((self.shown(driver) for driver in drivers), key=lambda driver: str(driver["driverId"]))


def _drivers_of(whole: Mapping[str, Any]) -> set[str]:
    found = {offer["driverId"] for offer in whole["offers"]}
    for event in whole["events"]:
        data = event["data"]
        named = [data, *data.get("drivers", ()), *data.get("assignedDrivers", ())]
        found |= {driver if isinstance(driver, str) else driver.get("driverId", "") for driver in named}
    return found


def _assigned(order_id: str, drivers: Collection[str]) -> frozenset[str]:
    with db.reads() as connection:
        rows = connection.execute(ASSIGNED, {"order_id": order_id, "drivers": list(drivers)})
        return frozenset(row.driver_id for row in rows)
