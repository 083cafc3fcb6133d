"""The calls and frames of a person whom a developer watches: theirs, all of them, and nobody else's."""

import json
from typing import Any, Literal
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, expect
from websockets.exceptions import ConnectionClosed

from models import live
from tests.e2e.console import violations, visit
from tests.scenes import body
from tests.system import Person, System, hear, on_duty, until

NARROW = (390, 800)


class Look:
    """A developer who watches one person through the second web process."""

    def __init__(self, system: System, role: str, sub: str) -> None:
        self._ops = Person(system.urls[1], "ops", f"{sub}-ops")
        self._address = f"{system.urls[1]}/console/watched/{role}/{sub}"
        self.seen: list[dict[str, Any]] = []

    def more(self) -> None:
        """Looks once."""
        after = {"after": self.seen[-1]["id"]} if self.seen else {}
        answer = self._ops.http.get(self._address, params=after)
        assert answer.status_code == 200, answer.text
        self.seen += answer.json()["data"]["entries"]

    def find(self, kind: str, title: str) -> dict[str, Any]:
        """Looks until there is such an entry."""

        def entry() -> dict[str, Any] | None:
            self.more()
            return next(
                (entry for entry in self.seen if (entry["kind"], entry["title"]) == (kind, title)), None
            )

        found: dict[str, Any] = until(entry, what=f"no {kind} {title} in {self.seen}")
        return found

    def begin(self, person: Person, path: str) -> None:
        """Watches; has the person ask for this path until their web process knows of it."""

        def noted() -> bool:
            self.more()
            assert person.http.get(path).status_code == 200
            return bool(self.seen)

        until(noted)


def test_a_watched_drivers_calls_and_frames_are_seen_and_nobody_elses(system: System, name: str) -> None:
    vehicle = ("TRUCK", name)
    ravi, other = (on_duty(system.urls[0], sub, vehicle=vehicle) for sub in (name, f"{name}-other"))
    priya = Person(system.urls[0], "customer", name)
    look = Look(system, "driver", name)
    look.begin(ravi, "/drivers/me")
    with ravi.socket() as socket, other.socket():
        order_id = priya.order(body(vehicle=vehicle)).json()["data"]["order"]["id"]
        hear(socket, "new_broadcast")
        decline = {"type": "decline_broadcast", "data": {"orderId": order_id}}
        socket.send(json.dumps(decline))
        received = look.find("received", "decline_broadcast")
        assert json.loads(received["text"]) == decline
    opened, offer = look.find("call", "GET /api/v1/ws"), look.find("sent", "new_broadcast")
    assert opened["status"] == "101"
    assert order_id in offer["text"]
    assert "Noida" not in offer["text"]
    assert look.find("closed", "by the app")["status"] == "1000"
    assert ravi.http.get("/drivers/me").status_code == 200
    refused = ravi.http.post(f"/orders/{order_id}/accept", json={"phone": "+911234567890"})
    entry = look.find("call", f"POST /api/v1/orders/{order_id}/accept")
    assert (entry["status"], entry["text"]) == (str(refused.status_code), '{"phone":"(hidden)"}')
    assert entry["error"].startswith("VALIDATION_ERROR: phone: ")
    assert entry["requestId"] == refused.headers["X-Request-ID"]
    assert float(entry["ms"]) > 0
    assert priya.http.post(f"/orders/{order_id}/cancel", json={}).status_code == 200
    for driver in (ravi, other):
        driver.http.put("/drivers/me/availability", json={"available": False})
    assert live.commands().keys(f"watched:*{name}*") == [f"watched:driver:{name}"]
    assert 0 < live.commands().ttl(f"watched:driver:{name}") <= 600  # type: ignore[operator]


def test_a_watched_socket_shows_the_code_that_it_was_closed_with(system: System, name: str) -> None:
    priya = Person(system.urls[0], "customer", name)
    look = Look(system, "customer", name)
    look.begin(priya, "/orders/active")
    with priya.socket() as first, priya.socket():
        with pytest.raises(ConnectionClosed):
            hear(first, "never")
        entry = look.find("closed", "replaced by a newer connection")
    assert entry["status"] == "4409"


@pytest.mark.parametrize("wrong", ["customer/priya?after=1", "customer/priya?after=x-1", "driver/a%20b"])
def test_what_names_no_person_and_no_entry_is_refused(system: System, wrong: str) -> None:
    http = Person(system.urls[0], "ops", uuid4().hex).http
    assert http.get(f"{system.urls[0]}/console/watched/{wrong}").status_code == 400


@pytest.mark.long
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_tab_follows_a_driver_from_their_panel_pauses_filters_and_fits_a_phone(
    browser: Browser, system: System, name: str, theme: Literal["light", "dark"]
) -> None:
    ravi = on_duty(system.urls[0], name, vehicle=("TRUCK", name))
    with visit(browser, system.urls[0], size=NARROW, theme=theme) as console:
        page, rows = console.page, console.page.locator("#calls-rows > li")
        page.goto(f"{console.url}/console#driver/{name}")
        page.get_by_role("button", name=f"Calls and frames of driver {name}").click()
        expect(page.locator("#person")).to_be_hidden()
        expect(page.locator("#calls-news")).to_have_text(f"Following driver {name}.")
        until(lambda: ravi.http.get("/drivers/me").is_success and rows.count(), what="no call is shown")
        with ravi.socket() as socket:
            expect(rows.first).to_contain_text("to the app: connected")
            ravi.http.post(f"/orders/{name}/accept", json={"truckRequestId": name})
            expect(rows.first).to_contain_text(f"POST /api/v1/orders/{name}/accept 4")
            rows.first.locator("summary").click()
            expect(rows.first.locator("pre")).to_contain_text(f'"truckRequestId": "{name}"')
            assert violations(page) == []
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
            console.see(f"calls-{theme}")
            page.get_by_role("button", name="Pause").click()
            socket.send('{"type": "heartbeat"}')
            expect(page.locator("#calls-news")).to_have_text("Paused; 1 more since.")
            expect(rows.filter(has_text="heartbeat")).to_have_count(0)
            page.get_by_role("button", name="Pause").click()
            expect(rows.first).to_contain_text("from the app: heartbeat")
        expect(rows.first).to_contain_text("socket closed: by the app 1000")
        page.get_by_label("Filter").fill("-socket app")
        expect(rows.filter(visible=True)).to_have_count(2)
        page.get_by_role("button", name="Clear").click()
        expect(rows).to_have_count(0)
    ravi.http.put("/drivers/me/availability", json={"available": False})


@pytest.mark.long
def test_an_orders_panel_leads_to_its_customer_and_another_person_takes_the_place(
    browser: Browser, system: System, name: str
) -> None:
    priya = Person(system.urls[0], "customer", name)
    order_id = priya.order(body(vehicle=("TRUCK", name))).json()["data"]["order"]["id"]
    with visit(browser, system.urls[0]) as console:
        page, rows = console.page, console.page.locator("#calls-rows > li")
        page.goto(f"{console.url}/console#order/{order_id}")
        page.get_by_role("button", name=f"Calls and frames of customer {name}").click()
        expect(page.locator("#calls-news")).to_have_text(f"Following customer {name}.")
        until(lambda: priya.http.get("/orders").is_success and rows.count(), what="no call is shown")
        assert priya.http.post(f"/orders/{order_id}/cancel", json={}).status_code == 200
        expect(rows.first).to_contain_text(f"POST /api/v1/orders/{order_id}/cancel 200")
        console.see("calls-desktop")
        page.get_by_label("Role", exact=True).select_option("driver")
        page.get_by_label("Id", exact=True).fill(name)
        page.keyboard.press("Enter")
        expect(page.locator("#calls-news")).to_have_text(f"Following driver {name}.")
        expect(rows).to_have_count(0)
        page.get_by_role("tab", name="Calls and frames").focus()
        page.keyboard.press("ArrowRight")
        expect(page.locator("#orders-title")).to_be_visible()
        assert page.url.endswith("/console")
