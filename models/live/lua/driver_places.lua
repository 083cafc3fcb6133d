-- The last positions of drivers: one command, where as many of HGET would cost the caller ten times as much.
--
-- KEYS  driver:{id} of each driver
-- returns for each the place as `driver_update` keeps it, false for none

local places = {}
for number = 1, #KEYS do places[number] = redis.call('HGET', KEYS[number], 'place') end
return places
