"""The routes of operators, of monitoring, and of the documents."""

from models.errors import InvalidTransition, OrderCancelled, OrderExpired, OrderNotFound
from web.console.city import CityNotStarted
from web.documents import shapes
from web.documents import shapes_of_console as console
from web.documents import shapes_of_drivers as views
from web.documents.operations import Answer, Example, Operation, query
from web.documents.routes_of_acts import FIND_ORDERS
from web.documents.routes_of_customers import PAGE, STORY
from web.schemas.bodies import CityWish, Nothing

_EMPTY = (Example("empty", "An empty body", {}),)
_DOCUMENT = "application/json"
_DEVELOPMENT = "Only with `APP_ENV=development`; elsewhere there is no such address (404)."

ROUTES = {
    "ops.overview": Operation(
        "Operators",
        {200: Answer("The state of this moment.", views.Overview)},
        text="Counted when it is asked for, in Postgres and the driver index, each figure up to 50,000. "
        "Drivers by state are kept for 50 times as long as counting them took, if that was more than 20 ms. "
        "The map shows the drivers heard of last, up to 1,000 of those on a trip, and others while these are "
        "few; a position is that of the driver index or the one that is saved, whichever is newer. "
        "Without the index a driver counts as heard of when their position was last saved. Without "
        "Postgres the 503 has the lines of `health` in `error.data.health`.",
    ),
    "ops.index": Operation(
        "Operators",
        {200: Answer("A page of orders.", shapes.OrderPage)},
        parameters=(*PAGE, *FIND_ORDERS),
        text="Found however old: a full id, the id of a customer or a driver, a phone (its last ten digits "
        "count), a plate. For an address, the end of an id or a vehicle the newest orders are looked "
        "through, 5,000 for a page, or 50,000 ids: a page may hold few orders or none and have a "
        "`nextCursor`, from which the look goes on. `from` and `to` say where it ends and begins.",
    ),
    "ops.show": Operation(
        "Operators",
        {200: Answer("The order, and a page of its story.", views.OrderForOperators)},
        parameters=STORY,
        errors=(OrderNotFound,),
    ),
    "ops.expire": Operation(
        "Operators",
        {200: Answer("The search is over.", views.OrderActedOn)},
        body=Nothing,
        body_required=False,
        examples=_EMPTY,
        errors=(OrderNotFound, OrderCancelled, InvalidTransition),
        text="Written to the order's audit with the operator's id.",
    ),
    "ops.rebroadcast": Operation(
        "Operators",
        {200: Answer("The next wave is sent, or is sent by the next sweep.", views.OrderActedOn)},
        body=Nothing,
        body_required=False,
        examples=_EMPTY,
        errors=(OrderNotFound, OrderExpired, OrderCancelled, InvalidTransition),
        text="Written to the order's audit with the operator's id.",
    ),
    "index": Operation("Machines", {200: Answer("Where to look.", views.Index)}),
    "health.health": Operation("Machines", {200: Answer("It lives.", views.Alive)}),
    "health.ready": Operation(
        "Machines", {200: Answer("All parts are there.", views.Ready)}, codes=("NOT_READY",)
    ),
    "health.ready_web": Operation(
        "Machines",
        {200: Answer("This process reaches Postgres.", views.ReadyWeb)},
        codes=("NOT_READY",),
        text="For load balancers. `/ready` asks for workers and beat too, so it fails everywhere at once.",
    ),
    "metrics.metrics": Operation(
        "Machines", {200: Answer("Prometheus' text format, or OpenMetrics.", media="text/plain")}
    ),
    "socket": Operation(
        "Socket",
        {101: Answer("The conversation begins; `/asyncapi.json` says how it goes on.")},
        parameters=(
            query("lastEventId", "The last id that this app has seen.", {"type": "integer", "minimum": 0}),
        ),
        codes=("VALIDATION_ERROR", "UPGRADE_REQUIRED"),
        text="Browsers send the token as the subprotocols `bearer, <JWT>`. Token, role and `Origin` are "
        "checked before the upgrade.",
    ),
    "console.page": Operation("Documents", {200: Answer("The console.", media="text/html")}, internal=True),
    "console.file": Operation(
        "Documents",
        {200: Answer("A file of the console.", media="*/*"), 304: Answer("It has not changed.")},
        codes=("NOT_FOUND",),
        internal=True,
    ),
    "console.tokens": Operation(
        "Documents",
        {200: Answer("Tokens for an hour, of people who are new.", console.Tokens)},
        body=Nothing,
        body_required=False,
        examples=_EMPTY,
        codes=("NOT_FOUND",),
        text=_DEVELOPMENT,
        internal=True,
    ),
    "city.show": Operation(
        "Documents",
        {200: Answer("How it is doing.", console.City)},
        codes=("NOT_FOUND",),
        text=_DEVELOPMENT,
        internal=True,
    ),
    "city.change": Operation(
        "Documents",
        {200: Answer("How it is doing now; a start may still be `starting`.", console.City)},
        body=CityWish,
        examples=(
            Example("start", "Let there be a city", {"running": True}),
            Example("stop", "Stop the city", {"running": False}),
        ),
        errors=(CityNotStarted,),
        codes=("NOT_FOUND",),
        text="Asking again for what is so already changes nothing; one that is still `stopping` has to end "
        f"before another can start. {_DEVELOPMENT}",
        internal=True,
    ),
    "documents.openapi_json": Operation("Documents", {200: Answer("OpenAPI 3.1.", media=_DOCUMENT)}),
    "documents.asyncapi_json": Operation("Documents", {200: Answer("AsyncAPI 3.1.", media=_DOCUMENT)}),
    "documents.docs": Operation("Documents", {200: Answer("Swagger UI.", media="text/html")}, internal=True),
    "documents.file": Operation(
        "Documents",
        {200: Answer("A file of Swagger UI.", media="*/*"), 304: Answer("It has not changed.")},
        codes=("NOT_FOUND",),
        internal=True,
    ),
    "documents.frames": Operation(
        "Documents", {200: Answer("The socket's frames.", media="text/html")}, internal=True
    ),
    "documents.guide": Operation("Documents", {200: Answer("The guide.", media="text/html")}, internal=True),
    "documents.runbook": Operation(
        "Documents", {200: Answer("The runbook.", media="text/html")}, internal=True
    ),
}
