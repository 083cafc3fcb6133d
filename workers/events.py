"""The audit of an order: what happened, when, and to whom. Rows are only ever added."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, text

INSERT = text(
    "INSERT INTO order_events (order_id, at, type, data) "
    "VALUES (:order_id, coalesce(:now, now()), :type, :data)"
)


# Events of several orders: ``:events`` is JSON of ``AuditEvent``.
HAPPENED = "jsonb_to_recordset(CAST(:events AS jsonb)) AS e(order_id uuid, type text, data jsonb)"
INSERT_ALL = text(f"""
    INSERT INTO order_events (order_id, at, type, data)
    SELECT order_id, coalesce(:now, now()), type, data FROM {HAPPENED}
""")


class AuditEvent(NamedTuple):
    """What happened to an order."""

    order_id: str
    type: str
    data: Mapping[str, Any]


def rows(happened: Sequence[AuditEvent]) -> str:
    """The parameter ``:events``."""
    return orjson.dumps([event._asdict() for event in happened], default=dict).decode()


def record_all(connection: Connection, happened: Sequence[AuditEvent], now: datetime | None) -> None:
    """Adds events of several orders inside the caller's transaction."""
    if happened:
        connection.execute(INSERT_ALL, {"now": now, "events": rows(happened)})


def record(
    connection: Connection, order_id: str, kind: str, now: datetime | None, data: Mapping[str, Any]
) -> None:
    """Adds one event inside the caller's transaction."""
    connection.execute(
        INSERT, {"order_id": order_id, "now": now, "type": kind, "data": orjson.dumps(dict(data)).decode()}
    )
