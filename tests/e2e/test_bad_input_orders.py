"""Bad idempotency keys and bad bodies: each is refused, and nothing is written."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest

from tests import raw
from tests.bad_orders import ORDERS, away, post, written
from tests.system import Person, System

# --- idempotency keys ---

X, STANDARD = "X-Idempotency-Key: ", "Idempotency-Key: "
SIGNS = "!#$%&'()+,-./;<=>?@[]^_`{|}~"
KEYS = {
    "two keys in two lines": (X + "k1", X + "k2"),
    "two keys under the standard name": (STANDARD + "k1", STANDARD + "k2"),
    "both names with different values": (X + "k1", STANDARD + "k2"),
    "three lines of which two agree": (X + "k1", STANDARD + "k1", X + "k2"),
    "colon": (X + "a:b",),
    "star": (X + "a*b",),
    "space": (X + "a b",),
    "comma and space": (X + "a, a",),
    "tab": (X + "a\tb",),
    "delete": (X + "a\x7fb",),
    "not ASCII": (X + "clé",),
    "empty": (X,),
    "256 characters": (X + "k" * 256,),
}


@pytest.mark.parametrize("case", KEYS)
def test_a_key_that_is_wrong_is_refused(system: System, name: str, case: str) -> None:
    answer = raw.send(system.urls[0], post(Person(system.urls[0], "customer", name).token, *KEYS[case]))
    raw.assert_error(answer, 400, "VALIDATION_ERROR")
    assert written(name) == 0


@pytest.mark.parametrize(
    "lines",
    [
        (X + "k,1", X + "k,1"),
        (X + "k,1", STANDARD + "k,1"),
        (X + "k" * 255,),
        (X + SIGNS,),
    ],
    ids=["one key in two lines", "one key under both names", "255 characters", "every sign"],
)
def test_a_key_that_is_right_is_taken(system: System, name: str, lines: tuple[str, ...]) -> None:
    token = Person(system.urls[0], "customer", name).token
    first = raw.send(system.urls[0], post(token, *lines))
    assert first.status == 201, first.body
    again = raw.send(system.urls[1], post(token, *lines[:1]))
    assert (again.status, again.headers["idempotent-replayed"]) == (201, "true")


def test_a_key_with_an_underscore_in_its_name_is_no_key(system: System, name: str) -> None:
    token = Person(system.urls[0], "customer", name).token
    assert raw.send(system.urls[0], post(token, "X_Idempotency_Key: a:b")).status == 201


def test_the_key_of_another_customer_reveals_nothing(system: System, name: str) -> None:
    asha, ravi = (Person(system.urls[0], "customer", name + letter) for letter in "ab")
    first = asha.order(away(), X_Idempotency_Key="k")
    other = ravi.order(away(distanceKm=26), X_Idempotency_Key="k")
    assert (first.status_code, other.status_code) == (201, 201)
    assert "Idempotent-Replayed" not in other.headers
    assert other.json()["data"]["order"]["id"] != first.json()["data"]["order"]["id"]
    assert other.json()["data"]["order"]["customerId"] == ravi.sub


def test_of_twenty_posts_with_twenty_keys_one_is_placed(system: System, name: str) -> None:
    def order(number: int) -> tuple[int, str]:
        answer = Person(system.urls[number % 2], "customer", name).order(
            away(), X_Idempotency_Key=f"k{number}"
        )
        return answer.status_code, answer.json().get("error", {}).get("code", "")

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(order, range(20)))
    assert answers.count((201, "")) == 1
    refused = {(409, "CONCURRENT_REQUEST"), (409, "ACTIVE_ORDER_EXISTS"), (429, "RATE_LIMIT_EXCEEDED")}
    assert set(answers) - {(201, "")} <= refused


# --- bodies ---

GOOD = orjson.dumps(away())
NEED = "vehicleRequirements.0"


def changed(old: bytes, new: bytes) -> bytes:
    assert GOOD.count(old) == 1
    return GOOD.replace(old, new)


def requirement(**changes: Any) -> dict[str, Any]:
    need = {"vehicleType": "TRUCK", "vehicleSubtype": "TATA_ACE", "quantity": 1, "pricePerTruck": 500}
    return need | changes


def needing(*requirements: dict[str, Any]) -> bytes:
    return orjson.dumps(away(vehicleRequirements=list(requirements)))


def placed(name: str, value: Any) -> bytes:
    return orjson.dumps(away(pickup={"latitude": -40.0, "longitude": 170.0, "address": "x"} | {name: value}))


# The body, and the field that the refusal has to name.
BODIES: dict[str, tuple[bytes, str]] = {
    "no body": (b"", ""),
    "not JSON": (b"{", "body"),
    "JSON and more": (GOOD + b"{}", "body"),
    "NaN": (changed(b":25", b":NaN"), "body"),
    "Infinity": (changed(b":25", b":Infinity"), "body"),
    "minus Infinity": (changed(b":25", b":-Infinity"), "body"),
    "a number too large": (changed(b":25", b":1e999"), "body"),
    "a number of 5,000 digits": (changed(b":25", b":" + b"9" * 5000), "body"),
    "a whole number past 64 bits": (changed(b":25", b":" + b"9" * 30), "distanceKm"),
    "the same name twice": (changed(b'"distanceKm":25', b'"distanceKm":25,"distanceKm":26'), "distanceKm"),
    "the same name twice, deep": (changed(b'"quantity":1', b'"quantity":1,"quantity":2'), "quantity"),
    "30,000 deep array": (b"[" * 30_000 + b"]" * 30_000, "body"),
    "10,000 deep object": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "body"),
    "deep inside a field": (changed(b'"furniture"', b"[" * 30_000 + b"]" * 30_000), "body"),
    "NUL in a text": (changed(b'"furniture"', rb'"a\u0000b"'), "goodsType"),
    "NUL as a byte": (changed(b'"furniture"', b'"a\0b"'), "body"),
    "lone surrogate": (changed(b'"furniture"', rb'"\ud800"'), "goodsType"),
    "lone surrogate as a name": (changed(b'"goodsType"', rb'"\ud800"'), ""),
    "not UTF-8": (changed(b'"furniture"', b'"\xff\xfe"'), "body"),
    "UTF-16": (GOOD.decode().encode("utf-16"), "body"),
    "byte order mark": (b"\xef\xbb\xbf" + GOOD, "body"),
    "an array": (b"[]", "body"),
    "a text": (b'"order"', "body"),
    "a number": (b"7", "body"),
    "null": (b"null", "body"),
    "latitude too far north": (placed("latitude", 90.0001), "pickup.latitude"),
    "longitude too far west": (placed("longitude", -180.5), "pickup.longitude"),
    "true for a number": (placed("latitude", True), "pickup.latitude"),
    "text for a number": (placed("latitude", "25"), "pickup.latitude"),
    "null for a number": (placed("latitude", None), "pickup.latitude"),
    "list for a place": (orjson.dumps(away(pickup=[1, 2])), "pickup"),
    "address empty": (placed("address", ""), "pickup.address"),
    "address blank": (placed("address", " \t"), "pickup.address"),
    "address of 501": (placed("address", "x" * 501), "pickup.address"),
    "distance negative": (orjson.dumps(away(distanceKm=-0.1)), "distanceKm"),
    "distance too far": (orjson.dumps(away(distanceKm=5000.1)), "distanceKm"),
    "quantity 0": (needing(requirement(quantity=0)), NEED + ".quantity"),
    "quantity -1": (needing(requirement(quantity=-1)), NEED + ".quantity"),
    "quantity 1.5": (needing(requirement(quantity=1.5)), NEED + ".quantity"),
    "quantity 101": (needing(requirement(quantity=101)), NEED + ".quantity"),
    "21 requirements": (needing(*[requirement()] * 21), "vehicleRequirements"),
    "no requirement": (needing(), "vehicleRequirements"),
    "101 trucks in all": (needing(requirement(quantity=51), requirement(quantity=50)), "body"),
    "price negative": (needing(requirement(pricePerTruck=-1)), NEED + ".pricePerTruck"),
    "price 1e12": (needing(requirement(pricePerTruck=1e12)), NEED + ".pricePerTruck"),
    "price of three decimals": (
        needing(requirement(pricePerTruck=1.005)),
        NEED + ".pricePerTruck",
    ),
    "price as text": (needing(requirement(pricePerTruck="500")), NEED + ".pricePerTruck"),
    "price 1e-320": (needing(requirement(pricePerTruck=1e-320)), NEED + ".pricePerTruck"),
    "vehicle with a colon": (needing(requirement(vehicleType="A:B")), NEED + ".vehicleType"),
    "vehicle with a line break": (
        needing(requirement(vehicleType="A\n")),
        NEED + ".vehicleType",
    ),
    "vehicle of 65": (needing(requirement(vehicleType="A" * 65)), NEED + ".vehicleType"),
    "status": (orjson.dumps(away(status="completed")), "status"),
    "customerId": (orjson.dumps(away(customerId="bela")), "customerId"),
    "totalAmount": (orjson.dumps(away(totalAmount=1)), "totalAmount"),
    "__proto__": (orjson.dumps(away(__proto__={})), "__proto__"),
    "eleven route points": (
        orjson.dumps(away(routePoints=[{"type": "STOP", **away()["drop"]}] * 11)),
        "routePoints",
    ),
}


@pytest.mark.parametrize("case", BODIES)
def test_a_body_that_is_wrong_is_refused_by_its_field(system: System, name: str, case: str) -> None:
    body, field = BODIES[case]
    answer = raw.send(system.urls[0], post(Person(system.urls[0], "customer", name).token, body=body))
    raw.assert_error(answer, 400, "VALIDATION_ERROR")
    fields = [row["field"] for row in answer.json["error"]["details"]]
    assert fields
    assert not field or field in fields, fields
    assert written(name) == 0


def test_a_whole_number_may_be_written_with_a_fraction_of_zero(system: System, name: str) -> None:
    asha = Person(system.urls[0], "customer", name)
    made = asha.order(orjson.loads(needing(requirement(quantity=2.0))))
    assert made.status_code == 201
    assert made.json()["data"]["order"]["totalTrucks"] == 2
    assert asha.http.post(f"/orders/{made.json()['data']['order']['id']}/cancel", json={}).status_code == 200


@pytest.mark.parametrize(
    "media",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "json"],
)
def test_another_media_type_is_refused(system: System, name: str, media: str) -> None:
    token = Person(system.urls[0], "customer", name).token
    lines = (f"Authorization: Bearer {token}", f"Content-Type: {media}", f"Content-Length: {len(GOOD)}")
    answer = raw.send(system.urls[0], raw.request("POST", ORDERS, *lines, body=GOOD))
    raw.assert_error(answer, 415, "UNSUPPORTED_MEDIA_TYPE")
    assert written(name) == 0
