"""Orders as their customers submit, read and cancel them, and as drivers answer them."""

import orjson
import redis
from flask import Blueprint, Response, request

from models.errors import (
    ActiveOrderExists,
    ConcurrentRequest,
    DriverBusy,
    IdempotencyKeyReused,
    InvalidTransition,
    NotOffered,
    OrderCancelled,
    OrderExpired,
    OrderNotCancellable,
    OrderNotFound,
    RateLimitExceeded,
    TruckTaken,
)
from models.live import order_cache
from tasks import offers, orders
from web.admission import door
from web.guards import caller, requires
from web.http.operations import Answer, Example, Operation, header, links
from web.http.parsing import body, identifier, sent, validated
from web.http.responses import success, success_text
from web.routes import robo
from web.routes.drivers import OF_TRIPS
from web.routes.paging import PAGE, STORY, page_of, story_of
from web.schemas.answers import ActiveOrder, OrderCreated, OrderPage, OrderQueued, OrderStorySeen, OrderWhole
from web.schemas.answers_to_drivers import Accepted, Declined
from web.schemas.bodies import Accept, Cancel, NewOrder, Nothing
from web.schemas.example_orders import MANY_TRUCKS, ONE_TRUCK
from workers.reading import current, listing, pseudonyms

blueprint = Blueprint("orders", __name__, url_prefix="/api/v1/orders")

KEY = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[!-)+-9;-~]{1,255}$"}
# What customers, drivers and operators may do with the order of an answer.
OF_ORDERS = links(
    "orderId",
    "/order/id",
    "orders.show",
    "orders.events",
    "orders.cancel",
    "orders.accept",
    "orders.decline",
    "ops.show",
    "ops.rebroadcast",
    "ops.expire",
)
# Why a driver's answer may come too late.
LATE = (NotOffered, TruckTaken, OrderExpired, OrderCancelled, InvalidTransition)


@blueprint.post("")
@requires("customer")
@Operation(
    "Orders",
    Answer(
        "Placed, and the first drivers are asked.",
        OrderCreated,
        201,
        headers=("Location", "Idempotent-Replayed"),
        links=OF_ORDERS,
    ),
    also=(
        Answer(
            "Accepted and durable, not placed yet; `GET` shows the outcome.",
            OrderQueued,
            202,
            headers=("Location", "Idempotent-Replayed", "Preference-Applied"),
            links=OF_ORDERS,
        ),
    ),
    body=NewOrder,
    examples=(
        Example("one_truck", "One truck from Noida to Delhi", ONE_TRUCK),
        Example("many_trucks", "Three trucks of two kinds, with a stop on the way", MANY_TRUCKS),
    ),
    parameters=(
        header(
            "X-Idempotency-Key",
            "Names this order; `Idempotency-Key` is read too. Visible ASCII without `:` and `*`; in "
            "quotes, as the IETF's draft has it, it is the same key.",
            KEY,
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
)
def create() -> Response:
    """A new order.

    The order is durable with the answer: it is placed once, or, after a 202, it may become `rejected`. Send
    a key: without one an app that gets no answer cannot tell whether the order exists. The same key with
    the same payload gives the same answer for 72 hours; payloads are compared as JSON values. 409, 429, 503
    and validation errors are not kept under the key.
    """
    if robo.IN_WSGI in request.environ:
        return robo.create(request, caller().sub)
    return door.create(request, caller().sub, sent())


@blueprint.get("")
@requires("customer")
@Operation("Orders", Answer("A page of orders.", OrderPage), parameters=PAGE)
def index() -> Response:
    """The caller's orders, newest first."""
    return success(listing.orders(caller().sub, *page_of()))


@blueprint.get("/active")
@requires("customer")
@Operation("Orders", Answer("The order; `null` if there is none.", ActiveOrder))
def active() -> Response:
    """The caller's order that is not over, if there is one."""
    return success(current.current_order(caller().sub) or {"order": None, "truckRequests": []})


@blueprint.get("/<order_id>")
@requires("customer")
@Operation("Orders", Answer("The order.", OrderWhole), errors=(OrderNotFound,))
def show(order_id: str) -> Response:
    """One order with its truck requests."""
    return success_text(_own(order_id))


@blueprint.get("/<order_id>/events")
@requires("customer")
@Operation(
    "Orders",
    Answer("A page of the order's story, oldest first.", OrderStorySeen),
    parameters=STORY,
    errors=(OrderNotFound,),
)
def events(order_id: str) -> Response:
    """Who was offered what, when, and how it ended.

    The event of a wave names at most 10 of its drivers, and in `driversAsked` how many there were; `offers`
    has all of them, page by page. Drivers who never had a truck of this order appear under an id that means
    nothing elsewhere, and no distance is shown.
    """
    _own(order_id)
    known = identifier(order_id, OrderNotFound)
    return success(pseudonyms.story(known, story_of(known)))


@blueprint.post("/<order_id>/cancel")
@requires("customer")
@Operation(
    "Orders",
    Answer("The order is off; so it is if it was before.", OrderWhole),
    body=Cancel,
    examples=(Example("reason", "With a reason", {"reason": "The load is not ready."}),),
    errors=(OrderNotFound, OrderNotCancellable),
)
def cancel(order_id: str) -> Response:
    """Calls the order off; the answer means that it is off.

    Possible until a truck is loaded. Right after this answer a new order works.
    """
    wanted = validated(Cancel, body())
    known = identifier(order_id, OrderNotFound)
    orders.cancel(caller().sub, known, wanted.reason)
    return success(current.order(known))


@blueprint.post("/<order_id>/accept")
@requires("driver")
@Operation(
    "Drivers",
    Answer("The truck is this driver's; a repeat gets the same answer.", Accepted, links=OF_TRIPS),
    body=Accept,
    examples=(Example("any", "Any truck of the kind that was offered", {}),),
    errors=(*LATE, DriverBusy),
)
def accept(order_id: str) -> Response:
    """Takes one truck of the order.

    Each truck goes to exactly one driver. `truckRequestId` is a wish: another truck of the same kind that
    pays no less serves as well.
    """
    wanted = validated(Accept, body())
    truck = wanted.truckRequestId.lower() if wanted.truckRequestId else None
    return success(offers.accept(caller().sub, identifier(order_id, NotOffered), truck))


@blueprint.post("/<order_id>/decline")
@requires("driver")
@Operation(
    "Drivers",
    Answer("The offer is closed.", Declined),
    body=Nothing,
    examples=(Example("no", "An empty body", {}),),
    errors=LATE,
)
def decline(order_id: str) -> Response:
    """Turns the offer down."""
    validated(Nothing, body())
    return success(offers.decline(caller().sub, identifier(order_id, NotOffered)))


def _own(order_id: str) -> str:
    """The JSON text of the caller's order. Raises ``OrderNotFound`` for an order of anybody else."""
    known = identifier(order_id, OrderNotFound)
    view = _cached(known)
    if view is None:
        order = current.order(known)
        view = orjson.dumps(order).decode()
        # An order that is not placed yet changes without an update of the cache.
        if order["truckRequests"]:
            _fill(known, view)
    if orjson.loads(view)["order"]["customerId"] != caller().sub:
        raise OrderNotFound
    return view


def _cached(order_id: str) -> str | None:
    try:
        return order_cache.read(order_id)
    except redis.RedisError:
        return None


def _fill(order_id: str, view: str) -> None:
    try:
        order_cache.fill(order_id, view)
    except redis.RedisError:
        return
