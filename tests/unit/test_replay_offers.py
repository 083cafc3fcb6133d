"""What a driver does with the offers on their screen."""

import asyncio
import random
from collections import Counter
from typing import Any

import pytest

from tools.replay import offers
from tools.replay.api import Answer, Api
from tools.replay.offers import Offer, OpenOffers, Replies, Reply
from tools.replay.places import Place
from tools.replay.sockets import Socket

HERE = Place(28.5, 77.3)
OFFER = Offer("o", "t", HERE, HERE, 0.0, 0.0)


def told(order_id: str, km_north: float) -> dict[str, Any]:
    pickup = {"coordinates": {"latitude": 28.5 + km_north / 111, "longitude": 77.3}}
    return {"orderId": order_id, "truckRequestId": f"t-{order_id}", "pickup": pickup, "drop": pickup}


@pytest.fixture
def screen() -> OpenOffers:
    shown = OpenOffers()
    shown.add(told("far", 4.0), now=0.0, reading_s=1.0)
    shown.add(told("near", 1.0), now=0.0, reading_s=2.0)
    return shown


def test_a_driver_takes_the_nearest_of_the_offers_they_have_read(screen: OpenOffers) -> None:
    assert screen.next_read_at() == 1.0
    assert screen.take_nearest(HERE, 0.9) is None
    taken = screen.take_nearest(HERE, 2.0)
    assert taken
    assert (taken.order_id, taken.truck_request_id) == ("near", "t-near")
    assert [left.order_id for left in screen.clear()] == ["far"]
    assert len(screen) == 0


def test_an_offer_that_is_over_is_gone(screen: OpenOffers) -> None:
    screen.drop("near")
    screen.drop("never heard of")
    taken = screen.take_nearest(HERE, 9.0)
    assert taken
    assert taken.order_id == "far"


def test_an_offer_shown_again_is_not_read_again(screen: OpenOffers) -> None:
    screen.add(told("far", 4.0), now=50.0, reading_s=4.0)
    assert screen.next_read_at() == 1.0


def test_an_offer_whose_end_was_missed_is_forgotten(screen: OpenOffers) -> None:
    assert screen.take_nearest(HERE, offers.FORGET_OFFER_S + 1) is None
    assert len(screen) == 0


class Phone(Socket):
    """A socket that takes what is sent, and has it answered (or not) by the test."""

    def __init__(self, connected: bool = True) -> None:
        super().__init__("", lambda: "", lambda _: None, Counter())
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.replies: Replies | None = None
        self.confirmation: dict[str, Any] = {}
        self._works = connected

    async def send(self, kind: str, data: dict[str, Any]) -> bool:
        self.sent.append((kind, data))
        if self.replies and self.confirmation:
            self.replies.hear({"orderId": "o", **self.confirmation})
        return self._works


class Recorded(Api):
    """An interface that answers every accept with the same."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("http://nowhere")
        self.asked: list[str] = []
        self._answer = answer

    async def send(
        self, method: str, path: str, bearer: str, body: dict[str, Any] | None = None, key: str = ""
    ) -> Answer:
        self.asked.append(f"{method} {path}")
        return self._answer


def accepted(api: Recorded, phone: Phone, by_http: bool, monkeypatch: pytest.MonkeyPatch) -> Reply:
    monkeypatch.setattr(offers, "ACCEPT_BY_HTTP", 1.0 if by_http else 0.0)
    monkeypatch.setattr(offers, "CONFIRMATION_S", 0.02)
    replies = Replies(api, "Bearer x", phone, random.Random(1))
    phone.replies = replies
    return asyncio.run(replies.accept(OFFER))


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        (Answer(200, {"truckRequestId": "other"}), Reply("", "other")),
        (Answer(409, code="TRUCK_TAKEN"), Reply("TRUCK_TAKEN")),
    ],
)
def test_an_accept_over_http(answer: Answer, reply: Reply, monkeypatch: pytest.MonkeyPatch) -> None:
    api = Recorded(answer)
    assert accepted(api, Phone(), True, monkeypatch) == reply
    assert api.asked == ["POST /orders/o/accept"]


@pytest.mark.parametrize(
    ("confirmation", "reply"),
    [
        ({"result": "accepted", "truckRequestId": "other"}, Reply("", "other")),
        ({"result": "refused", "code": "DRIVER_BUSY"}, Reply("DRIVER_BUSY")),
    ],
)
def test_an_accept_over_the_socket(
    confirmation: dict[str, Any], reply: Reply, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, phone = Recorded(Answer(500)), Phone()
    phone.confirmation = confirmation
    assert accepted(api, phone, False, monkeypatch) == reply
    assert phone.sent == [("accept_broadcast", {"orderId": "o", "truckRequestId": "t"})]
    assert api.asked == []


@pytest.mark.parametrize("connected", [True, False])
def test_an_accept_without_a_confirmation_is_asked_for_over_http(
    connected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = Recorded(Answer(200, {"truckRequestId": "t"}))
    assert accepted(api, Phone(connected), False, monkeypatch) == Reply("", "t")


def test_an_accept_that_could_not_be_stored_is_asked_for_again_over_http(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    api, phone = Recorded(Answer(409, code="TRUCK_TAKEN")), Phone()
    phone.confirmation = {"result": "refused", "code": "SERVICE_UNAVAILABLE"}
    assert accepted(api, phone, False, monkeypatch) == Reply("TRUCK_TAKEN")


def test_some_of_the_rest_are_declined_and_the_others_left_to_run_out() -> None:
    phone = Phone()
    replies = Replies(Recorded(Answer(200)), "Bearer x", phone, random.Random(1))
    asyncio.run(replies.pass_over([OFFER] * 200))
    assert 60 < len(phone.sent) < 140
    assert {kind for kind, _ in phone.sent} == {"decline_broadcast"}
