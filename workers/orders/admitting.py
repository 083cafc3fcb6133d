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

# No row is returned where the key is known or where another order of this customer is queued. The rows are
# in the order of the customers, so that two statements cannot wait for each other in an index.
INSERT = Prepared(
    "admit",
    """
    INSERT INTO admissions
        (order_id, customer_id, idempotency_key, fingerprint, payload, request_id, reply_to,
            answer_status, answer, created_at)
    SELECT order_id, customer_id, key, decode(fingerprint, 'hex'), payload, request_id, reply_to,
        CASE WHEN answer IS NOT NULL THEN 202 END, answer, coalesce(:now, now())
    FROM jsonb_to_recordset(CAST(:requests AS jsonb))
        AS r(order_id uuid, customer_id text, key text, fingerprint text, payload jsonb, request_id text,
            reply_to text, answer text)
    ORDER BY customer_id, order_id
    ON CONFLICT DO NOTHING
    RETURNING order_id
""",
)
BY_KEY = text("SELECT * FROM admissions WHERE customer_id = :customer_id AND idempotency_key = :key")
BY_ORDER = text("SELECT * FROM admissions WHERE order_id = :order_id")

# Waits for a transaction that still holds this id, so the result is final.
VOID = text("""
    INSERT INTO admissions
        (order_id, customer_id, fingerprint, payload, request_id, reply_to, state, rejection, decided_at)
    VALUES (:order_id, :customer_id, decode(:fingerprint, 'hex'), '{}', :request_id, :reply_to, 'refused',
        :rejection, now())
    ON CONFLICT (order_id) DO NOTHING
    RETURNING order_id
""")

# Decides once what is answered under the key: the first to commit wins, this or the placing.
ANSWER_202 = text("""
    UPDATE admissions SET answer_status = 202, answer = :answer
    WHERE order_id = :order_id AND (answer_status IS NULL AND state = 'queued') IS TRUE
""")

ACTIVE_ORDER = text("SELECT id FROM orders WHERE customer_id = :customer_id AND searching LIMIT 1")

# The answer to a request whose order ends before it is placed: "queued"; `GET` shows the rest. SQL for
# columns of an admission; `queued_answer` is the same in Python.
ANSWERED_QUEUED = """answer_status = coalesce(answer_status, 202),
    answer = coalesce(answer, '{"order":{"id":"' || order_id || '","status":"queued"}}')"""


def queued_answer(order_id: str) -> str:
    """The data of a 202, as JSON text."""
    return f'{{"order":{{"id":"{order_id}","status":"queued"}}}}'


@dataclass(frozen=True)
class AdmissionRequest:
    """One validated request for an order; the fields are those that `INSERT` reads.

    ``fingerprint`` is the hash of its payload in hex, ``reply_to`` the web process that waits for the
    outcome, ``answer`` the data of a 202 that is given at once.
    """

    order_id: str
    customer_id: str
    key: str | None
    fingerprint: str
    payload: dict[str, Any]
    request_id: str
    reply_to: str
    answer: str | None = None


@dataclass(frozen=True)
class Admission:
    """The row of an admission: ``fingerprint`` in hex, ``state`` and ``rejection`` as in the table."""

    order_id: str
    fingerprint: str
    state: str
    rejection: str | None
    answer_status: int | None
    answer: str | None


def admit(requests: Sequence[AdmissionRequest], now: datetime | None = None) -> set[str]:
    """Commits the rows of requests and returns their order ids, without those whose key is known or whose
    customer has another order queued.
    """
    with db.statements() as connection:
        rows = INSERT.execute(connection, {"requests": orjson.dumps(list(requests)).decode(), "now": now})
        return {str(row.order_id) for row in rows}


def ensure_decided(request: AdmissionRequest) -> bool:
    """Whether a commit whose result was lost took place; if it did not, it never will.

    Raises SQLAlchemy's errors while Postgres is away.
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
    """Records the 202 of a request whose order is not placed yet; false if it was placed first."""
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
        str(row.order_id),
        bytes(row.fingerprint).hex(),
        row.state,
        row.rejection,
        row.answer_status,
        row.answer,
    )
