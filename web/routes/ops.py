"""The operators' view of all orders and drivers, and what they may do to an order."""

from typing import Any

from flask import Blueprint, Response, current_app, request
from flask.blueprints import BlueprintSetupState
from sqlalchemy.exc import SQLAlchemyError

from models import db
from models.errors import InvalidTransition, OrderCancelled, OrderExpired, OrderNotFound, ServiceUnavailable
from tasks import operating
from web.guards import caller, requires
from web.http.parsing import body, identifier, validated
from web.http.responses import success
from web.routes.health_lines import StoreHealth, of_figures, silent
from web.routes.orders import page_of, story_of
from web.schemas.bodies import Nothing
from web.schemas.operating import OrderSearch
from workers.reading import current, finding, operators

blueprint = Blueprint("ops", __name__, url_prefix="/api/v1/ops")

LOOKED_FOR = ("q", "from", "to", "vehicle", "driverId")


@blueprint.record_once
def _look_at_stores(state: BlueprintSetupState) -> None:
    state.app.extensions["store_health"] = StoreHealth()


@blueprint.get("/overview")
@requires("ops")
def overview() -> Response:
    """The state of the whole: health, counters, drivers by state, and where everybody is."""
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


@blueprint.get("/orders")
@requires("ops")
def index() -> Response:
    """Everybody's orders, newest first: all of them, or those that fit what is looked for."""
    page = page_of()
    given = {name: value for name, value in request.args.items() if name in LOOKED_FOR}
    return success(finding.orders(validated(OrderSearch, given).wanted(page.status), page.limit, page.cursor))


@blueprint.get("/orders/<order_id>")
@requires("ops")
def show(order_id: str) -> Response:
    """One order with its truck requests, its search, and a page of its story."""
    known = identifier(order_id, OrderNotFound)
    return success(whole(known) | story_of(known))


@blueprint.post("/orders/<order_id>/expire")
@requires("ops")
def expire(order_id: str) -> Response:
    """Ends the order's search now, as if its time were over; doing it again changes nothing."""
    validated(Nothing, body())
    known = identifier(order_id, OrderNotFound)
    done = operating.expire(known, caller().sub)
    order = whole(known)
    if not done and not search_expired(order):
        raise refusal(order)
    return success(order | {"done": done})


@blueprint.post("/orders/<order_id>/rebroadcast")
@requires("ops")
def rebroadcast(order_id: str) -> Response:
    """Asks the next drivers at once; within 2 s of a wave there is nothing more to ask."""
    validated(Nothing, body())
    known = identifier(order_id, OrderNotFound)
    done = operating.rebroadcast(known, caller().sub)
    order = whole(known)
    if not done and not order["search"]["searching"]:
        raise OrderExpired if search_expired(order) else refusal(order)
    return success(order | {"done": done})


def whole(order_id: str) -> dict[str, Any]:
    """``{order, truckRequests, search}``. Raises ``OrderNotFound``."""
    return current.order(order_id) | {"search": operators.search(order_id)}


def search_expired(order: dict[str, Any]) -> bool:
    """Whether the search of this order has ended with trucks missing."""
    return any(truck["status"] == "expired" for truck in order["truckRequests"])


def refusal(order: dict[str, Any]) -> OrderCancelled | InvalidTransition:
    """Why nothing can be done to the search of this order."""
    status = order["order"]["status"]
    if status == "cancelled":
        return OrderCancelled()
    return InvalidTransition("This order is not searching for trucks.", data={"status": status})
