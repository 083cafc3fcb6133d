"""Asks again, further away every ten seconds, while trucks are missing and time is left."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from models import db, messages, outbox
from models.messages import Message
from models.outbox import Wave
from workers import events
from workers.matching import WAVE_RADII_KM, Candidate, MissingTruck, Search, candidates
from workers.offering import MISSING, SEARCH, new_broadcast, offer, propose, search_of, wave_event

WAVE_SECONDS = 10

DUE = text("""
    SELECT id FROM orders
    WHERE searching AND next_wave_at <= coalesce(:now, now()) AND expires_at > coalesce(:now, now())
    ORDER BY next_wave_at LIMIT :limit
""")

# Asked in this search, still holding an offer of an earlier one, or the one who gave a truck back.
ASKED = text(
    "SELECT driver_id FROM offers "
    "WHERE order_id = :order_id AND (round = :round OR state IN ('open', 'given_back'))"
)

# The compare-and-set that makes a wave happen once, whoever else is sweeping.
ADVANCE = text(f"""
    UPDATE orders SET
        wave = wave + 1,
        next_wave_at = greatest(next_wave_at, coalesce(:now, now()) - interval '1 second')
            + interval '{WAVE_SECONDS} seconds',
        updated_at = coalesce(:now, now())
    WHERE id = :order_id AND searching AND round = :round AND wave = :wave
        AND next_wave_at <= coalesce(:now, now()) AND expires_at > coalesce(:now, now())
    RETURNING wave
""")

# A wave that was sent just now is what a second click, or a retry after a lost answer, asks for.
REPEATED_SECONDS = 2
HASTEN = text(f"""
    UPDATE orders SET next_wave_at = coalesce(:now, now()), updated_at = coalesce(:now, now())
    WHERE id = :order_id AND searching AND expires_at > coalesce(:now, now())
        AND next_wave_at > coalesce(:now, now())
        AND next_wave_at <= coalesce(:now, now()) + interval '{WAVE_SECONDS - REPEATED_SECONDS} seconds'
    RETURNING wave
""")

TOLD_NO_SUPPLY = text("UPDATE orders SET no_supply_told = true WHERE id = :order_id")


def due(now: datetime | None = None, limit: int = 100) -> list[str]:
    """Orders whose next wave is due, the longest waiting first."""
    with db.statements() as connection:
        rows = connection.execute(DUE, {"now": now, "limit": limit})
        return [str(row.id) for row in rows]


def hasten(order_id: str, operator: str, now: datetime | None = None) -> bool:
    """Makes the next wave due at once, for an operator.

    False if it is due already, the one before was sent less than 2 s ago, or nothing is searched for.
    """
    with db.transaction() as connection:
        wave = connection.execute(HASTEN, {"order_id": order_id, "now": now}).scalar_one_or_none()
        if wave is None:
            return False
        data = {"operator": operator, "wave": wave + 1}
        events.record(connection, order_id, "wave_ordered", now, data)
        return True


def next_wave(order_id: str, now: datetime | None = None) -> outbox.Followup | None:
    """Sends one order's next wave; ``None`` if there was nothing to do or another was first.

    Raises ``redis.RedisError`` without Redis: the wave stays due and is tried again.
    """
    with db.statements() as connection:
        order = connection.execute(SEARCH, {"order_id": order_id}).one_or_none()
        if order is None:
            return None
        missing = connection.execute(MISSING, {"order_id": order_id}).all()
        asked = set(connection.execute(ASKED, {"order_id": order_id, "round": order.round}).scalars())
    trucks = [MissingTruck(str(t.id), t.vehicle, t.price_per_truck) for t in missing]
    (found,) = candidates(
        [Search(trucks, order.pickup_latitude, order.pickup_longitude, order.wave + 1, asked)]
    )
    with db.transaction() as connection:
        if connection.execute(ADVANCE, _seen(order, now)).one_or_none() is None:
            return None
        return _send(connection, order, missing, found, bool(asked), now)


def _seen(order: Row[Any], now: datetime | None) -> dict[str, Any]:
    return {"order_id": order.id, "round": order.round, "wave": order.wave, "now": now}


def _send(
    connection: Connection,
    order: Row[Any],
    missing: Sequence[Row[Any]],
    found: Sequence[Candidate],
    anybody_before: bool,
    now: datetime | None,
) -> outbox.Followup | None:
    order_id, wave = str(order.id), order.wave + 1
    search = search_of(order, missing)
    sent = offer(connection, propose(order_id, order.round, wave, found), now)
    if sent:
        events.record(connection, order_id, "wave_sent", now, wave_event(wave, sent))
        told = [new_broadcast(search, one) for one in sent]
        return outbox.add_wave(connection, order_id, told, Wave(order.round, wave))
    if wave >= len(WAVE_RADII_KM) and not anybody_before and not order.no_supply_told:
        return outbox.add(connection, order_id, [_no_supply(connection, order, now)])
    return None


def _no_supply(connection: Connection, order: Row[Any], now: datetime | None) -> Message:
    order_id = str(order.id)
    connection.execute(TOLD_NO_SUPPLY, {"order_id": order_id})
    events.record(connection, order_id, "no_supply", now, {"radiusKm": WAVE_RADII_KM[-1]})
    return Message(
        messages.customer(order.customer_id),
        "order_no_supply",
        {"orderId": order_id},
        key=f"no_supply:{order_id}",
    )
