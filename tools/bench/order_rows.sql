\set n random(1, 9000000000000)
INSERT INTO admissions (order_id, customer_id, idempotency_key, fingerprint, payload, request_id, reply_to) VALUES (uuidv7(), 'pgbench-' || CAST(:n AS text), md5(CAST(:n AS text)), sha256('x'), '{"pickup": {"coordinates": {"latitude": 28.5355, "longitude": 77.391}, "address": "Sector 18, Noida"}, "drop": {"coordinates": {"latitude": 28.6139, "longitude": 77.209}, "address": "Delhi"}, "routePoints": [{"type": "PICKUP", "latitude": 28.5355, "longitude": 77.391, "address": "Sector 18, Noida"}, {"type": "DROP", "latitude": 28.6139, "longitude": 77.209, "address": "Delhi"}], "distanceKm": 25, "vehicleRequirements": [{"vehicleType": "TRUCK", "vehicleSubtype": "PGBENCH", "quantity": 1, "pricePerTruck": "500"}], "goodsType": "furniture", "cargoWeightKg": 800}', '0123456789abcdef0123456789abcdef', 'pgbench') RETURNING order_id AS id \gset
BEGIN;
INSERT INTO orders (id, customer_id, status, searching, pickup, drop, route_points, pickup_latitude, pickup_longitude, distance_km, total_trucks, total_amount, goods_type, cargo_weight_kg, wave, next_wave_at, request_id, expires_at) VALUES (:id, 'pgbench-' || CAST(:n AS text), 'active', true, '{"coordinates": {"latitude": 28.5355, "longitude": 77.391}, "address": "Sector 18, Noida"}', '{"coordinates": {"latitude": 28.6139, "longitude": 77.209}, "address": "Delhi"}', '[{"type": "PICKUP", "latitude": 28.5355, "longitude": 77.391, "address": "Sector 18, Noida"}, {"type": "DROP", "latitude": 28.6139, "longitude": 77.209, "address": "Delhi"}]', 28.5355, 77.391, 25, 1, 500, 'furniture', 800, 1, now() + interval '1 day', '0123456789abcdef0123456789abcdef', now() + interval '1 day');
INSERT INTO truck_requests (id, order_id, request_number, vehicle_type, vehicle_subtype, vehicle, price_per_truck) VALUES (uuidv7(), :id, 1, 'TRUCK', 'PGBENCH', :vehicle, 500) RETURNING id AS truck \gset
INSERT INTO offers (id, order_id, driver_id, truck_request_id, vehicle, fare, round, wave, pickup_distance_km, offered_at) SELECT uuidv7(), CAST(:id AS uuid), d.id, CAST(:truck AS uuid), d.vehicle, 500, 1, 1, 1.234, now() FROM drivers d WHERE d.id IN ('pgbench-0', 'pgbench-1', 'pgbench-2', 'pgbench-3', 'pgbench-4', 'pgbench-5', 'pgbench-6', 'pgbench-7', 'pgbench-8', 'pgbench-9');
INSERT INTO order_events (order_id, at, type, data) VALUES (:id, now(), 'order_placed', '{"customerId": "pgbench", "trucks": 1}');
INSERT INTO order_events (order_id, at, type, data) VALUES (:id, now(), 'wave_sent', CAST(:event AS jsonb));
INSERT INTO outbox (order_id, body) VALUES (:id, :box_body) RETURNING id AS box \gset
UPDATE admissions SET state = 'placed', answer_status = 201, answer = :answer, decided_at = now() WHERE order_id = :id;
COMMIT;
BEGIN;
SET LOCAL synchronous_commit TO off;
DELETE FROM outbox WHERE id = :box;
COMMIT;
