-- Undoes order_enter.lua: gives the lock up, and takes back what was counted, if this token holds it still.
-- While it does nobody else has begun an order, so the newest time is its own.
--
-- KEYS     lock (string), begun (list of times, newest first)
-- ARGV     token
-- returns  whether it was held

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('LPOP', KEYS[2])
return 1
