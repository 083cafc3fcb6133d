"""The audit of an order: what happened, when, and to whom. Rows are only ever added."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, text

INSERT = text(
    "INSERT INTO order_events (order_id, at, type, data) "
    "VALUES (:order_id, coalesce(:now, now()), :type, :data)"
)


def record(
    connection: Connection, order_id: str, kind: str, now: datetime | None, data: Mapping[str, Any]
) -> None:
    """Adds one event inside the caller's transaction."""
    connection.execute(
        INSERT, {"order_id": order_id, "now": now, "type": kind, "data": orjson.dumps(dict(data)).decode()}
    )
