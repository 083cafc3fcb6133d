"""What a socket starts with, so that its first frame stays below 64 KB."""

from typing import Any

import orjson

# Leaves room for the frame's own names and id.
MOST_BYTES = 60 * 1024


def of_driver(data: dict[str, Any]) -> dict[str, Any]:
    """``connected`` of a driver; offers that are left out come as frames of their own."""
    return _bounded(data, "openBroadcasts", "moreBroadcasts")


def of_customer(order: dict[str, Any] | None) -> dict[str, Any]:
    """``connected`` of a customer; ``GET /orders/{id}`` has the trucks that are left out."""
    return {"activeOrder": order and _bounded(order, "truckRequests", "moreTruckRequests")}


def _bounded(data: dict[str, Any], name: str, more: str) -> dict[str, Any]:
    """The first of these rows, and how many were left out if any were."""
    rows, size = data[name], len(orjson.dumps(data | {name: []}))
    for number, row in enumerate(rows):
        size += len(orjson.dumps(row)) + 1
        if size > MOST_BYTES:
            return data | {name: rows[:number], more: len(rows) - number}
    return data
