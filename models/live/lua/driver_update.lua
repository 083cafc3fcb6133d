-- Merges new facts about drivers with what is known, and updates the index.
--
-- KEYS  drivers:heard, drivers:vehicles, then driver:{id} of each driver
-- ARGV  1 seconds to live of driver:{id} while the driver is in no search   2 the same while in the index
--       3 ms between two messages to a customer, then six for each driver:
--       1 seen_ms   2 place: latitude, longitude, at_ms and cell as four doubles, "" for none
--       3 search: vehicle key, "-" for no search, "" for as it is
--       4 as_of_us: when Postgres said so   5 trip: the running trip, "" for none
--       6 since_ms: when that trip was assigned (4 to 6 count with 3)
-- returns for each driver 'unknown': nothing is known and 3 is "", nothing was written
--                         'live': the place is the newest; 'kept_out': there was none, or a newer one is known
--         or {one of them, trip, tell, jumped, since_ms} where trip and jumped are not both nothing
--         trip: the running trip; tell: 1 if this position, which is not from before it, goes to the customer
--         jumped: 1 if no vehicle gets there so fast from the position before
--
-- The key of the index carries the vehicle, which is known only here: drivers:where:{vehicle}. A member is
-- latitude, longitude and seen_ms as three doubles and the driver's id, so that a search has nothing else to
-- read; driver:{id} says which member it is, and therefore outlives it.

local HEARD, TTL, INDEXED_TTL, TELL_MS, EACH = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3]), 6
-- How often the longer time to live is renewed.
local HOUR_MS = 3600 * 1000
-- Ten kilometres at ten kilometres a second: no vehicle, only a receiver that has lost its way.
local JUMP_KM, JUMP_KM_PER_MS, EARTH_KM = 10, 0.01, 6371
-- Within as many degrees both ways it is nearer than that.
local NEAR_DEGREES = 0.05
-- How a key begins before the driver's id, and a place before its time.
local BEFORE_ID, POINT = #'driver:', 16

local pack, unpack_doubles = struct.pack, struct.unpack

local function km(lat1, lon1, lat2, lon2)
  local rad = math.pi / 180
  local north, east = (lat2 - lat1) * rad, (lon2 - lon1) * rad
  local h = math.sin(north / 2) ^ 2
    + math.cos(lat1 * rad) * math.cos(lat2 * rad) * math.sin(east / 2) ^ 2
  return 2 * EARTH_KM * math.asin(math.min(1, math.sqrt(h)))
end

local function jumps(lat1, lon1, lat2, lon2, ms)
  if math.abs(lat2 - lat1) < NEAR_DEGREES and math.abs(lon2 - lon1) < NEAR_DEGREES then return 0 end
  local far = km(lat1, lon1, lat2, lon2)
  return far > JUMP_KM and far > JUMP_KM_PER_MS * ms and 1 or 0
end

local function member(place, seen, driver)
  return string.sub(place, 1, POINT) .. pack('<d', seen) .. driver
end

local function update(key, seen, new_place, new_search, new_as_of, new_trip, new_since)
  local known = redis.call('HMGET', key, 'search', 'seen_ms', 'place', 'trip', 'as_of_us', 'told_ms', 'since_ms')
  local before, seen_before, place = known[1] or '-', tonumber(known[2]), known[3]
  local search, trip, driver = before, known[4] or '', string.sub(key, BEFORE_ID + 1)
  local since = known[7] or '0'

  if new_search == '' then
    if not known[1] then return 'unknown' end
  elseif not known[5] or tonumber(new_as_of) >= tonumber(known[5]) then
    -- An older reading of Postgres that comes late must not undo a newer one.
    search, trip, since = new_search, new_trip, new_since
    redis.call('HSET', key, 'search', search, 'as_of_us', new_as_of, 'trip', trip, 'since_ms', since)
  end

  local old = before ~= '-' and place and member(place, seen_before, driver)
  if seen_before and seen_before > tonumber(seen) then seen = known[2] end
  local outcome, jumped, tell = 'kept_out', 0, 0
  if new_place ~= '' then
    local new_lat, new_lon, new_at = unpack_doubles('<ddd', new_place)
    local lat, lon, at
    if place then lat, lon, at = unpack_doubles('<ddd', place) end
    if not at or new_at >= at then
      if at then jumped = jumps(lat, lon, new_lat, new_lon, new_at - at) end
      outcome, place = 'live', new_place
    end
  end
  if outcome == 'live' then
    redis.call('HSET', key, 'seen_ms', seen, 'place', place)
  elseif seen ~= known[2] then
    redis.call('HSET', key, 'seen_ms', seen)
  end

  if old and before ~= search then
    redis.call('ZREM', 'drivers:where:' .. before, old)
    redis.call('ZREM', HEARD, before .. '|' .. driver)
    old = false
  end
  if search ~= '-' and place then
    local where, new = 'drivers:where:' .. search, member(place, tonumber(seen), driver)
    if old and old ~= new then redis.call('ZREM', where, old) end
    redis.call('ZADD', where, unpack_doubles('<d', place, POINT + 9), new)
    local enters = redis.call('ZADD', HEARD, seen, search .. '|' .. driver) == 1
    if enters or not seen_before or seen - seen % HOUR_MS ~= seen_before - seen_before % HOUR_MS then
      redis.call('EXPIRE', key, INDEXED_TTL)
      redis.call('HSETNX', KEYS[2], search, 0)
    end
  else
    redis.call('EXPIRE', key, TTL)
  end
  -- What comes from Postgres (3 is given) is not sent to the customer, so it must not use up their second.
  local reported = new_search == '' and outcome == 'live' and trip ~= ''
  local of_trip = reported and unpack_doubles('<d', place, POINT + 1) >= tonumber(since)
  if of_trip and tonumber(seen) >= tonumber(known[6] or 0) + TELL_MS then
    redis.call('HSET', key, 'told_ms', seen)
    tell = 1
  end
  if trip == '' and jumped == 0 then return outcome end
  return {outcome, trip, tell, jumped, since}
end

local answers = {}
for number = 1, #KEYS - 2 do
  local first = 4 + EACH * (number - 1)
  answers[number] = update(KEYS[number + 2], unpack(ARGV, first, first + EACH - 1))
end
return answers
