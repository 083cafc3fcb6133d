"""The operators' view of all orders and drivers, and what they may do to an order."""

from typing import Any

from flask import Blueprint, Response, current_app, request
from flask.blueprints import BlueprintSetupState
from sqlalchemy.exc import SQLAlchemyError

from models import db
from models.errors import (
    DomainError,
    InvalidTransition,
    OrderCancelled,
    OrderExpired,
    OrderNotFound,
    ServiceUnavailable,
)
from tasks import operating
from web.guards import caller, requires
from web.http.operations import Answer, Example, Operation, query
from web.http.parsing import body, identifier, validated
from web.http.responses import success
from web.routes.health_lines import StoreHealth, of_figures, silent
from web.routes.paging import PAGE, STORY, page_of, story_of
from web.schemas.answers import OrderPage
from web.schemas.answers_to_drivers import Hour, OrderActedOn, OrderForOperators, Overview
from web.schemas.bodies import Nothing
from web.schemas.operating import PERSON, TEXT, TIME, VEHICLE, OrderSearch
from workers.reading import current, finding, hour, operators

blueprint = Blueprint("ops", __name__, url_prefix="/api/v1/ops")

LOOKED_FOR = (
    query(
        "q",
        "A full id or its end (4 characters or more), a person, a phone, a plate or part of an address.",
        TEXT,
    ),
    query("from", "Sent at this time or later.", TIME),
    query("to", "Sent before this time.", TIME),
    query("vehicle", "`TYPE/SUBTYPE`, or one of the two.", VEHICLE, "TRUCK/TATA_ACE"),
    query("driverId", "With a truck of this driver.", PERSON),
)


@blueprint.record_once
def _look_at_stores(state: BlueprintSetupState) -> None:
    state.app.extensions["store_health"] = StoreHealth()


@blueprint.get("/overview")
@requires("ops")
@Operation("Operators", Answer("The state of this moment.", Overview))
def overview() -> Response:
    """The state of the whole: health, counters, drivers by state, and where everybody is.

    Counted when it is asked for, in Postgres and the driver index, each figure up to 50,000. Drivers by
    state are kept for 50 times as long as counting them took, if that was more than 20 ms. The map shows
    the drivers heard of last, up to 1,000 of those on a trip, and others while these are few; a position is
    that of the driver index or the one that is saved, whichever is newer. Without the index a driver counts
    as heard of when their position was last saved. Without Postgres the 503 has the lines of `health` in
    `error.data.health`.
    """
    lines = current_app.extensions["store_health"].lines()
    views = [line.view() for line in lines]
    away = ServiceUnavailable("Postgres does not answer.", data={"health": views})
    # Asking a frozen store would take longer than the page waits.
    if silent("postgres") in lines:
        raise away
    try:
        found = operators.overview()
    except SQLAlchemyError as error:
        raise (away if db.unreachable(error) else error) from error
    return success({"health": views + [line.view() for line in of_figures(found["counters"])]} | found)


@blueprint.get("/hour")
@requires("ops")
@Operation("Operators", Answer("Trucks and figures of an hour.", Hour))
def last_hour() -> Response:
    """The figures of the last hour, minute by minute, and how many of the trucks asked for were taken.

    `minutes` are samples, one for each minute since Redis was last empty. Trucks are those of the hour's
    orders whose search is over; what changes more than five minutes after an order was sent is not seen.
    """
    return success(hour.hour())


@blueprint.get("/orders")
@requires("ops")
@Operation("Operators", Answer("A page of orders.", OrderPage), parameters=(*PAGE, *LOOKED_FOR))
def index() -> Response:
    """Everybody's orders, newest first: all of them, or those that fit what is looked for.

    Found however old: a full id, the id of a customer or a driver, a phone (its last ten digits count), a
    plate. For an address, the end of an id or a vehicle the newest orders are looked through, 5,000 for a
    page, or 25,000 ids: a page may hold few orders or none and have a `nextCursor`, from which the look
    goes on. `from` and `to` say where it ends and begins.
    """
    page = page_of()
    given = {by.name: request.args[by.name] for by in LOOKED_FOR if by.name in request.args}
    return success(finding.orders(validated(OrderSearch, given).wanted(page.status), page.limit, page.cursor))


@blueprint.get("/orders/<order_id>")
@requires("ops")
@Operation(
    "Operators",
    Answer("The order, and a page of its story.", OrderForOperators),
    parameters=STORY,
    errors=(OrderNotFound,),
)
def show(order_id: str) -> Response:
    """One order with its truck requests, its search, and a page of its story."""
    known = identifier(order_id, OrderNotFound)
    return success(whole_order(known) | story_of(known))


def _acts(meaning: str, *errors: type[DomainError]) -> Operation:
    return Operation(
        "Operators",
        Answer(meaning, OrderActedOn),
        body=Nothing,
        examples=(Example("empty", "An empty body", {}),),
        errors=(OrderNotFound, OrderCancelled, InvalidTransition, *errors),
        text="Written to the order's audit with the operator's id.",
    )


@blueprint.post("/orders/<order_id>/expire")
@requires("ops")
@_acts("The search is over.")
def expire(order_id: str) -> Response:
    """Ends the order's search now, as if its time were over; doing it again changes nothing."""
    validated(Nothing, body())
    known = identifier(order_id, OrderNotFound)
    done = operating.expire(known, caller().sub)
    order = whole_order(known)
    if not done and not _search_expired(order):
        raise _refusal(order)
    return success(order | {"done": done})


@blueprint.post("/orders/<order_id>/rebroadcast")
@requires("ops")
@_acts("The next wave is sent, or is sent by the next sweep.", OrderExpired)
def rebroadcast(order_id: str) -> Response:
    """Asks the next drivers at once; within 2 s of a wave there is nothing more to ask."""
    validated(Nothing, body())
    known = identifier(order_id, OrderNotFound)
    return search_answer(known, operating.rebroadcast(known, caller().sub))


def search_answer(order_id: str, done: bool) -> Response:
    """The order after an act on its search. Raises why nothing could be done to one that is over."""
    order = whole_order(order_id)
    if not done and not order["search"]["searching"]:
        raise OrderExpired if _search_expired(order) else _refusal(order)
    return success(order | {"done": done})


def whole_order(order_id: str) -> dict[str, Any]:
    """``{order, truckRequests, search}``. Raises ``OrderNotFound``."""
    return current.order(order_id) | {"search": operators.search(order_id)}


def _search_expired(order: dict[str, Any]) -> bool:
    """Whether the search of this order has ended with trucks missing."""
    return any(truck["status"] == "expired" for truck in order["truckRequests"])


def _refusal(order: dict[str, Any]) -> OrderCancelled | InvalidTransition:
    """Why nothing can be done to the search of this order."""
    status = order["order"]["status"]
    if status == "cancelled":
        return OrderCancelled()
    return InvalidTransition("This order is not searching for trucks.", data={"status": status})
