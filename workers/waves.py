"""Asks again, further away every ten seconds, while trucks are missing and time is left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Row, text

from models import db, messages, outbox
from models.failed_rows import not_left_behind
from models.messages import Message
from models.outbox import Told, Wave
from workers import events
from workers.events import AuditEvent
from workers.matching import WAVE_RADII_KM, Candidate, Kind, MissingTruck, WaveSearch, candidates
from workers.offering import (
    MISSING,
    SEARCHES,
    Offered,
    new_broadcast,
    offer,
    open_broadcasts,
    propose,
    search_of,
    wave_event,
)

WAVE_SECONDS = 10

DUE = text(f"""
    SELECT id FROM orders
    WHERE searching AND next_wave_at <= coalesce(:now, now()) AND (expires_at > coalesce(:now, now())) IS TRUE
        AND {not_left_behind("waves", "orders.id")}
    ORDER BY next_wave_at LIMIT :limit
""")

# Asked in this search, still holding an offer of an earlier one, or the one who gave a truck back. `lost`:
# others were faster, or it was withdrawn, so the driver may be asked for trucks of another kind or price.
ASKED = text("""
    SELECT f.order_id, f.driver_id, f.vehicle, f.fare, f.state IN ('taken', 'withdrawn') AS lost,
        f.round = o.round OR f.state = 'open' AS reached
    FROM offers f JOIN orders o ON o.id = f.order_id
    WHERE f.order_id = ANY(CAST(:ids AS uuid[]))
        AND (f.round = o.round OR f.state IN ('open', 'given_back'))
""")

# The compare-and-set that makes a wave happen once, whoever else is sweeping. (`IS TRUE`, here and below: no
# index but that of the ids serves such a condition.)
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

# A wave that was sent just now is what a second click, or a retry after a lost answer, asks for.
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
    """A search as it was read: its row, the trucks it misses, and who has been asked.

    ``asked`` as in `WaveSearch`; ``reached``: somebody has been asked in this search.
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
        trucks = [MissingTruck(str(one.id), one.vehicle, one.price_per_truck) for one in self.missing]
        return WaveSearch(
            trucks, self.order.pickup_latitude, self.order.pickup_longitude, self.next, self.asked
        )

    @property
    def without_supply(self) -> bool:
        """Whether its customer is to be told, if this wave finds nobody either, that there is nobody."""
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
    """Sends the next waves of orders; left out is where there was nothing to do or another was first.

    Raises ``redis.RedisError`` without Redis: the waves stay due and are tried again.
    """
    searches = _read(order_ids)
    found = dict(zip((one.id for one in searches), candidates([one.search for one in searches]), strict=True))
    with db.transaction() as connection:
        seen = [{"id": one.id, "round": one.order.round, "wave": one.order.wave} for one in searches]
        values = {"seen": orjson.dumps(seen).decode(), "now": now}
        ours = {str(row.id) for row in connection.execute(ADVANCE, values)}
        # The trucks as they are now that nobody else can change them.
        missing = _missing(connection, list(ours))
        held = [replace(one, missing=missing.get(one.id, [])) for one in searches if one.id in ours]
        return _send(connection, held, found, now)


def next_wave(order_id: str, now: datetime | None = None) -> outbox.Followup | None:
    """The same for one; ``None`` if it is left out."""
    return next(iter(next_waves([order_id], now)), None)


def _read(order_ids: Sequence[str]) -> list[_Due]:
    ids = {"ids": list(order_ids)}
    with db.statements() as connection:
        orders = connection.execute(SEARCHES, ids).all()
        missing = _missing(connection, order_ids)
        asked: dict[str, list[Row[Any]]] = {}
        for offer in connection.execute(ASKED, ids):
            asked.setdefault(str(offer.order_id), []).append(offer)
    return [_due(one, missing.get(str(one.id), []), asked.get(str(one.id), [])) for one in orders]


def _missing(connection: Connection, order_ids: Sequence[str]) -> dict[str, list[Row[Any]]]:
    missing: dict[str, list[Row[Any]]] = {}
    for truck in connection.execute(MISSING, {"ids": list(order_ids)}):
        missing.setdefault(str(truck.order_id), []).append(truck)
    return missing


def _due(order: Row[Any], missing: Sequence[Row[Any]], offers: Sequence[Row[Any]]) -> _Due:
    asked: dict[str, set[Kind] | None] = {}
    for each in offers:
        kinds = asked.setdefault(each.driver_id, set())
        if not each.lost:
            asked[each.driver_id] = None
        elif kinds is not None:
            kinds.add(Kind(each.vehicle, each.fare))
    return _Due(order, missing, asked, any(each.reached for each in offers))


def _send(
    connection: Connection,
    searches: Sequence[_Due],
    found: Mapping[str, Sequence[Candidate]],
    now: datetime | None,
) -> list[outbox.Followup]:
    proposals = [
        each for one in searches for each in propose(one.id, one.order.round, one.next, found[one.id])
    ]
    sent: dict[str, list[Offered]] = {}
    for each in offer(connection, proposals, now):
        sent.setdefault(each.order_id, []).append(each)
    happened, told = [], []
    for one in searches:
        offers, wave = sent.get(one.id, []), Wave(one.order.round, one.next)
        if offers:
            happened.append(AuditEvent(one.id, "wave_sent", wave_event(one.next, offers)))
        if shown := _shown(connection, one, offers, wave):
            told.append(Told(one.id, shown, wave))
        elif one.without_supply:
            happened.append(AuditEvent(one.id, "no_supply", {"radiusKm": WAVE_RADII_KM[-1]}))
            told.append(Told(one.id, [_no_supply(one)]))
    if alone := [one.order_id for one in told if one.wave is None]:
        connection.execute(TOLD_NO_SUPPLY, {"ids": alone})
    events.record_all(connection, happened, now)
    return outbox.add_all(connection, told)


def _shown(connection: Connection, one: _Due, offers: Sequence[Offered], wave: Wave) -> list[Message]:
    search = search_of(one.order, one.missing)
    if wave.wave == 1:
        return open_broadcasts(connection, search, wave)
    return [new_broadcast(search, each) for each in offers]


def _no_supply(one: _Due) -> Message:
    return Message(
        messages.customer(one.order.customer_id),
        "order_no_supply",
        {"orderId": one.id},
        key=f"no_supply:{one.id}:{one.order.round}",
    )
