"""Later waves: further away every ten seconds, while trucks are missing and time is left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Row, text

from models import db, messages, outbox
from models.failed_rows import not_left_behind
from models.messages import Message
from models.outbox import Notice, Wave
from workers import events
from workers.events import AuditEvent
from workers.offers import matching, offering
from workers.offers.matching import WAVE_RADII_KM, WAVE_SECONDS, Kind, Offered, WaveSearch

DUE = text(f"""
    SELECT id FROM orders
    WHERE searching AND next_wave_at <= coalesce(:now, now()) AND (expires_at > coalesce(:now, now())) IS TRUE
        AND {not_left_behind("waves", "orders.id")}
    ORDER BY next_wave_at LIMIT :limit
""")

# Drivers asked in this search, with an open offer of an earlier one, or who have returned a truck. `lost`:
# others were faster, or it was withdrawn, so the driver may be asked for trucks of another kind or price.
ASKED = text("""
    SELECT f.order_id, f.driver_id, f.vehicle, f.fare, f.state IN ('taken', 'withdrawn') AS lost,
        f.round = o.round OR f.state = 'open' AS reached
    FROM offers f JOIN orders o ON o.id = f.order_id
    WHERE f.order_id = ANY(CAST(:ids AS uuid[]))
        AND (f.round = o.round OR f.state IN ('open', 'given_back'))
""")

# The compare-and-set that makes a wave happen once, however many sweeps run. (`IS TRUE`, here and below,
# keeps the planner from any index but that of the ids.)
ADVANCE = text(f"""
    WITH due AS (
        SELECT o.id FROM orders o
        JOIN jsonb_to_recordset(CAST(:seen AS jsonb)) AS s(id uuid, round smallint, wave smallint)
            ON s.id = o.id AND s.round = o.round AND s.wave = o.wave
        WHERE (
            o.searching AND o.next_wave_at <= coalesce(:now, now()) AND o.expires_at > coalesce(:now, now())
        ) IS TRUE
        ORDER BY o.id FOR UPDATE OF o SKIP LOCKED
    )
    UPDATE orders SET
        wave = wave + 1,
        next_wave_at = greatest(next_wave_at, coalesce(:now, now()) - interval '1 second')
            + interval '{WAVE_SECONDS} seconds',
        updated_at = coalesce(:now, now())
    FROM due WHERE orders.id = due.id
    RETURNING orders.id
""")

# A second click, or a retry after a lost answer, must not send another wave.
REPEATED_SECONDS = 2
HASTEN = text(f"""
    UPDATE orders SET next_wave_at = coalesce(:now, now()), updated_at = coalesce(:now, now())
    WHERE id = :order_id AND (
        searching AND expires_at > coalesce(:now, now()) AND next_wave_at > coalesce(:now, now())
        AND next_wave_at <= coalesce(:now, now()) + interval '{WAVE_SECONDS - REPEATED_SECONDS} seconds'
    ) IS TRUE
    RETURNING wave
""")

TOLD_NO_SUPPLY = text("UPDATE orders SET no_supply_told = true WHERE id = ANY(CAST(:ids AS uuid[]))")


@dataclass(frozen=True)
class _Due:
    """A search as it was read: its row, its missing trucks, and the drivers already asked.

    ``asked`` as in `WaveSearch`; ``reached``: a driver has been asked in this search.
    """

    order: Row[Any]
    missing: Sequence[Row[Any]]
    asked: dict[str, set[Kind] | None] = field(default_factory=dict)
    reached: bool = False

    @property
    def id(self) -> str:
        return str(self.order.id)

    @property
    def next(self) -> int:
        return int(self.order.wave) + 1

    @property
    def search(self) -> WaveSearch:
        order = self.order
        return WaveSearch(
            self.id,
            order.round,
            self.next,
            order.pickup_latitude,
            order.pickup_longitude,
            self.missing,
            self.asked,
        )

    @property
    def without_supply(self) -> bool:
        """Whether its customer is notified of it if this wave finds no driver either."""
        return self.next >= len(WAVE_RADII_KM) and not self.reached and not self.order.no_supply_told


def due(now: datetime | None = None, limit: int = 500) -> list[str]:
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


def next_waves(order_ids: Sequence[str], now: datetime | None = None) -> list[outbox.Followup]:
    """Sends the next waves of orders. Skips those that are not due or that another process took first.

    Raises ``redis.RedisError`` without Redis: the waves stay due and are tried again.
    """
    searches = _read(order_ids)
    answers = matching.find([due.search for due in searches])
    found = {due.id: offers for due, offers in zip(searches, answers, strict=True)}
    with db.transaction() as connection:
        seen = [{"id": due.id, "round": due.order.round, "wave": due.order.wave} for due in searches]
        values = {"seen": orjson.dumps(seen).decode(), "now": now}
        ours = {str(row.id) for row in connection.execute(ADVANCE, values)}
        # Read again: from here on no other transaction can change these trucks.
        missing = _missing(connection, list(ours))
        held = [replace(due, missing=missing.get(due.id, [])) for due in searches if due.id in ours]
        return _send(connection, held, found, now)


def next_wave(order_id: str, now: datetime | None = None) -> outbox.Followup | None:
    """The same for one; ``None`` if it is skipped."""
    return next(iter(next_waves([order_id], now)), None)


def _read(order_ids: Sequence[str]) -> list[_Due]:
    ids = {"ids": list(order_ids)}
    with db.statements() as connection:
        orders = connection.execute(offering.SEARCHES, ids).all()
        missing = _missing(connection, order_ids)
        asked: dict[str, list[Row[Any]]] = {}
        for row in connection.execute(ASKED, ids):
            asked.setdefault(str(row.order_id), []).append(row)
    return [_due(order, missing.get(str(order.id), []), asked.get(str(order.id), [])) for order in orders]


def _missing(connection: Connection, order_ids: Sequence[str]) -> dict[str, list[Row[Any]]]:
    missing: dict[str, list[Row[Any]]] = {}
    for truck in connection.execute(offering.MISSING, {"ids": list(order_ids)}):
        missing.setdefault(str(truck.order_id), []).append(truck)
    return missing


def _due(order: Row[Any], missing: Sequence[Row[Any]], offers: Sequence[Row[Any]]) -> _Due:
    asked: dict[str, set[Kind] | None] = {}
    for offer in offers:
        kinds = asked.setdefault(offer.driver_id, set())
        if not offer.lost:
            asked[offer.driver_id] = None
        elif kinds is not None:
            kinds.add(Kind(offer.vehicle, offer.fare))
    return _Due(order, missing, asked, any(offer.reached for offer in offers))


def _send(
    connection: Connection,
    searches: Sequence[_Due],
    found: Mapping[str, Sequence[Offered]],
    now: datetime | None,
) -> list[outbox.Followup]:
    proposals = [proposal for due in searches for proposal in found[due.id]]
    sent: dict[str, list[Offered]] = {}
    for offered in offering.insert(connection, proposals, now):
        sent.setdefault(offered.order_id, []).append(offered)
    happened, notices = [], []
    for due in searches:
        offers, wave = sent.get(due.id, []), Wave(due.order.round, due.next)
        if offers:
            happened.append(AuditEvent(due.id, "wave_sent", offering.wave_event(due.next, offers)))
        if broadcasts := _broadcasts(connection, due, offers, wave):
            notices.append(Notice(due.id, broadcasts, wave))
        elif due.without_supply:
            happened.append(AuditEvent(due.id, "no_supply", {"radiusKm": WAVE_RADII_KM[-1]}))
            notices.append(Notice(due.id, [_no_supply(due)]))
    if without_supply := [notice.order_id for notice in notices if notice.wave is None]:
        connection.execute(TOLD_NO_SUPPLY, {"ids": without_supply})
    events.record_all(connection, happened, now)
    return outbox.add_all(connection, notices)


def _broadcasts(connection: Connection, due: _Due, offers: Sequence[Offered], wave: Wave) -> list[Message]:
    details = offering.details_of(due.order, due.missing)
    if wave.wave == 1:
        return offering.open_broadcasts(connection, details, wave)
    return [offering.new_broadcast(details, offer) for offer in offers]


def _no_supply(due: _Due) -> Message:
    return Message(
        messages.customer(due.order.customer_id),
        "order_no_supply",
        {"orderId": due.id},
        key=f"no_supply:{due.id}:{due.order.round}",
    )
