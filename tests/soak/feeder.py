"""A busy city as the tables see it: drivers who move every second, and so many orders a second.

Written straight into Postgres and Redis: thousands of apps and the workers would need the cores that the page
and the web process are to be measured on. What the web process reads is the same.
"""

import random
import threading
import time
from collections.abc import Mapping

import psycopg2
import redis

DRIVERS, ORDERS_A_SECOND = 2000, 20
EVERY_S = 1.0
SEEDED_S = 3600
# A truck is found after 4 s; every tenth order waits through two more waves.
FOUND_AFTER_S, LATE_AFTER_S, LEAVES_AFTER_S, DRIVES_S = 4, 30, 34, 60

# In the order of their times, as ours are.
ID = """
    (lpad(to_hex((extract(epoch FROM {at}) * 1000)::bigint), 12, '0')
        || substr(md5(random()::text), 13))::uuid
"""

SEED = (
    """INSERT INTO drivers (id, name, phone, vehicle_type, vehicle_subtype, vehicle, vehicle_number,
        available, last_latitude, last_longitude, last_position_at)
    SELECT 'soak-' || n, 'Soak', '+911234567890', 'TRUCK', 'TATA_ACE', 'truck:tata_ace', 'DL', true,
        28.4 + random() * 0.4, 77 + random() * 0.4, now() FROM generate_series(1, %(drivers)s) AS n""",
    f"""CREATE TEMP TABLE past AS
    SELECT {ID.format(at="at")} AS id, at, n
    FROM generate_series(1, %(past)s) AS n, LATERAL (
        SELECT now() - n / %(rate)s::float8 * interval '1 second' AS at) AS moment""",
    """INSERT INTO admissions (order_id, customer_id, fingerprint, payload, request_id, reply_to, state,
        decided_at, created_at) SELECT id, 'past-' || n, 'x', '{}', 'r', 'r', 'placed', at, at FROM past""",
    # Half of the drivers are on trips of their own orders, the last of the past hour.
    """INSERT INTO orders (id, customer_id, status, searching, pickup, drop, route_points, pickup_latitude,
        pickup_longitude, distance_km, total_trucks, trucks_filled, total_amount, wave, request_id,
        expires_at, created_at)
    SELECT id, 'past-' || n, CASE WHEN n <= %(drivers)s / 2 THEN 'in_progress' ELSE 'completed' END, false,
        %(place)s, %(place)s, '[]', 28.5, 77.2, 5, 1, 1, 500, 1, 'r', at, at FROM past""",
    """INSERT INTO truck_requests (id, order_id, request_number, vehicle_type, vehicle_subtype, vehicle,
        price_per_truck, status, driver_id)
    SELECT gen_random_uuid(), id, 1, 'TRUCK', 'TATA_ACE', 'truck:tata_ace', 500,
        CASE WHEN n %% 2 = 0 THEN 'en_route_pickup' ELSE 'in_transit' END, 'soak-' || n
    FROM past WHERE n <= %(drivers)s / 2""",
    """INSERT INTO order_events (order_id, at, type, data)
    SELECT id, at, type, '{"drivers": [{"driverId": "soak-1"}]}'
    FROM past, unnest(ARRAY['order_placed', 'wave_sent', 'order_completed']) AS type ORDER BY at""",
    "ANALYZE",
)
# Every driver is a little further on their own way.
MOVE = """
    UPDATE drivers SET last_position_at = now(),
        last_latitude = last_latitude + 0.0008 * sin(hashtext(id) + %(turn)s / 20.0),
        last_longitude = last_longitude + 0.0008 * cos(hashtext(id) + %(turn)s / 20.0)
"""
ORDER = f"""
    WITH fresh AS MATERIALIZED (
        SELECT {ID.format(at="now()")} AS id, 28.4 + random() * 0.4 AS latitude,
            77 + random() * 0.4 AS longitude, %(turn)s * %(rate)s + n AS number
        FROM generate_series(1, %(rate)s) AS n
    ), admitted AS (
        INSERT INTO admissions (order_id, customer_id, fingerprint, payload, request_id, reply_to, state,
            decided_at) SELECT id, 'soak-' || number, 'x', '{{}}', 'r', 'r', 'placed', now() FROM fresh
    ), told AS (
        INSERT INTO order_events (order_id, at, type, data)
        SELECT id, now(), type, '{{"drivers": [{{"driverId": "soak-1"}}]}}'
        FROM fresh, unnest(ARRAY['order_placed', 'wave_sent']) AS type
    )
    INSERT INTO orders (id, customer_id, status, searching, pickup, drop, route_points, pickup_latitude,
        pickup_longitude, distance_km, total_trucks, total_amount, wave, request_id, expires_at)
    SELECT id, 'soak-' || number, 'active', true,
        jsonb_build_object('address', 'a', 'coordinates',
            jsonb_build_object('latitude', latitude, 'longitude', longitude)),
        %(place)s, '[]', latitude, longitude, 5, 1, 500, 1, 'r', now() + interval '60 seconds' FROM fresh
"""
LIVE = (
    """UPDATE orders SET wave = 1 + least(2, extract(epoch FROM now() - created_at)::int / 10)
    WHERE searching""",
    f"""UPDATE orders SET searching = false, status = 'fully_filled', trucks_filled = 1
    WHERE searching AND now() - created_at > interval '1 second' *
        CASE WHEN hashtext(customer_id) % 10 = 0 THEN {LATE_AFTER_S} ELSE {FOUND_AFTER_S} END""",
    f"""UPDATE orders SET status = 'in_progress' WHERE status = 'fully_filled'
    AND created_at < now() - interval '{LEAVES_AFTER_S} seconds'""",
    f"""WITH ended AS (
        UPDATE orders SET status = 'completed' WHERE status = 'in_progress' AND customer_id LIKE 'soak-%'
        AND created_at < now() - interval '{LEAVES_AFTER_S + DRIVES_S} seconds' RETURNING id
    ) INSERT INTO order_events (order_id, at, type, data)
    SELECT id, now(), 'order_completed', '{{}}' FROM ended""",
)
PLACE = '{"coordinates": {"latitude": 28.5, "longitude": 77.2}, "address": "a"}'


class Feeder(threading.Thread):
    """Makes the past hour at once, and then a second of the city every second until :meth:`end`."""

    def __init__(self, environment: Mapping[str, str], drivers: int, orders_a_second: int) -> None:
        super().__init__(daemon=True)
        self._drivers, self._rate = drivers, orders_a_second
        self._heard = [f"truck:tata_ace|soak-{number}" for number in range(1, drivers + 1)]
        self._connection = psycopg2.connect(environment["DATABASE_URL"])
        self._connection.autocommit = True
        self._redis = redis.Redis.from_url(environment["REDIS_URL"])
        self._over = threading.Event()
        self.pid = self._connection.get_backend_pid()
        # Seconds that a turn has taken, the longest one: above one the city is slower than it says.
        self.slowest_s = 0.0
        self.turns = 0
        self.failure: Exception | None = None

    def seed(self) -> None:
        """The drivers, and an hour of orders behind them."""
        values = {"drivers": self._drivers, "rate": self._rate, "past": self._rate * SEEDED_S}
        with self._connection.cursor() as cursor:
            for statement in SEED:
                cursor.execute(statement, values | {"place": PLACE})

    def run(self) -> None:
        due = time.monotonic()
        try:
            while not self._over.wait(max(0.0, due - time.monotonic())):
                began = time.monotonic()
                self._turn()
                self.slowest_s = max(self.slowest_s, time.monotonic() - began)
                due = max(due + EVERY_S, began)
        except Exception as error:
            self.failure = error

    def _turn(self) -> None:
        self.turns += 1
        values = {"turn": self.turns, "rate": self._rate, "place": PLACE}
        with self._connection.cursor() as cursor:
            cursor.execute(MOVE, values)
            cursor.execute(ORDER, values)
            for statement in LIVE:
                cursor.execute(statement)
        now_ms = int(time.time() * 1000)
        self._redis.zadd("drivers:heard", {driver: now_ms - random.randrange(5000) for driver in self._heard})

    def end(self) -> None:
        """Raises what has ended it before."""
        self._over.set()
        self.join()
        if self.failure:
            raise self.failure
