"""Pages of orders, and of an order's story: what the query may ask, and what it has asked."""

import re
from typing import Any, NamedTuple

from flask import request

from models.tables.orders import ORDER_STATES
from web.http.errors import Invalid
from web.http.operations import number, query
from web.http.parsing import UUID_SHAPE, whole_number
from workers.reading import listing
from workers.reading.listing import STORY_ROWS, Mark

# An event's number, and an offer's id or nothing.
MARK = re.compile(rf"(?P<event>[0-9]{{1,18}})\.(?P<offer>{UUID_SHAPE.pattern})?")
NO_CURSOR = ("cursor", "must be the nextCursor of the page before")

STATUSES = (*ORDER_STATES, "queued", "rejected")

LIMIT = number("limit", "How many at most.", 1, 100, default=20, example=20)
PAGE = (
    query("status", "Only orders in this state.", {"type": "string", "enum": list(STATUSES)}, "active"),
    LIMIT,
    query("cursor", "`nextCursor` of the page before.", {"type": "string", "format": "uuid"}),
)
STORY_LIMIT = number(
    "limit",
    "How many events and how many offers at most.",
    1,
    100,
    default=STORY_ROWS,
    example=STORY_ROWS,
)
STORY = (
    STORY_LIMIT,
    query("cursor", "`nextCursor` of the page before.", {"type": "string", "pattern": f"^{MARK.pattern}$"}),
)


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
    return Page(whole_number(LIMIT), cursor.lower() if cursor else None, status)


def story_of(order_id: str) -> dict[str, Any]:
    """The page of this order's story that the query asks for."""
    cursor = request.args.get("cursor")
    mark = _mark(cursor) if cursor is not None else None
    return listing.story(order_id, whole_number(STORY_LIMIT), mark)


def _mark(cursor: str) -> Mark:
    """Raises ``Invalid`` for a cursor that no page has given."""
    found = MARK.fullmatch(cursor)
    if found is None:
        raise Invalid([NO_CURSOR])
    return Mark(int(found["event"]), found["offer"])
