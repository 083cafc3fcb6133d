"""Turns an admission into an order, its truck requests and its first wave of offers, once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson
import redis
import structlog
from sqlalchemy import Connection, Row, text
from uuid_utils.compat import uuid7

from models import db, outbox, settings
from models.errors import ActiveOrderExists
from models.live import driver_index, order_lock
from workers import events, offering, reading, waves
from workers.admitting import ACTIVE_ORDER
from workers.matching import Candidate, MissingTruck, candidates

log = structlog.get_logger()

READ = text("SELECT customer_id, payload, state FROM admissions WHERE order_id = :order_id")

# Whoever holds the row places it; the others pass by.
CLAIM = text("""
    SELECT customer_id, idempotency_key, fingerprint, payload, request_id, reply_to, answer_status
    FROM admissions WHERE order_id = :order_id AND state = 'queued' FOR UPDATE SKIP LOCKED
""")

INSERT_ORDER = text(f"""
    INSERT INTO orders
        (id, customer_id, status, searching, pickup, drop, route_points, pickup_latitude, pickup_longitude,
         distance_km, total_trucks, total_amount, goods_type, cargo_weight_kg, wave, next_wave_at, request_id,
         expires_at, created_at, updated_at)
    VALUES
        (:id, :customer_id, 'active', true, :pickup, :drop, :route_points, :latitude, :longitude,
         :distance_km, :total_trucks, :total_amount, :goods_type, :cargo_weight_kg, :wave,
         coalesce(:now, now()) + :wave * interval '{waves.WAVE_SECONDS} seconds', :request_id,
         coalesce(:now, now()) + :ttl * interval '1 second', coalesce(:now, now()), coalesce(:now, now()))
    ON CONFLICT (customer_id) WHERE searching AND round = 1 DO NOTHING
    RETURNING *
""")

INSERT_TRUCKS = text("""
    INSERT INTO truck_requests
        (id, order_id, request_number, vehicle_type, vehicle_subtype, vehicle, price_per_truck, updated_at)
    SELECT t.id, :order_id, t.number, t.type, t.subtype, t.vehicle, t.price, coalesce(:now, now())
    FROM jsonb_to_recordset(CAST(:trucks AS jsonb))
        AS t(id uuid, number smallint, type text, subtype text, vehicle text, price numeric)
    ORDER BY t.number
    RETURNING *
""")

DECIDE = text("""
    UPDATE admissions SET
        state = :state, rejection = :rejection, decided_at = coalesce(:now, now()),
        answer = CASE WHEN answer_status IS NULL THEN :answer ELSE answer END,
        answer_status = CASE WHEN answer_status IS NULL AND :state = 'placed' THEN 201 ELSE answer_status END,
        idempotency_key = CASE WHEN :state = 'refused' THEN NULL ELSE idempotency_key END
    WHERE order_id = :order_id
""")


@dataclass(frozen=True)
class Outcome:
    """How an admission ended, for whoever waits and for the idempotency cache.

    ``state`` is the admission's; ``answer`` is the JSON text of the 201's data, ``rejection`` the
    error's code with ``error_data``.
    """

    order_id: str
    customer_id: str
    idempotency_key: str | None
    fingerprint: str
    reply_to: str
    state: str
    answer: str | None = None
    rejection: str | None = None
    error_data: dict[str, Any] | None = None
    answered_202: bool = False
    followup: outbox.Followup | None = None


def place(order_id: str, now: datetime | None = None) -> Outcome | None:
    """Places one admission; ``None`` if it is decided already or somebody else is at it."""
    admission = _queued(order_id)
    if admission is None:
        return None
    with order_lock.held(admission.customer_id, order_id) as ours:
        return _place(order_id, admission.payload, now) if ours else None


def place_overdue(order_id: str, now: datetime | None = None) -> Outcome | None:
    """The same without the lock: nobody waits at the door any more, and a lock that a frozen Redis took
    for a request long over must not hold an accepted order up. The unique indexes decide. The lock that
    the door took for this order is given up, so that its customer can order again.
    """
    admission = _queued(order_id)
    if admission is None:
        return None
    try:
        return _place(order_id, admission.payload, now)
    finally:
        order_lock.give_up(admission.customer_id, order_id)


def _queued(order_id: str) -> Row[Any] | None:
    with db.statements() as connection:
        admission = connection.execute(READ, {"order_id": order_id}).one_or_none()
    return admission if admission and admission.state == "queued" else None


def trucks_of(payload: dict[str, Any]) -> list[dict[str, Any]]:
    """One entry a truck, numbered from 1 in the order of the requirements."""
    wanted = [need for need in payload["vehicleRequirements"] for _ in range(need["quantity"])]
    return [
        {
            "id": str(uuid7()),
            "number": number,
            "type": need["vehicleType"],
            "subtype": need["vehicleSubtype"],
            "vehicle": driver_index.vehicle_key(need["vehicleType"], need["vehicleSubtype"]),
            "price": need["pricePerTruck"],
        }
        for number, need in enumerate(wanted, start=1)
    ]


def _place(order_id: str, payload: dict[str, Any], now: datetime | None) -> Outcome | None:
    trucks = trucks_of(payload)
    found = _first_wave(trucks, payload["pickup"])
    with db.transaction() as connection:
        admission = connection.execute(CLAIM, {"order_id": order_id}).one_or_none()
        if admission is None:
            return None
        return _decide(connection, order_id, admission, trucks, found, now)


def _first_wave(trucks: Sequence[dict[str, Any]], pickup: dict[str, Any]) -> list[Candidate] | None:
    """Whom to ask first; ``None`` without Redis: the first wave is then due at once, not lost."""
    missing = [MissingTruck(t["id"], t["vehicle"], Decimal(t["price"])) for t in trucks]
    try:
        return candidates(
            missing, pickup["coordinates"]["latitude"], pickup["coordinates"]["longitude"], wave=1
        )
    except redis.RedisError:
        log.warning("no driver index; the first wave is left to the sweep")
        return None


def _decide(
    connection: Connection,
    order_id: str,
    admission: Row[Any],
    trucks: list[dict[str, Any]],
    found: list[Candidate] | None,
    now: datetime | None,
) -> Outcome:
    wave = 0 if found is None else 1
    active = connection.execute(ACTIVE_ORDER, {"customer_id": admission.customer_id}).scalar_one_or_none()
    order = None if active else _insert_order(connection, order_id, admission, trucks, wave, now)
    if order is None:
        return _refuse(connection, order_id, admission, active, now)
    rows = connection.execute(
        INSERT_TRUCKS, {"order_id": order_id, "trucks": orjson.dumps(trucks).decode(), "now": now}
    ).all()
    return _placed(connection, order, admission, rows, found or [], now)


def _insert_order(
    connection: Connection,
    order_id: str,
    admission: Row[Any],
    trucks: Sequence[dict[str, Any]],
    wave: int,
    now: datetime | None,
) -> Row[Any] | None:
    payload = admission.payload
    row = {
        "id": order_id,
        "customer_id": admission.customer_id,
        "pickup": orjson.dumps(payload["pickup"]).decode(),
        "drop": orjson.dumps(payload["drop"]).decode(),
        "route_points": orjson.dumps(payload["routePoints"]).decode(),
        "latitude": payload["pickup"]["coordinates"]["latitude"],
        "longitude": payload["pickup"]["coordinates"]["longitude"],
        "distance_km": payload["distanceKm"],
        "total_trucks": len(trucks),
        "total_amount": sum(Decimal(truck["price"]) for truck in trucks),
        "goods_type": payload["goodsType"],
        "cargo_weight_kg": payload["cargoWeightKg"],
        "wave": wave,
        "request_id": admission.request_id,
        "ttl": settings.load().order_ttl_seconds,
        "now": now,
    }
    return connection.execute(INSERT_ORDER, row).one_or_none()


def _placed(
    connection: Connection,
    order: Row[Any],
    admission: Row[Any],
    trucks: Sequence[Row[Any]],
    found: Sequence[Candidate],
    now: datetime | None,
) -> Outcome:
    order_id = str(order.id)
    search = offering.search_of(order, trucks)
    offered = offering.offer(connection, search, 1, found, now)
    events.record(
        connection, order_id, "order_placed", now, {"customerId": order.customer_id, "trucks": len(trucks)}
    )
    if order.wave:
        events.record(connection, order_id, "wave_sent", now, offering.wave_event(1, offered))
    followup = outbox.add(connection, order_id, [offering.new_broadcast(search, one) for one in offered])
    answer = orjson.dumps(reading.created_view(order, trucks, offered)).decode()
    return _record(connection, order_id, admission, "placed", now, answer=answer, followup=followup)


def _refuse(
    connection: Connection, order_id: str, admission: Row[Any], active: str | None, now: datetime | None
) -> Outcome:
    """An unanswered request hears 409 and keeps its key free; one answered 202 stays visible."""
    active = (
        active
        or connection.execute(ACTIVE_ORDER, {"customer_id": admission.customer_id}).scalar_one_or_none()
    )
    state = "rejected" if admission.answer_status == 202 else "refused"
    data = {"activeOrderId": str(active)} if active else None
    return _record(
        connection, order_id, admission, state, now, rejection=ActiveOrderExists.code, error_data=data
    )


def _record(
    connection: Connection,
    order_id: str,
    admission: Row[Any],
    state: str,
    now: datetime | None,
    answer: str | None = None,
    rejection: str | None = None,
    error_data: dict[str, Any] | None = None,
    followup: outbox.Followup | None = None,
) -> Outcome:
    connection.execute(
        DECIDE, {"order_id": order_id, "state": state, "rejection": rejection, "answer": answer, "now": now}
    )
    return Outcome(
        order_id,
        admission.customer_id,
        admission.idempotency_key,
        bytes(admission.fingerprint).hex(),
        admission.reply_to,
        state,
        answer,
        rejection,
        error_data,
        admission.answer_status == 202,
        followup,
    )
