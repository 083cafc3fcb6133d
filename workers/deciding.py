"""What a batch of admissions becomes, in one transaction of two statements: orders with their truck
requests and first offers, or refusals.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, text

from models import outbox, settings
from models.errors import ActiveOrderExists
from models.outbox import Wave
from models.prepared import Prepared, Row
from workers import events, offering, reading, waves
from workers.drafting import Draft
from workers.events import Event
from workers.offering import Offered

# Whoever holds an admission's row places it; the others pass by. Orders are written in the order of the
# customers, so that two batches that meet in the unique index cannot wait for each other.
#
# The plan is kept for a while, so it must not live on an index being short now: `state || ''` keeps those of
# the queued out, which would be read whole and grow when orders wait.
PLACE = Prepared(
    "place",
    f"""
    WITH claimed AS MATERIALIZED (
        SELECT order_id, customer_id, idempotency_key, fingerprint, request_id, reply_to, answer_status,
            payload
        FROM admissions
        WHERE order_id = ANY(CAST(:ids AS uuid[])) AND state || '' = 'queued'
        FOR UPDATE SKIP LOCKED
    ), placed AS (
        INSERT INTO orders
            (id, customer_id, status, searching, pickup, drop, route_points, pickup_latitude,
             pickup_longitude, distance_km, total_trucks, total_amount, goods_type, cargo_weight_kg,
             wave, next_wave_at, request_id, expires_at, created_at, updated_at)
        SELECT c.order_id, c.customer_id, 'active', true, c.payload->'pickup', c.payload->'drop',
             c.payload->'routePoints', CAST(c.payload #>> '{{pickup,coordinates,latitude}}' AS float8),
             CAST(c.payload #>> '{{pickup,coordinates,longitude}}' AS float8),
             CAST(c.payload->>'distanceKm' AS float8), d.total_trucks, d.total_amount,
             c.payload->>'goodsType', CAST(c.payload->>'cargoWeightKg' AS float8), d.wave,
             t.at + d.wave * interval '{waves.WAVE_SECONDS} seconds', c.request_id,
             t.at + :ttl * interval '1 second', t.at, t.at
        FROM claimed c
        JOIN jsonb_to_recordset(CAST(:drafts AS jsonb))
            AS d(id uuid, total_trucks smallint, total_amount numeric, wave smallint) ON d.id = c.order_id,
            (SELECT coalesce(:now, now()) AS at) t
        WHERE NOT EXISTS (
            SELECT FROM orders o WHERE o.customer_id = c.customer_id AND o.searching OFFSET 0
        )
        ORDER BY c.customer_id
        ON CONFLICT (customer_id) WHERE searching AND round = 1 DO NOTHING
        RETURNING id, created_at, expires_at
    ), trucks AS (
        INSERT INTO truck_requests
            (id, order_id, request_number, vehicle_type, vehicle_subtype, vehicle, price_per_truck,
             updated_at)
        SELECT t.id, p.id, t.request_number, t.vehicle_type, t.vehicle_subtype, t.vehicle,
            t.price_per_truck, p.created_at
        FROM jsonb_to_recordset(CAST(:trucks AS jsonb))
            AS t(id uuid, order_id uuid, request_number smallint, vehicle_type text, vehicle_subtype text,
                vehicle text, price_per_truck numeric)
        JOIN placed p ON p.id = t.order_id
    ), asked AS (
        {offering.insert_offers("JOIN placed p ON p.id = c.order_id", conflicts="")}
    ), followed AS (
        INSERT INTO outbox (order_id, body) SELECT id, :followup FROM placed RETURNING id, order_id
    )
    SELECT c.order_id, c.customer_id, c.idempotency_key, c.fingerprint, c.request_id, c.reply_to,
        c.answer_status, p.created_at, p.expires_at, f.id AS followup_id, a.asked
    FROM claimed c LEFT JOIN placed p ON p.id = c.order_id LEFT JOIN followed f ON f.order_id = p.id
    LEFT JOIN (
        SELECT order_id, array_agg(CAST(id AS text)) AS asked FROM asked GROUP BY order_id
    ) a ON a.order_id = p.id
""",
)

ACTIVE = text("SELECT customer_id, id FROM orders WHERE customer_id = ANY(:customers) AND searching")

# The ids say the same as the decisions; by them the rows are found by their key whatever else is planned.
RECORD = Prepared(
    "record",
    f"""
    WITH told AS (
        {events.INSERT_ALL}
    )
    UPDATE admissions a SET
        state = d.state, rejection = d.rejection, decided_at = coalesce(:now, now()),
        answer = CASE WHEN a.answer_status IS NULL THEN d.answer ELSE a.answer END,
        answer_status = CASE WHEN a.answer_status IS NULL AND d.state = 'placed' THEN 201
            ELSE a.answer_status END,
        idempotency_key = CASE WHEN d.state = 'refused' THEN NULL ELSE a.idempotency_key END
    FROM jsonb_to_recordset(CAST(:decisions AS jsonb))
        AS d(order_id uuid, state text, rejection text, answer text)
    WHERE a.order_id = d.order_id AND a.order_id = ANY(CAST(:ids AS uuid[]))
""",
)

# What an outbox row keeps of it.
FIRST_WAVE = outbox.body(wave=Wave(1, 1))


@dataclass
class Outcome:
    """How an admission ended, for whoever waits and for the idempotency cache.

    ``state`` is the admission's; ``answer`` is the JSON text of the 201's data, ``rejection`` the
    error's code with ``error_data``.
    """

    order_id: str
    customer_id: str
    idempotency_key: str | None
    fingerprint: str
    request_id: str
    reply_to: str
    answered_202: bool
    state: str
    answer: str | None = None
    rejection: str | None = None
    error_data: dict[str, Any] | None = None
    followup: outbox.Followup | None = None


def decide(connection: Connection, drafts: Sequence[Draft], now: datetime | None) -> list[Outcome]:
    """Places them and records how each admission ended, from the transaction's beginning to its commit."""
    proposals = {one.id: offering.propose(one.id, one.round, one.wave, one.found or ()) for one in drafts}
    values = {
        "ids": [one.id for one in drafts],
        "ttl": settings.load().order_ttl_seconds,
        "now": now,
        "drafts": _json([one.counts for one in drafts]),
        "trucks": _json([truck for one in drafts for truck in one.trucks]),
        "candidates": _json([proposal for some in proposals.values() for proposal in some]),
        "followup": FIRST_WAVE,
    }
    rows = PLACE.execute(connection, values, begin=True)
    active = _active(connection, [row.customer_id for row in rows if row.created_at is None])
    by_id = {one.id: one for one in drafts}
    outcomes = []
    happened: list[Event] = []
    for row in rows:
        one = by_id[str(row.order_id)]
        if row.created_at is None:
            outcomes.append(_refused(row, active.get(row.customer_id)))
        else:
            asked = set(row.asked or ())
            outcomes.append(
                _placed(one, row, [p for p in proposals[one.id] if p.offer_id in asked], happened)
            )
    _record(connection, outcomes, happened, now)
    return outcomes


def _placed(one: Draft, row: Row, asked: Sequence[Offered], happened: list[Event]) -> Outcome:
    one.created_at = one.updated_at = row.created_at
    one.expires_at = row.expires_at
    happened.append(Event(one.id, "order_placed", {"customerId": one.customer_id, "trucks": len(one.trucks)}))
    if one.wave:
        happened.append(Event(one.id, "wave_sent", offering.wave_event(one.wave, asked)))
    search = offering.search_of(one, one.trucks)
    told = [offering.new_broadcast(search, each) for each in asked]
    answer = _json(reading.created_view(one, one.trucks, asked))
    followup = outbox.Followup(row.followup_id, one.id, told, new=True)
    return _outcome(row, "placed", answer=answer, followup=followup)


def _refused(row: Row, active: str | None) -> Outcome:
    """An unanswered request hears 409 and keeps its key free; one answered 202 stays visible."""
    state = "rejected" if row.answer_status == 202 else "refused"
    data = {"activeOrderId": active} if active else None
    return _outcome(row, state, rejection=ActiveOrderExists.code, error_data=data)


def _outcome(row: Row, state: str, **how: Any) -> Outcome:
    return Outcome(
        str(row.order_id),
        row.customer_id,
        row.idempotency_key,
        bytes(row.fingerprint).hex(),
        row.request_id,
        row.reply_to,
        row.answer_status == 202,
        state,
        **how,
    )


def _active(connection: Connection, customers: Sequence[str]) -> dict[str, str]:
    """The searching orders of these customers, by customer."""
    if not customers:
        return {}
    rows = connection.execute(ACTIVE, {"customers": list(customers)})
    return {row.customer_id: str(row.id) for row in rows}


def _record(
    connection: Connection, outcomes: Sequence[Outcome], happened: Sequence[Event], now: datetime | None
) -> None:
    """Writes what goes with the orders, and how each admission ended, and commits."""
    if not outcomes:
        return
    values = {
        "now": now,
        "events": events.rows(happened),
        "ids": [one.order_id for one in outcomes],
        "decisions": _json([_decision(one) for one in outcomes]),
    }
    RECORD.execute(connection, values, commit=True)


def _decision(one: Outcome) -> dict[str, Any]:
    return {"order_id": one.order_id, "state": one.state, "rejection": one.rejection, "answer": one.answer}


def _json(value: Any) -> str:
    return orjson.dumps(value, default=str).decode()
