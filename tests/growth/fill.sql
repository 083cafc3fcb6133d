-- ${orders} orders of ${hours} hours, the last of them ${since} ago, with ${offers} offers each, and ${drivers}
-- drivers. Foreign keys are not checked. Three orders in ten are of one customer, `grown-big`; six in a thousand are searching, and three in a
-- hundred have a trip under way.
SET session_replication_role = replica;
SET synchronous_commit = off;
SET work_mem = '64MB';
INSERT INTO drivers (id, name, phone, vehicle_type, vehicle_subtype, vehicle, vehicle_number, available,
    last_latitude, last_longitude, last_position_at)
SELECT 'grown-' || n, 'Grown ' || n, '+91' || n, 'TRUCK', 'KIND_' || n % 20, 'truck:kind_' || n % 20, 'DL ' || n,
    n % 5 < 2, 28 + (n % 1009) / 1009.0, 77 + (n % 997) / 997.0, now() - n % 3600 * interval '1 second'
FROM generate_series(0, ${drivers} - 1) AS n;

CREATE UNLOGGED TABLE past AS
SELECT n, uuidv7(-shift) AS id, uuidv7(-shift) AS truck, now() - shift AS at,
    CASE WHEN n % 1000 < 6 THEN 'active' WHEN n % 1000 < 11 THEN 'partially_filled'
        WHEN n % 1000 < 21 THEN 'fully_filled' WHEN n % 1000 < 36 THEN 'in_progress'
        WHEN n % 10 < 6 THEN 'completed' WHEN n % 10 < 8 THEN 'expired' ELSE 'cancelled' END AS status,
    CASE WHEN n % 1000 < 6 THEN 'grown-searching-' || n WHEN n % 10 < 3 THEN 'grown-big'
        ELSE 'grown-' || n * 7919::bigint % (${orders} / 10 + 1) END AS customer,
    'grown-' || n * 104729::bigint % ${drivers} AS driver, 'truck:kind_' || n % 20 AS vehicle
FROM (
    SELECT n, (${orders} - n) * interval '1 hour' * ${hours} / ${orders} + interval '${since}' AS shift
    FROM generate_series(0, ${orders} - 1) AS n
) AS numbered;
-- A driver has one running trip at most.
UPDATE past SET driver = 'grown-' || n / 1000 * 30 + n % 1000 - 6 WHERE status IN ('partially_filled', 'fully_filled', 'in_progress');

INSERT INTO admissions (order_id, customer_id, idempotency_key, fingerprint, payload, request_id, reply_to, state,
    answer_status, answer, created_at, decided_at)
SELECT id, customer, 'key-' || n, '\x00', '{"goodsType": "furniture"}', 'past', 'past', 'placed', 201, '{}', at, at
FROM past;
INSERT INTO admissions (order_id, customer_id, fingerprint, payload, request_id, reply_to, state, rejection,
    answer_status, answer, created_at, decided_at)
SELECT uuidv7(-shift), CASE WHEN n % 10 < 3 THEN 'grown-big' ELSE 'grown-' || n END, '\x00', '{}', 'past', 'past',
    CASE n % 50 WHEN 0 THEN 'dead' WHEN 1 THEN 'cancelled' ELSE 'rejected' END,
    CASE WHEN n % 50 <> 1 THEN 'ACTIVE_ORDER_EXISTS' END, 202, '{}', now() - shift, now() - shift
FROM (
    SELECT n, n * interval '1 hour' * ${hours} / (${orders} / 20 + 1) + interval '${since}' AS shift
    FROM generate_series(1, ${orders} / 20) AS n
) AS numbered;
INSERT INTO orders (id, customer_id, status, searching, pickup, drop, route_points, pickup_latitude, pickup_longitude,
    distance_km, total_trucks, trucks_filled, total_amount, wave, next_wave_at, request_id, expires_at, created_at,
    updated_at)
SELECT id, customer, status, status = 'active', '{"coordinates": {"latitude": 28.5, "longitude": 77.4}, "address": "Noida"}',
    '{"coordinates": {"latitude": 28.6, "longitude": 77.2}, "address": "Delhi"}', '[]', 28.5, 77.4, 25,
    CASE status WHEN 'partially_filled' THEN 2 ELSE 1 END,
    CASE WHEN status IN ('active', 'expired', 'cancelled') THEN 0 ELSE 1 END, 500, 1,
    CASE status WHEN 'active' THEN now() + interval '1 day' END, 'past',
    CASE status WHEN 'active' THEN now() + interval '1 day' + n * interval '1 millisecond' ELSE at + interval '1 minute' END, at, at
FROM past;
INSERT INTO truck_requests (id, order_id, request_number, vehicle_type, vehicle_subtype, vehicle, price_per_truck,
    status, driver_id, assigned_at, updated_at)
SELECT truck, id, 1, 'TRUCK', 'KIND_' || n % 20, vehicle, 500,
    CASE status WHEN 'active' THEN 'searching' WHEN 'in_progress' THEN 'in_transit'
        WHEN 'partially_filled' THEN 'assigned' WHEN 'fully_filled' THEN 'assigned' ELSE status END,
    CASE WHEN status NOT IN ('active', 'expired', 'cancelled') THEN driver END,
    CASE WHEN status NOT IN ('active', 'expired', 'cancelled') THEN at END, at
FROM past;
INSERT INTO offers (id, order_id, driver_id, truck_request_id, vehicle, fare, round, wave, pickup_distance_km, state,
    offered_at, closed_at)
SELECT uuidv7(at - now()), id,
    CASE k WHEN 0 THEN driver ELSE 'grown-' || (n * 104729::bigint + k * 7907) % ${drivers} END,
    truck, vehicle, 500, 1, 1, 1.5,
    CASE WHEN status = 'active' THEN 'open' WHEN status = 'expired' THEN 'expired'
        WHEN status = 'cancelled' THEN 'cancelled' WHEN k = 0 THEN 'accepted' ELSE 'taken' END,
    at, CASE WHEN status <> 'active' THEN at END
FROM past, generate_series(0, ${offers} - 1) AS k ON CONFLICT DO NOTHING;
INSERT INTO order_events (order_id, at, type, data)
SELECT id, at + k * interval '1 second', CASE k WHEN 0 THEN 'order_placed' WHEN 1 THEN 'wave_sent'
    ELSE CASE status WHEN 'completed' THEN 'order_completed' WHEN 'cancelled' THEN 'order_cancelled'
        WHEN 'expired' THEN 'order_expired' ELSE 'truck_assigned' END END,
    CASE k WHEN 1 THEN '{"wave": 1, "drivers": [{"driverId": "grown-1"}]}' ELSE '{"trucks": 1}' END::jsonb
FROM past, generate_series(0, 2) AS k;
-- One order whose search was started again and again.
INSERT INTO order_events (order_id, at, type, data)
SELECT (SELECT id FROM past WHERE n = 7), now() - n * interval '1 second', 'trip_status_changed', '{"driverId": "grown-1"}'
FROM generate_series(1, 5000) AS n;
INSERT INTO track_parts (truck_request_id, driver_id, begins_s, points)
SELECT truck, driver, at_s - at_s % 10,
    jsonb_build_object(CAST(at_s % 10 AS text), jsonb_build_array(at_s * 1000, 28.5, 77.4, 0))
FROM (SELECT truck, driver, CAST(extract(epoch FROM at) AS bigint) AS at_s FROM past WHERE status = 'in_progress') AS p;
INSERT INTO revoked_tokens (token_id, expires_at) SELECT 'past-' || n, now() + interval '1 day' FROM generate_series(1, 5000) AS n;
DROP TABLE past;
SET session_replication_role = DEFAULT;
SET synchronous_commit = on;
