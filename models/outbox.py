"""The outbox: what must follow a commit, committed with it.

A row is written in the transaction that changes an order and removed once everybody is notified. A process
that dies in between leaves the row, and a sweep finishes the work.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from sqlalchemy import BigInteger, Column, Connection, DateTime, Identity, Index, Row, Table, Text, func, text
from sqlalchemy.dialects.postgresql import UUID

from models.db import metadata
from models.failed_rows import not_left_behind
from models.messages import Message
from models.prepared import Prepared

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("order_id", UUID(as_uuid=False), nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("ix_outbox_created_at", "created_at"),
    Index("ix_outbox_order", "order_id"),
)


class Wave(NamedTuple):
    """A wave whose drivers are to be notified; their offers are rows of their own."""

    round: int
    wave: int


@dataclass(frozen=True)
class Followup:
    """What follows one commit: messages to people, and drivers whose search state has changed.

    The messages of a wave are not in its row, which would be as long as all of them: the sweep makes them
    again from the offers that are still open.

    ``earlier`` are unfinished ones of the same order: two processes that commit one after the other may
    reach their follow-ups in the other order, and a cancel must not arrive before the accept it cancels.
    """

    id: int
    order_id: str
    messages: Sequence[Message] = field(default_factory=tuple)
    changed_drivers: Sequence[str] = field(default_factory=tuple)
    wave: Wave | None = None
    earlier: Sequence["Followup"] = field(default_factory=tuple)
    # Why its row cannot be read.
    unreadable: Exception | None = None
    # Its order was created with it, so no cache holds that order.
    new: bool = False
    # The vehicle whose number of missing trucks has changed. Not in the row, since it is only a hint.
    recounted: str = ""


# Ids are in the order of the commits, since a transaction that changes an order holds its row.
INSERT = text("""
    WITH earlier AS MATERIALIZED (SELECT id, body FROM outbox WHERE order_id = :order_id)
    INSERT INTO outbox (order_id, body) VALUES (:order_id, :body)
    RETURNING id, (SELECT jsonb_agg(jsonb_build_array(e.id, e.body) ORDER BY e.id) FROM earlier e) AS earlier
""")
INSERT_ALL = text("""
    WITH earlier AS MATERIALIZED (
        SELECT id, order_id, body FROM outbox WHERE order_id = ANY(CAST(:ids AS uuid[]))
    ), written AS (
        INSERT INTO outbox (order_id, body)
        SELECT order_id, body
        FROM jsonb_to_recordset(CAST(:followups AS jsonb)) AS f(order_id uuid, body text)
        RETURNING id, order_id
    )
    SELECT w.id, w.order_id, (
        SELECT jsonb_agg(jsonb_build_array(e.id, e.body) ORDER BY e.id) FROM earlier e
        WHERE e.order_id = w.order_id
    ) AS earlier
    FROM written w
""")
OVERDUE = text(f"""
    SELECT id, order_id, body FROM outbox
    WHERE created_at <= coalesce(:now, now()) - :age * interval '1 second'
        AND {not_left_behind("deliver", "outbox.id")}
    ORDER BY created_at LIMIT :limit
""")
# A lost deletion repeats a delivery, and mailboxes take a key once.
DELETE = Prepared(
    "done",
    "DELETE FROM outbox WHERE id = ANY(CAST(:ids AS bigint[]))",
    before="SET LOCAL synchronous_commit TO off; ",
)


def add(
    connection: Connection,
    order_id: str,
    messages: Sequence[Message],
    changed_drivers: Sequence[str] = (),
    recounted: str = "",
) -> Followup:
    """Writes the row inside the caller's transaction; the result is for after the commit."""
    values = {"order_id": order_id, "body": body(messages, changed_drivers)}
    row = connection.execute(INSERT, values).one()
    return written(row, order_id, messages, changed_drivers, recounted=recounted)


class Notice(NamedTuple):
    """The messages about one order; the row of a wave keeps the wave and not its messages."""

    order_id: str
    messages: Sequence[Message]
    wave: Wave | None = None


def add_all(connection: Connection, notices: Sequence[Notice]) -> list[Followup]:
    """The same for several orders, each of them once, in one statement."""
    if not notices:
        return []
    rows = [
        {
            "order_id": notice.order_id,
            "body": body(wave=notice.wave) if notice.wave else body(notice.messages),
        }
        for notice in notices
    ]
    values = {"ids": [notice.order_id for notice in notices], "followups": orjson.dumps(rows).decode()}
    found = {str(row.order_id): row for row in connection.execute(INSERT_ALL, values)}
    return [
        written(found[notice.order_id], notice.order_id, notice.messages, wave=notice.wave)
        for notice in notices
    ]


def written(
    row: Row[Any],
    order_id: str,
    messages: Sequence[Message],
    changed_drivers: Sequence[str] = (),
    wave: Wave | None = None,
    recounted: str = "",
) -> Followup:
    """The follow-up that `INSERT` has written."""
    earlier = [_from_row(row_id, order_id, kept) for row_id, kept in row.earlier or ()]
    return Followup(row.id, order_id, messages, changed_drivers, wave, earlier, recounted=recounted)


def body(
    messages: Sequence[Message] = (), changed_drivers: Sequence[str] = (), wave: Wave | None = None
) -> str:
    """The text of a row, for statements that insert it themselves."""
    kept = {
        "messages": list(messages),
        "changed_drivers": list(changed_drivers),
        "wave": tuple(wave) if wave else None,
    }
    return orjson.dumps(kept).decode()


def overdue(
    connection: Connection, age_seconds: float, limit: int, now: datetime | None = None
) -> list[Followup]:
    """Unfinished rows, oldest first."""
    rows = connection.execute(OVERDUE, {"now": now, "age": age_seconds, "limit": limit})
    return [_from_row(row.id, str(row.order_id), row.body) for row in rows]


def _from_row(row_id: int, order_id: str, text: str) -> Followup:
    """Reads a row. An unreadable one must not stop the others, nor the next change of its order."""
    try:
        kept = orjson.loads(text)
        messages = [Message(**message) for message in kept["messages"]]
        # Rows of an older version have no wave.
        wave = Wave(*kept["wave"]) if kept.get("wave") else None
        return Followup(row_id, order_id, messages, kept["changed_drivers"], wave)
    except Exception as error:
        return Followup(row_id, order_id, unreadable=error)


def done(connection: Connection, ids: Sequence[int]) -> None:
    """Removes rows whose work is finished."""
    DELETE.execute(connection, {"ids": list(ids)})
