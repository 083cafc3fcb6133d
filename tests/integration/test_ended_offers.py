"""An offer that has ended leaves its driver's mailbox at once, and not an hour later."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import cast

import pytest

from models import live
from models.live import mailbox
from models.messages import Message
from tasks import drivers, offers, operating, orders
from tests import scenes

pytestmark = pytest.mark.usefixtures("clean")


def entries(driver: str = "one") -> list[dict[str, str]]:
    """What is in a driver's mailbox."""
    found = cast("list[tuple[str, dict[str, str]]]", live.commands().xrange(f"mailbox:driver:{driver}"))
    return [fields for _, fields in found]


def kept() -> list[str]:
    return [fields["type"] for fields in entries()]


def offered(trucks: int = 1) -> str:
    scenes.driver("one", 1)
    scenes.driver("two", 2)
    order_id = scenes.admitted("asha", trucks=trucks)
    orders.place([order_id])
    assert kept() == ["new_broadcast"]
    return order_id


@pytest.mark.parametrize(
    ("end", "left"),
    [
        (lambda order_id: operating.expire(order_id, "olga"), ["order_expired"]),
        (lambda order_id: orders.cancel("asha", order_id, "rain"), ["order_cancelled"]),
        (lambda order_id: offers.accept("two", order_id), ["request_no_longer_available"]),
        (lambda order_id: offers.accept("one", order_id), ["trip_assigned"]),
        (lambda order_id: offers.decline("one", order_id), []),
        (lambda _: drivers.set_available("one", False), ["request_no_longer_available"]),
    ],
    ids=["expired", "cancelled", "taken", "accepted", "declined", "withdrawn"],
)
def test_an_offer_leaves_the_mailbox_when_it_ends(end: Callable[[str], object], left: list[str]) -> None:
    end(offered())
    assert kept() == left


def test_an_offer_that_is_still_open_stays() -> None:
    offers.accept("two", offered(trucks=2))
    assert "new_broadcast" in kept()


def test_an_offer_that_has_ended_is_not_put_again() -> None:
    order_id = offered()
    (offer,) = entries()
    message = Message("driver:one", "new_broadcast", {}, offer["key"])
    offers.decline("one", order_id)
    assert mailbox.put([message], datetime.now(UTC)) == 0
    assert kept() == []


def test_a_driver_with_two_orders_keeps_the_other_offer() -> None:
    first = offered()
    orders.place([scenes.admitted("bina")])
    assert kept() == ["new_broadcast", "new_broadcast"]
    orders.cancel("asha", first, "rain")
    assert kept() == ["new_broadcast", "order_cancelled"]
