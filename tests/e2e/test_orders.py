"""An order over HTTP, with an ordinary client, against the real processes."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from urllib.parse import urlsplit

import orjson
import pytest

from tests import scenes
from tests.system import Person, System, until


def away(number: int) -> dict[str, object]:
    """A payload whose pickup is far from every driver of the other tests."""
    here = {"latitude": -40.0 - number, "longitude": 170.0, "address": "far away"}
    return scenes.body(pickup=here)


def test_the_same_key_twice_gives_the_same_order(system: System, name: str) -> None:
    asha = Person(system.urls[0], "customer", name)
    first = asha.order(away(0), X_Idempotency_Key="k1")
    assert first.status_code == 201
    assert first.headers["Location"] == f"/api/v1/orders/{first.json()['data']['order']['id']}"
    elsewhere = Person(system.urls[1], "customer", name)
    again = elsewhere.order(away(0), X_Idempotency_Key="k1")
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert "Idempotency HIT" in system.log("web2")


def test_the_order_of_names_and_white_space_do_not_make_another_payload(system: System, name: str) -> None:
    asha = Person(system.urls[0], "customer", name)
    first = asha.order(away(0), X_Idempotency_Key="k1")
    turned = dict(reversed(list(away(0).items())))
    spaced = b" \n" + orjson.dumps(turned, option=orjson.OPT_INDENT_2)
    headers = {"X-Idempotency-Key": "k1", "Content-Type": "application/json"}
    again = asha.http.post("/orders", content=spaced, headers=headers)
    assert again.content == first.content
    other = asha.order({**away(0), "distanceKm": 26}, X_Idempotency_Key="k1")
    assert (other.status_code, other.json()["error"]["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


def test_a_replay_needs_neither_redis_nor_the_active_order_rule(system: System, name: str) -> None:
    asha = Person(system.urls[0], "customer", name)
    first = asha.order(away(0), X_Idempotency_Key="k1")
    refused = asha.order(away(0), X_Idempotency_Key="k2")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "ACTIVE_ORDER_EXISTS")
    assert refused.json()["error"]["data"]["activeOrderId"] == first.json()["data"]["order"]["id"]
    elsewhere = Person(system.urls[1], "customer", name)
    again = elsewhere.order(away(0), Idempotency_Key="k1")
    assert again.content == first.content
    assert asha.order(away(0), Idempotency_Key="k1").content == first.content


@pytest.mark.parametrize("keys", [True, False], ids=["two keys", "no key"])
def test_of_two_posts_at_once_one_is_placed(system: System, name: str, keys: bool) -> None:
    barrier = threading.Barrier(2)

    def post(number: int) -> tuple[int, str]:
        asha = Person(system.urls[number], "customer", name)
        barrier.wait()
        headers = {"X_Idempotency_Key": f"k{number}"} if keys else {}
        answer = asha.order(away(1), **headers)
        return answer.status_code, answer.json().get("error", {}).get("code", "")

    with ThreadPoolExecutor(2) as pool:
        answers = sorted(pool.map(post, range(2)))
    assert answers[0] == (201, "")
    assert answers[1] in [(409, "CONCURRENT_REQUEST"), (409, "ACTIVE_ORDER_EXISTS")]


def test_twenty_posts_with_one_key_make_one_order(system: System, name: str) -> None:
    def post(number: int) -> tuple[int, str]:
        answer = Person(system.urls[number % 2], "customer", name).order(away(2), X_Idempotency_Key="k")
        data = answer.json()
        return answer.status_code, data["data"]["order"]["id"] if answer.status_code == 201 else data[
            "error"
        ]["code"]

    with ThreadPoolExecutor(20) as pool:
        answers = set(pool.map(post, range(20)))
    placed = {answer for answer in answers if answer[0] == 201}
    assert len(placed) == 1
    assert answers - placed <= {(409, "CONCURRENT_REQUEST")}


def test_right_after_a_cancel_a_new_order_works(system: System, name: str) -> None:
    asha = Person(system.urls[0], "customer", name)
    first = asha.order(away(3)).json()["data"]["order"]["id"]
    cancelled = asha.http.post(f"/orders/{first}/cancel", json={"reason": "changed my mind"})
    assert cancelled.json()["data"]["order"]["status"] == "cancelled"
    assert asha.order(away(3)).status_code == 201


def test_a_client_that_hangs_up_and_retries_gets_its_one_order(system: System, name: str) -> None:
    asha = Person(system.urls[0], "customer", name)
    body = orjson.dumps(away(4))
    address = urlsplit(system.urls[0])
    head = (
        "POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {asha.token}\r\nX-Idempotency-Key: k\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(head.encode() + body)
    answer = until(lambda: _created(asha, body), what="no 201 on the retry")
    assert [order["id"] for order in asha.http.get("/orders").json()["data"]["orders"]] == [answer]


def _created(asha: Person, body: bytes) -> str | None:
    headers = {"X-Idempotency-Key": "k", "Content-Type": "application/json"}
    answer = asha.http.post("/orders", content=body, headers=headers)
    assert answer.status_code in (201, 409)
    return answer.json()["data"]["order"]["id"] if answer.status_code == 201 else None


def test_respond_async_answers_202_and_the_order_follows(system: System, name: str) -> None:
    asha = Person(system.urls[0], "customer", name)
    answer = asha.order(away(5), Prefer="respond-async", X_Idempotency_Key="k")
    assert answer.status_code == 202
    assert answer.headers["Preference-Applied"] == "respond-async"
    assert answer.json()["data"]["order"]["status"] == "queued"
    where = answer.headers["Location"].removeprefix("/api/v1")
    assert asha.http.get(where).status_code == 200
    until(lambda: asha.http.get(where).json()["data"]["order"]["status"] == "active")
    again = asha.order(away(5), Prefer="respond-async", X_Idempotency_Key="k")
    assert (again.status_code, again.content) == (202, answer.content)
    assert again.headers["Idempotent-Replayed"] == "true"


def test_one_request_id_is_in_every_log_line_of_its_order(system: System, name: str) -> None:
    asha = Person(system.urls[0], "customer", name)
    answer = asha.order(away(6), X_Request_ID=f"trace-{name}")
    assert answer.headers["X-Request-ID"] == f"trace-{name}"
    until(partial(_logged, system, "web1", f"trace-{name}"), what="not in web1")
    until(partial(_logged, system, "orders", "order placed", f"trace-{name}"), what="not in orders")


def test_another_customers_order_does_not_exist(system: System, name: str) -> None:
    asha, ravi = (Person(system.urls[0], "customer", name + letter) for letter in "ab")
    order = asha.order(away(7)).json()["data"]["order"]["id"]
    for answer in (
        ravi.http.get(f"/orders/{order}"),
        ravi.http.get(f"/orders/{order}/events"),
        ravi.http.post(f"/orders/{order}/cancel", json={}),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "ORDER_NOT_FOUND")


def test_the_sixth_order_in_a_minute_is_refused_but_a_retry_is_not(system: System, name: str) -> None:
    asha = Person(system.urls[0], "customer", name)
    for number in range(5):
        order = asha.order(away(8), X_Idempotency_Key=f"k{number}")
        assert order.status_code == 201
        asha.http.post(f"/orders/{order.json()['data']['order']['id']}/cancel", json={})
    refused = asha.order(away(8), X_Idempotency_Key="k5")
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "RATE_LIMIT_EXCEEDED")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    for process in system.urls[1::-1]:
        again = Person(process, "customer", name).order(away(8), X_Idempotency_Key="k4")
        assert again.headers["Idempotent-Replayed"] == "true"


def _logged(system: System, process: str, *texts: str) -> bool:
    """Whether one line of this process has all of them."""
    return any(all(text in line for text in texts) for line in system.log(process).splitlines())
