"""Orders as bytes, for tests of what is wrong with them."""

from typing import Any

import orjson
from sqlalchemy import text

from models import db
from tests import raw, scenes

ORDERS = "/api/v1/orders"
JSON = "Content-Type: application/json"


def away(**changes: Any) -> dict[str, Any]:
    """An order that no driver of another test is near to."""
    return scenes.body(pickup={"latitude": -40.0, "longitude": 170.0, "address": "far away"}) | changes


def post(token: str, *lines: str, body: bytes | None = None, path: str = ORDERS) -> bytes:
    """An order as bytes; header lines may be added, and the body replaced."""
    content = orjson.dumps(away()) if body is None else body
    length = f"Content-Length: {len(content)}"
    return raw.request("POST", path, f"Authorization: Bearer {token}", JSON, length, *lines, body=content)


def written(name: str) -> int:
    """How many rows this customer or driver has anywhere."""
    with db.statements() as connection:
        return int(
            connection.execute(
                text(
                    "SELECT (SELECT count(*) FROM admissions WHERE customer_id = :name)"
                    " + (SELECT count(*) FROM orders WHERE customer_id = :name)"
                    " + (SELECT count(*) FROM drivers WHERE id = :name)"
                ),
                {"name": name},
            ).scalar_one()
        )
