"""Makes a request durable: one committed row, unique under its customer's key."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Row, text

from models import db
from models.errors import ServiceUnavailable
from models.prepared import Prepared

# No row comes back where the key is known or where another order of this customer is queued. In the order
# of the customers, so that two statements that meet in an index cannot wait for each other.
INSERT = Prepared(
    "admit",
    """
    INSERT INTO admissions
        (order_id, customer_id, idempotency_key, fingerprint, payload, request_id, reply_to,
            answer_status, answer, created_at)
    SELECT order_id, customer_id, key, decode(fingerprint, 'hex'), payload, request_id, reply_to,
        answer_status, answer, coalesce(:now, now())
    FROM jsonb_to_recordset(CAST(:requests AS jsonb))
        AS r(order_id uuid, customer_id text, key text, fingerprint text, payload jsonb, request_id text,
            reply_to text, answer_status smallint, answer text)
    ORDER BY customer_id, order_id
    ON CONFLICT DO NOTHING
    RETURNING order_id
""",
)
BY_KEY = text("SELECT * FROM admissions WHERE customer_id = :customer_id AND idempotency_key = :key")
BY_ORDER = text("SELECT * FROM admissions WHERE order_id = :order_id")

# Waits for a transaction that still holds this id, so that afterwards the answer is final.
VOID = text("""
    INSERT INTO admissions
        (order_id, customer_id, fingerprint, payload, request_id, reply_to, state, rejection, decided_at)
    VALUES (:order_id, :customer_id, :fingerprint, '{}', :request_id, :reply_to, 'refused', :rejection, now())
    ON CONFLICT (order_id) DO NOTHING
    RETURNING order_id
""")

# Decides what is answered under the key, once: the placing that commits first has won.
ANSWER_202 = text("""
    UPDATE admissions SET answer_status = 202, answer = :answer
    WHERE order_id = :order_id AND (answer_status IS NULL AND state = 'queued') IS TRUE
""")


ACTIVE_ORDER = text("SELECT id FROM orders WHERE customer_id = :customer_id AND searching LIMIT 1")

# What a request has heard, or will hear, whose order ends before it is placed: queued, and `GET`
# tells the rest. SQL for columns of an admission; `queued_answer` is the same in Python.
ANSWERED_QUEUED = """answer_status = coalesce(answer_status, 202),
    answer = coalesce(answer, '{"order":{"id":"' || order_id || '","status":"queued"}}')"""


def queued_answer(order_id: str) -> str:
    """The data of a 202, as JSON text."""
    return f'{{"order":{{"id":"{order_id}","status":"queued"}}}}'


@dataclass(frozen=True)
class Request:
    """One request for an order, validated. ``answer`` is set where the 202 is given at once."""

    order_id: str
    customer_id: str
    key: str | None
    fingerprint: bytes
    payload: dict[str, Any]
    request_id: str
    reply_to: str
    answer: str | None = None


@dataclass(frozen=True)
class Admission:
    """What is known of an admission; ``state`` and ``rejection`` as in the table."""

    order_id: str
    fingerprint: bytes
    state: str
    rejection: str | None
    answer_status: int | None
    answer: str | None


def admit(requests: Sequence[Request], now: datetime | None = None) -> set[str]:
    """Commits the rows of requests and returns the ids of their orders; left out is whose key is taken or
    whose customer has another order queued.
    """
    rows = [
        {
            "order_id": one.order_id,
            "customer_id": one.customer_id,
            "key": one.key,
            "fingerprint": one.fingerprint.hex(),
            "payload": one.payload,
            "request_id": one.request_id,
            "reply_to": one.reply_to,
            "answer_status": 202 if one.answer else None,
            "answer": one.answer,
        }
        for one in requests
    ]
    with db.statements() as connection:
        admitted = INSERT.execute(connection, {"requests": orjson.dumps(rows).decode(), "now": now})
        return {str(row.order_id) for row in admitted}


def admitted_after_all(request: Request) -> bool:
    """Finds out whether a commit whose answer was lost took place, and makes sure that it never will
    if it has not. Raises SQLAlchemy's errors while Postgres is away.
    """
    row = {
        "order_id": request.order_id,
        "customer_id": request.customer_id,
        "fingerprint": request.fingerprint,
        "request_id": request.request_id,
        "reply_to": request.reply_to,
        "rejection": ServiceUnavailable.code,
    }
    with db.statements() as connection:
        return connection.execute(VOID, row).one_or_none() is None


def by_key(customer_id: str, key: str) -> Admission | None:
    """The admission under this customer's key."""
    with db.statements() as connection:
        row = connection.execute(BY_KEY, {"customer_id": customer_id, "key": key}).one_or_none()
    return _admission(row) if row else None


def by_order(order_id: str) -> Admission | None:
    """The admission of this order."""
    with db.statements() as connection:
        row = connection.execute(BY_ORDER, {"order_id": order_id}).one_or_none()
    return _admission(row) if row else None


def answer_202(order_id: str) -> bool:
    """Records that the request was answered before its order was placed; false if placing was first."""
    row = {"order_id": order_id, "answer": queued_answer(order_id)}
    with db.statements() as connection:
        return bool(connection.execute(ANSWER_202, row).rowcount)


def active_order(customer_id: str) -> str | None:
    """The id of the customer's order that is still searching."""
    with db.statements() as connection:
        found = connection.execute(ACTIVE_ORDER, {"customer_id": customer_id}).scalar_one_or_none()
    return str(found) if found else None


def _admission(row: Row[Any]) -> Admission:
    return Admission(
        str(row.order_id), bytes(row.fingerprint), row.state, row.rejection, row.answer_status, row.answer
    )
