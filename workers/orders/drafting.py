"""What an admission asks for, in the shape of the order's rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from uuid_utils import uuid7

from models import settings
from models.live.driver_index import vehicle_key
from models.prepared import Row
from workers import views
from workers.offers.matching import Offered, WaveSearch
from workers.views import Columns


@dataclass(slots=True)
class Truck:
    """A truck request as its row will be; the fields are the columns."""

    id: str
    order_id: str
    request_number: int
    vehicle_type: str
    vehicle_subtype: str
    vehicle: str
    price_per_truck: Decimal
    status: str = "searching"
    assigned_at: None = None


@dataclass(slots=True)
class Draft:
    """An order as its row will be; the fields are the columns. ``created_at`` is by Postgres' clock.

    ``found`` are the offers of the first wave; ``None`` without Redis: the wave is then due at once.
    """

    id: str
    customer_id: str
    request_id: str
    pickup: dict[str, Any]
    drop: dict[str, Any]
    route_points: list[dict[str, Any]]
    distance_km: float
    total_trucks: int
    total_amount: Decimal
    goods_type: str | None
    cargo_weight_kg: float | None
    trucks: Sequence[Truck]
    created_at: datetime
    found: Sequence[Offered] | None = None
    status: str = "active"
    trucks_filled: int = 0
    round: int = 1

    @property
    def offers(self) -> Sequence[Offered]:
        """The offers of the first wave."""
        return self.found or ()

    @property
    def wave(self) -> int:
        """The last wave that was sent."""
        return 0 if self.found is None else 1

    @property
    def updated_at(self) -> datetime:
        """Nothing has changed since."""
        return self.created_at

    @property
    def expires_at(self) -> datetime:
        """When its search ends."""
        return self.created_at + timedelta(seconds=settings.load().order_ttl_seconds)

    @property
    def columns(self) -> dict[str, Any]:
        """The columns that the admission does not have."""
        return {
            "id": self.id,
            "total_trucks": self.total_trucks,
            "total_amount": str(self.total_amount),
            "wave": self.wave,
            "created_at": self.created_at,
            "expires_at": self.expires_at,
        }

    @property
    def search(self) -> WaveSearch:
        """What its first wave looks for."""
        place = self.pickup["coordinates"]
        return WaveSearch(self.id, self.round, 1, place["latitude"], place["longitude"], self.trucks)


def draft(admission: Row) -> Draft:
    """The order that an admission asks for."""
    payload, order_id = admission.payload, str(admission.order_id)
    trucks = _trucks(order_id, payload["vehicleRequirements"])
    return Draft(
        order_id,
        admission.customer_id,
        admission.request_id,
        payload["pickup"],
        payload["drop"],
        payload["routePoints"],
        payload["distanceKm"],
        len(trucks),
        sum((truck.price_per_truck for truck in trucks), Decimal(0)),
        payload["goodsType"],
        payload["cargoWeightKg"],
        trucks,
        admission.at,
    )


def _trucks(order_id: str, needs: Sequence[dict[str, Any]]) -> list[Truck]:
    """One a truck, numbered from 1 in the order of the requirements."""
    wanted = [need for need in needs for _ in range(need["quantity"])]
    return [
        Truck(
            str(uuid7()),
            order_id,
            number,
            need["vehicleType"],
            need["vehicleSubtype"],
            vehicle_key(need["vehicleType"], need["vehicleSubtype"]),
            Decimal(need["pricePerTruck"]),
        )
        for number, need in enumerate(wanted, start=1)
    ]


def created_view(order: Columns, trucks: Sequence[Columns], offered: Sequence[Offered]) -> dict[str, Any]:
    """The data of the 201."""
    return {
        "order": views.order_view(order),
        "truckRequests": [views.truck_view(truck, None) for truck in trucks],
        "broadcastSummary": {
            "totalRequests": len(trucks),
            "totalDriversNotified": len(offered),
            "groupedBy": _groups(trucks, offered),
        },
        "timeoutSeconds": round((order.expires_at - order.created_at).total_seconds()),
    }


def _groups(trucks: Sequence[Columns], offered: Sequence[Offered]) -> list[dict[str, Any]]:
    kinds = {truck.vehicle: truck for truck in trucks}
    return [
        {
            "vehicleType": kind.vehicle_type,
            "vehicleSubtype": kind.vehicle_subtype,
            "count": sum(truck.vehicle == vehicle for truck in trucks),
            "driversNotified": sum(offer.vehicle == vehicle for offer in offered),
        }
        for vehicle, kind in kinds.items()
    ]
