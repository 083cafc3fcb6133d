"""Who takes part: drivers in reach, customers with prepared requests."""

import json
import time
from collections.abc import Iterator
from random import Random
from uuid import uuid4

import jwt
import psycopg2
from redis import Redis

from models.live.driver_index import vehicle_key
from tests.scenes import NOIDA, body
from tools.bench.http import request
from tools.bench.site import Site

TYPE = "TRUCK"
LIFETIME_SECONDS = 12 * 3600
# Drivers and pickups lie around the same middle: all drivers are in reach of the first wave (5 km), and
# which ten are nearest changes from order to order.
DRIVERS_KM, PICKUPS_KM = 2.0, 1.5
KM_A_DEGREE = 111.195

REGISTER = """
    INSERT INTO drivers (id, name, phone, vehicle_type, vehicle_subtype, vehicle, vehicle_number, available)
    SELECT %s || '-' || n, 'Bench', '+911234567890', %s, %s, %s, 'DL 1 AB 1234', true
    FROM generate_series(0, %s - 1) AS n
"""


class People:
    """Hands out tokens, drivers and requests; ``seed`` decides where everybody is."""

    def __init__(self, site: Site, seed: int = 1) -> None:
        self.site, self.random = site, Random(seed)
        self._customers = 0

    def token(self, role: str, sub: str) -> str:
        """A token as the product takes it."""
        now = int(time.time())
        claims = {"sub": sub, "role": role, "iat": now, "exp": now + LIFETIME_SECONDS, "jti": uuid4().hex}
        return jwt.encode(claims, self.site.secret, algorithm="HS256")

    def register(self, subtype: str, count: int, url: str = "") -> list[str]:
        """Registers available drivers of this subtype, in the system or in this database; their ids."""
        name, vehicle = subtype.lower(), vehicle_key(TYPE, subtype)
        with psycopg2.connect(url or self.site.postgres.url) as connection, connection.cursor() as cursor:
            cursor.execute(REGISTER, (name, TYPE, subtype, vehicle, count))
        connection.close()
        return [f"{name}-{n}" for n in range(count)]

    def indexed(self, *subtypes: str) -> int:
        """How many drivers of these subtypes the index in Redis has."""
        with Redis.from_url(self.site.valkey.url) as client, client.pipeline() as pipe:
            for subtype in subtypes:
                pipe.zcard(f"drivers:where:{vehicle_key(TYPE, subtype)}")
            return sum(pipe.execute())

    def place(self, km: float) -> tuple[float, float]:
        """Somewhere within so many km north and east of the middle."""
        north, east = (self.random.uniform(-km, km) / 1.42 / KM_A_DEGREE for _ in range(2))
        return round(NOIDA[0] + north, 6), round(NOIDA[1] + east, 6)

    def orders(self, subtype: str, trucks: int = 1) -> Iterator[bytes]:
        """Requests without end, each of another customer, with a key of its own."""
        while True:
            self._customers += 1
            latitude, longitude = self.place(PICKUPS_KM)
            pickup = {"latitude": latitude, "longitude": longitude, "address": "Sector 18, Noida"}
            content = json.dumps(body(trucks, (TYPE, subtype), pickup=pickup)).encode()
            token = self.token("customer", f"customer-{self._customers}")
            yield request("/api/v1/orders", token, content, uuid4().hex)
