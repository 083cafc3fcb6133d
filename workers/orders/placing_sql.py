"""One statement, and so one transaction, that turns a batch of admissions into orders with their truck
requests and first offers, or refuses them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection

from models import outbox
from models.errors import ActiveOrderExists
from models.messages import Message
from models.outbox import Wave
from models.prepared import Prepared, Row
from workers import events
from workers.events import AuditEvent
from workers.offers import offering
from workers.offers.matching import WAVE_SECONDS
from workers.orders import drafting
from workers.orders.drafting import Draft

# A worker may be delayed between reading an admission and placing it; its order must not begin with less time
# than others have.
FRESH_SECONDS = 1

# `FOR UPDATE SKIP LOCKED`: one worker places an admission, the others skip it. Orders are inserted in the
# order of the customers, so that two batches that meet in the unique index cannot deadlock.
#
# The customer's answer and the audit are written with the order, and name its drivers and its time. If one of
# the drivers is unavailable or the time is long ago, nothing of that order is written: it is tried again.
#
# The plan is kept for a while, so it must not use an index because that is short now: `state || ''` excludes
# the index of the queued, which would be read whole and grows when orders wait.
PLACE = Prepared(
    "place",
    f"""
    WITH claimed AS MATERIALIZED (
        SELECT order_id, customer_id, idempotency_key, fingerprint, request_id, reply_to, answer_status,
            payload
        FROM admissions
        WHERE order_id = ANY(CAST(:ids AS uuid[])) AND state || '' = 'queued'
        FOR UPDATE SKIP LOCKED
    ), drafts AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset(CAST(:drafts AS jsonb))
            AS d(id uuid, total_trucks smallint, total_amount numeric, wave smallint,
                created_at timestamptz, expires_at timestamptz, answer text),
            (SELECT coalesce(:now, now()) AS at) t
    ), proposed AS MATERIALIZED (
        SELECT * FROM {offering.PROPOSALS}
    ), unavailable AS (
        SELECT order_id, array_agg(driver_id) AS drivers FROM proposed c WHERE NOT ({offering.AVAILABLE})
        GROUP BY order_id
    ), undecided AS MATERIALIZED (
        SELECT d.id AS order_id, d.at, u.drivers FROM drafts d LEFT JOIN unavailable u ON u.order_id = d.id
        WHERE u.drivers IS NOT NULL OR d.created_at < d.at - interval '{FRESH_SECONDS} seconds'
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
             d.created_at + d.wave * interval '{WAVE_SECONDS} seconds', c.request_id,
             d.expires_at, d.created_at, d.created_at
        FROM claimed c JOIN drafts d ON d.id = c.order_id
        WHERE NOT EXISTS (SELECT FROM undecided u WHERE u.order_id = c.order_id) AND NOT EXISTS (
            SELECT FROM orders o WHERE o.customer_id = c.customer_id AND o.searching OFFSET 0
        )
        ORDER BY c.customer_id
        ON CONFLICT (customer_id) WHERE searching AND round = 1 DO NOTHING
        RETURNING id, created_at
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
        {offering.insert_offers("p.created_at")} FROM proposed c JOIN placed p ON p.id = c.order_id
    ), audited AS (
        INSERT INTO order_events (order_id, at, type, data)
        SELECT p.id, p.created_at, e.type, e.data FROM {events.HAPPENED} JOIN placed p ON p.id = e.order_id
    ), followed AS (
        INSERT INTO outbox (order_id, body) SELECT id, :followup FROM placed RETURNING id, order_id
    ), decided AS (
        SELECT c.order_id, d.created_at, d.answer, CASE
            WHEN p.id IS NOT NULL THEN 'placed'
            WHEN c.answer_status = 202 THEN 'rejected'
            ELSE 'refused'
        END AS state
        FROM claimed c JOIN drafts d ON d.id = c.order_id LEFT JOIN placed p ON p.id = c.order_id
        WHERE NOT EXISTS (SELECT FROM undecided u WHERE u.order_id = c.order_id)
    ), recorded AS (
        UPDATE admissions a SET
            state = d.state, decided_at = d.created_at,
            rejection = CASE WHEN d.state <> 'placed' THEN '{ActiveOrderExists.code}' END,
            answer = CASE WHEN a.answer_status IS NULL AND d.state = 'placed' THEN d.answer
                ELSE a.answer END,
            answer_status = CASE WHEN a.answer_status IS NULL AND d.state = 'placed' THEN 201
                ELSE a.answer_status END,
            idempotency_key = CASE WHEN d.state = 'refused' THEN NULL ELSE a.idempotency_key END
        FROM decided d
        WHERE a.order_id = d.order_id AND a.order_id = ANY(CAST(:ids AS uuid[]))
    )
    SELECT c.order_id, c.customer_id, c.idempotency_key, c.fingerprint, c.request_id, c.reply_to,
        c.answer_status, u.at AS undecided_at, u.drivers AS unavailable_drivers, d.state, f.id AS followup_id,
        CASE WHEN d.state <> 'placed' THEN (
            SELECT o.id FROM orders o WHERE o.customer_id = c.customer_id AND o.searching LIMIT 1
        ) END AS active
    FROM claimed c LEFT JOIN undecided u ON u.order_id = c.order_id
    LEFT JOIN decided d ON d.order_id = c.order_id LEFT JOIN followed f ON f.order_id = c.order_id
""",
)

# What the outbox row of a placed order says.
FIRST_WAVE = outbox.body(wave=Wave(1, 1))


@dataclass
class Outcome:
    """How an admission ended, for the waiting request and the idempotency cache.

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


def insert_orders(
    connection: Connection, drafts: Sequence[Draft], now: datetime | None
) -> tuple[list[Outcome], list[Draft]]:
    """Inserts the orders and records how each admission ended, on a connection in autocommit.

    The second part are drafts to try again: without their unavailable drivers, or with the time as it is now.
    """
    answers = {draft.id: _json(drafting.created_view(draft, draft.trucks, draft.offers)) for draft in drafts}
    values = {
        "ids": list(answers),
        "drafts": _json([draft.columns | {"answer": answers[draft.id]} for draft in drafts]),
        "trucks": _json([truck for draft in drafts for truck in draft.trucks]),
        "candidates": _json([offer for draft in drafts for offer in draft.offers]),
        "events": events.rows([event for draft in drafts for event in _audit_events(draft)]),
        "followup": FIRST_WAVE,
        "now": now,
    }
    draft_of = {draft.id: draft for draft in drafts}
    outcomes, again = [], []
    for row in PLACE.execute(connection, values):
        draft = draft_of[str(row.order_id)]
        if row.undecided_at:
            draft.created_at = row.undecided_at
            if row.unavailable_drivers:
                draft.found = [
                    offer for offer in draft.offers if offer.driver_id not in row.unavailable_drivers
                ]
            again.append(draft)
        elif row.state == "placed":
            followup = outbox.Followup(row.followup_id, draft.id, _broadcasts(draft), new=True)
            outcomes.append(_outcome(row, answer=answers[draft.id], followup=followup))
        else:
            outcomes.append(_refused(row))
    return outcomes, again


def _audit_events(draft: Draft) -> list[AuditEvent]:
    details = {"customerId": draft.customer_id, "trucks": len(draft.trucks)}
    placed = AuditEvent(draft.id, "order_placed", details)
    if not draft.wave:
        return [placed]
    return [placed, AuditEvent(draft.id, "wave_sent", offering.wave_event(draft.wave, draft.offers))]


def _broadcasts(draft: Draft) -> list[Message]:
    details = offering.details_of(draft, draft.trucks)
    return [offering.new_broadcast(details, offer) for offer in draft.offers]


def _refused(row: Row) -> Outcome:
    """A waiting request is answered 409 and its key stays free; one answered 202 stays visible."""
    data = {"activeOrderId": str(row.active)} if row.active else None
    return _outcome(row, rejection=ActiveOrderExists.code, error_data=data)


def _outcome(row: Row, **how: Any) -> Outcome:
    return Outcome(
        str(row.order_id),
        row.customer_id,
        row.idempotency_key,
        bytes(row.fingerprint).hex(),
        row.request_id,
        row.reply_to,
        row.answer_status == 202,
        row.state,
        **how,
    )


def _json(value: Any) -> str:
    return orjson.dumps(value, default=str).decode()
