"""Prints one order: what it is, its trucks, and its story. Usage: python -m tools.watch.order ID"""

import os
import sys
from collections.abc import Iterator
from typing import Any

import httpx

from tools.replay.tokens import Tokens

TIMEOUT_S = 10.0
# The longest that the system gives in one answer.
PAGE = 100


def main() -> int:
    [order_id] = sys.argv[1:]
    base = f"http://127.0.0.1:{os.environ.get('PORT') or 8000}/api/v1/ops"
    bearer = Tokens().bearer("make-order", "ops")
    try:
        with httpx.Client(
            base_url=base, headers={"Authorization": bearer}, timeout=TIMEOUT_S, trust_env=False
        ) as api:
            print("\n".join(_lines(api, order_id)))
    except httpx.TransportError as error:
        print(f"Nothing answers at {base}: start the system with `make run` ({error}).", file=sys.stderr)
        return 2
    except LookupError as error:
        print(error.args[0], file=sys.stderr)
        return 1
    return 0


def _page(api: httpx.Client, order_id: str, cursor: str | None) -> dict[str, Any]:
    query = {"limit": str(PAGE)} | ({"cursor": cursor} if cursor else {})
    answer = api.get(f"/orders/{order_id}", params=query).json()
    if not answer["success"]:
        raise LookupError(f"{order_id}: {answer['error']['message']}")
    found: dict[str, Any] = answer["data"]
    return found


def _lines(api: httpx.Client, order_id: str) -> Iterator[str]:
    page = _page(api, order_id, None)
    order = page["order"]
    yield f"{order['id']}  {order['status']}  of {order['customerId']}"
    if "pickup" in order:
        yield f"{order['pickup']['address']} to {order['drop']['address']}, {order['distanceKm']} km, " + (
            f"{order['trucksFilled']} of {order['totalTrucks']} trucks, ₹{order['totalAmount']}"
        )
    for truck in page["truckRequests"]:
        kind = f"{truck['vehicleType']}/{truck['vehicleSubtype']}"
        yield f"  truck {truck['requestNumber']}  {kind}  {truck['status']}  {_driver(truck['driver'])}"
    yield from _events(page)
    while cursor := page["nextCursor"]:
        page = _page(api, order_id, cursor)
        yield from _events(page)


def _driver(driver: dict[str, Any] | None) -> str:
    return f"{driver['name']} ({driver['id']}), {driver['vehicleNumber']}" if driver else ""


def _events(page: dict[str, Any]) -> Iterator[str]:
    for event in page["events"]:
        facts = ", ".join(f"{name} {value}" for name, value in event["data"].items())
        yield f"  {event['at']}  {event['type']:22} {facts}"


if __name__ == "__main__":
    sys.exit(main())
