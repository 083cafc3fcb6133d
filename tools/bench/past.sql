-- So many past orders (${count}), spread over the last ${hours} hours, so that the cleanup has none to forget yet:
-- an admission, an order, a truck request, one offer and one event each. Foreign keys are not checked.
SET session_replication_role = replica;
SET synchronous_commit = off;
CREATE UNLOGGED TABLE past AS
SELECT n, uuidv7(-shift) AS id, uuidv7(-shift) AS truck, now() - shift AS at
FROM (
    SELECT n, (${count} - n) * interval '1 hour' * ${hours} / ${count} + interval '10 minutes' AS shift
    FROM generate_series(1, ${count}) AS n
) AS numbered;
INSERT INTO admissions (order_id, customer_id, idempotency_key, fingerprint, payload, request_id, reply_to, state,
    answer_status, answer, created_at, decided_at)
SELECT id, 'past-' || n % 100000, 'key-' || ${batch} || '-' || n, '\x00', '{}', 'past', 'past', 'placed', 201, '{}', at, at FROM past;
INSERT INTO orders (id, customer_id, status, searching, pickup, drop, route_points, pickup_latitude, pickup_longitude,
    distance_km, total_trucks, total_amount, wave, request_id, expires_at, created_at, updated_at)
SELECT id, 'past-' || n % 100000, 'expired', false, '{}', '{}', '[]', 28.5, 77.4, 25, 1, 500, 1, 'past',
    at + interval '1 minute', at, at FROM past;
INSERT INTO truck_requests (id, order_id, request_number, vehicle_type, vehicle_subtype, vehicle, price_per_truck,
    status, updated_at)
SELECT truck, id, 1, 'TRUCK', 'PAST', 'truck:past', 500, 'expired', at FROM past;
INSERT INTO offers (id, order_id, driver_id, truck_request_id, vehicle, fare, round, wave, pickup_distance_km, state,
    offered_at, closed_at)
SELECT uuidv7(at - now()), id, 'past-' || n % 10000, truck, 'truck:past', 500, 1, 1, 1.5, 'expired', at, at FROM past;
INSERT INTO order_events (order_id, at, type, data)
SELECT id, at, 'order_placed', '{"trucks": 1}' FROM past;
DROP TABLE past;
SET session_replication_role = DEFAULT;
SET synchronous_commit = on;
