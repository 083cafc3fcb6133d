"""Orders as their customers submit, read and cancel them, and as drivers answer them."""

import re
from typing import Any, NamedTuple

import orjson
import redis
from flask import Blueprint, Response, request

from models.errors import NotOffered, OrderNotFound
from models.live import order_cache
from models.tables.orders import ORDER_STATES
from tasks import offers, orders
from web.admission import door
from web.guards import caller, requires
from web.http.errors import Invalid
from web.http.parsing import UUID_SHAPE, body, identifier, sent, validated, whole_number
from web.http.responses import success, success_text
from web.schemas.bodies import Accept, Cancel, Nothing
from workers.reading import current, listing, pseudonyms
from workers.reading.listing import STORY_ROWS, Mark

blueprint = Blueprint("orders", __name__, url_prefix="/api/v1/orders")

# An event's number, and an offer's id or nothing.
MARK = re.compile(rf"(?P<event>[0-9]{{1,18}})\.(?P<offer>{UUID_SHAPE.pattern})?")
MOST_STORY_ROWS = 100
NO_CURSOR = ("cursor", "must be the nextCursor of the page before")

STATUSES = (*ORDER_STATES, "queued", "rejected")


@blueprint.post("")
@requires("customer")
def create() -> Response:
    """A new order."""
    return door.create(request, caller().sub, sent())


@blueprint.get("")
@requires("customer")
def index() -> Response:
    """The caller's orders, newest first."""
    return success(listing.orders(caller().sub, *page_of()))


@blueprint.get("/active")
@requires("customer")
def active() -> Response:
    """The caller's order that is not over, if there is one."""
    return success(current.current_order(caller().sub) or {"order": None, "truckRequests": []})


@blueprint.get("/<order_id>")
@requires("customer")
def show(order_id: str) -> Response:
    """One order with its truck requests."""
    return success_text(_own(order_id))


@blueprint.get("/<order_id>/events")
@requires("customer")
def events(order_id: str) -> Response:
    """Who was offered what, when, and how it ended."""
    _own(order_id)
    known = identifier(order_id, OrderNotFound)
    return success(pseudonyms.story(known, story_of(known)))


@blueprint.post("/<order_id>/cancel")
@requires("customer")
def cancel(order_id: str) -> Response:
    """Calls the order off; the answer means that it is off."""
    wanted = validated(Cancel, body())
    known = identifier(order_id, OrderNotFound)
    orders.cancel(caller().sub, known, wanted.reason)
    return success(current.order(known))


@blueprint.post("/<order_id>/accept")
@requires("driver")
def accept(order_id: str) -> Response:
    """Takes one truck of the order."""
    wanted = validated(Accept, body())
    truck = wanted.truckRequestId.lower() if wanted.truckRequestId else None
    return success(offers.accept(caller().sub, identifier(order_id, NotOffered), truck))


@blueprint.post("/<order_id>/decline")
@requires("driver")
def decline(order_id: str) -> Response:
    """Turns the offer down."""
    validated(Nothing, body())
    return success(offers.decline(caller().sub, identifier(order_id, NotOffered)))


class Page(NamedTuple):
    """The page of orders that the query asks for."""

    limit: int
    cursor: str | None
    status: str | None


def page_of() -> Page:
    """Raises ``Invalid``."""
    status = request.args.get("status")
    if status is not None and status not in STATUSES:
        raise Invalid([("status", "must be one of " + ", ".join(STATUSES))])
    cursor = request.args.get("cursor")
    if cursor is not None and not UUID_SHAPE.fullmatch(cursor):
        raise Invalid([NO_CURSOR])
    return Page(whole_number("limit", 20, 1, 100), cursor.lower() if cursor else None, status)


def story_of(order_id: str) -> dict[str, Any]:
    """The page of this order's story that the query asks for."""
    cursor = request.args.get("cursor")
    return listing.story(
        order_id,
        whole_number("limit", STORY_ROWS, 1, MOST_STORY_ROWS),
        _mark(cursor) if cursor is not None else None,
    )


def _mark(cursor: str) -> Mark:
    """Raises ``Invalid`` for a cursor that no page has given."""
    found = MARK.fullmatch(cursor)
    if found is None:
        raise Invalid([NO_CURSOR])
    return Mark(int(found["event"]), found["offer"])


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
