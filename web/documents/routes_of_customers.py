"""The routes of customers' apps."""

from typing import Any

from models.errors import (
    ActiveOrderExists,
    ConcurrentRequest,
    IdempotencyKeyReused,
    OrderNotCancellable,
    OrderNotFound,
    RateLimitExceeded,
)
from web.documents import shapes
from web.documents.operations import Answer, Example, Operation, header, links, query
from web.routes.orders import MARK, MOST_STORY_ROWS, STATUSES
from web.schemas.bodies import Cancel, NewOrder
from workers.reading.listing import STORY_ROWS

_KEY = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[!-)+-9;-~]{1,255}$"}
_NOIDA: dict[str, Any] = {"latitude": 28.5355, "longitude": 77.3910, "address": "Sector 18, Noida"}
_DELHI: dict[str, Any] = {"latitude": 28.6139, "longitude": 77.2090, "address": "Connaught Place, Delhi"}
_AGRA: dict[str, Any] = {"latitude": 27.1767, "longitude": 78.0081, "address": "Agra"}

PAGE = (
    query("status", "Only orders in this state.", {"type": "string", "enum": list(STATUSES)}, "active"),
    query("limit", "How many at most.", {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}, 20),
    query("cursor", "`nextCursor` of the page before.", {"type": "string", "format": "uuid"}),
)

STORY = (
    query(
        "limit",
        "How many events and how many offers at most.",
        {"type": "integer", "minimum": 1, "maximum": MOST_STORY_ROWS, "default": STORY_ROWS},
        STORY_ROWS,
    ),
    query("cursor", "`nextCursor` of the page before.", {"type": "string", "pattern": f"^{MARK.pattern}$"}),
)

_CREATE = """\
The order is durable with the answer: it is placed once, or, after a 202, it may become `rejected`.
Send a key: without one an app that gets no answer cannot tell whether the order exists. The same key
with the same payload gives the same answer for 72 hours; payloads are compared as JSON values.
409, 429, 503 and validation errors are not kept under the key."""

# What the order's customer may do with it, drivers to whom it is offered, and operators.
_OF_CUSTOMERS = ("orders.show", "orders.events", "orders.cancel")
_OF_DRIVERS = ("orders.accept", "orders.decline")
_OF_OPERATORS = ("ops.show", "ops.rebroadcast", "ops.expire")
_MADE = links("orderId", "/order/id", *_OF_CUSTOMERS, *_OF_DRIVERS, *_OF_OPERATORS)

ROUTES = {
    "orders.create": Operation(
        "Orders",
        {
            201: Answer(
                "Placed, and the first drivers are asked.",
                shapes.OrderCreated,
                ("Location", "Idempotent-Replayed"),
                links=_MADE,
            ),
            202: Answer(
                "Accepted and durable, not placed yet; `GET` shows the outcome.",
                shapes.OrderQueued,
                ("Location", "Idempotent-Replayed", "Preference-Applied"),
                links=_MADE,
            ),
        },
        body=NewOrder,
        examples=(
            Example(
                "one_truck",
                "One truck from Noida to Delhi",
                {
                    "pickup": _NOIDA,
                    "drop": _DELHI,
                    "distanceKm": 25,
                    "vehicleRequirements": [
                        {
                            "vehicleType": "TRUCK",
                            "vehicleSubtype": "TATA_ACE",
                            "quantity": 1,
                            "pricePerTruck": 500,
                        }
                    ],
                    "goodsType": "furniture",
                    "cargoWeightKg": 800,
                },
                201,
            ),
            Example(
                "many_trucks",
                "Three trucks of two kinds, with a stop on the way",
                {
                    "routePoints": [
                        {"type": "PICKUP"} | _NOIDA,
                        {"type": "STOP"} | _DELHI,
                        {"type": "DROP"} | _AGRA,
                    ],
                    "distanceKm": 233.5,
                    "vehicleRequirements": [
                        {
                            "vehicleType": "TRUCK",
                            "vehicleSubtype": "TATA_ACE",
                            "quantity": 2,
                            "pricePerTruck": 5200,
                        },
                        {
                            "vehicleType": "TRUCK",
                            "vehicleSubtype": "OPEN_17FT",
                            "quantity": 1,
                            "pricePerTruck": 9100.5,
                        },
                    ],
                },
                201,
            ),
        ),
        parameters=(
            header(
                "X-Idempotency-Key",
                "Names this order; `Idempotency-Key` is read too. Visible ASCII without `:` and `*`; in "
                "quotes, as the IETF's draft has it, it is the same key.",
                _KEY,
                "5f1c9a52-asha-1",
            ),
            header(
                "Prefer",
                "`respond-async` answers 202 at once; `wait=N` lowers the wait for the 201 to N seconds.",
                {"type": "string"},
                "wait=5",
            ),
        ),
        errors=(ConcurrentRequest, ActiveOrderExists, IdempotencyKeyReused, RateLimitExceeded),
        text=_CREATE,
    ),
    "orders.index": Operation(
        "Orders",
        {200: Answer("A page of orders.", shapes.OrderPage)},
        parameters=PAGE,
    ),
    "orders.active": Operation(
        "Orders", {200: Answer("The order; `null` if there is none.", shapes.ActiveOrder)}
    ),
    "orders.show": Operation(
        "Orders", {200: Answer("The order.", shapes.OrderWhole)}, errors=(OrderNotFound,)
    ),
    "orders.events": Operation(
        "Orders",
        {200: Answer("A page of the order's story, oldest first.", shapes.OrderStorySeen)},
        parameters=STORY,
        errors=(OrderNotFound,),
        text="The event of a wave names at most 10 of its drivers, and in `driversAsked` how many there were;"
        " `offers` has all of them, page by page. Drivers who never had a truck of this order"
        " appear under an id that means nothing elsewhere, and no distance is shown.",
    ),
    "orders.cancel": Operation(
        "Orders",
        {200: Answer("The order is off; so it is if it was before.", shapes.OrderWhole)},
        body=Cancel,
        body_required=False,
        examples=(Example("reason", "With a reason", {"reason": "The load is not ready."}),),
        errors=(OrderNotFound, OrderNotCancellable),
        text="Possible until a truck is loaded. Right after this answer a new order works.",
    ),
}
