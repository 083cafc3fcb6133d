"""The first frame of a socket stays below 64 KB, and says what it leaves out."""

from typing import Any

import orjson

from web.socket import snapshots

PLACE = {"coordinates": {"latitude": 28.5, "longitude": 77.4}, "address": "ट" * 500, "city": "ट" * 100}
DRIVER = {"id": "d" * 64, "name": "ट" * 100, "phone": "+91 98765 43210", "vehicleNumber": "DL 1 AB 1234"}
TRUCK = {"id": "x" * 36, "vehicleType": "ट" * 64, "vehicleSubtype": "ट" * 64, "driver": DRIVER}


def size(data: Any) -> int:
    return len(orjson.dumps(data))


def test_the_largest_order_fits_into_the_first_frame_of_its_customer() -> None:
    order = {
        "order": {"routePoints": [PLACE] * 10, "pickup": PLACE, "drop": PLACE},
        "truckRequests": [TRUCK] * 100,
    }
    shown = snapshots.of_customer(order)["activeOrder"]
    assert size(shown) < 63_000
    assert 10 < len(shown["truckRequests"]) == 100 - shown["moreTruckRequests"]


def test_many_offers_fit_into_the_first_frame_of_their_driver() -> None:
    offers = [{"orderId": "x" * 36, "pickup": PLACE, "drop": PLACE}] * 200
    shown = snapshots.of_driver({"driverId": "d", "openBroadcasts": offers, "currentTrip": None})
    assert size(shown) < 63_000
    assert 5 < len(shown["openBroadcasts"]) == 200 - shown["moreBroadcasts"]


def test_what_fits_is_whole() -> None:
    driver: dict[str, Any] = {"driverId": "d", "openBroadcasts": [], "currentTrip": None}
    assert snapshots.of_driver(driver) == driver
    assert snapshots.of_customer(None) == {"activeOrder": None}
