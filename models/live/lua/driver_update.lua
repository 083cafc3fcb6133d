-- Joins what was just learnt about drivers with what is known, and makes the index agree.
--
-- KEYS  drivers:seen, then driver:{id} of each driver
-- ARGV  1 seconds to live of driver:{id}   2 ms between two words to a customer, then nine for each driver:
--       1 driver   2 seen_ms   3 search: vehicle key, "-" for no search, "" for as it is
--       4 as_of_us: when Postgres said so ("" with 3)
--       5 at_ms, 6 latitude, 7 longitude, 8 cell: all "" without a position
--       9 trip: his running trip, "" for none (counts with 3)
-- returns for each driver {outcome, trip, tell, jumped}
--         outcome "unknown": nothing is known of him and 3 is "", nothing was written
--                 "live": the position is the newest; "kept_out": there was none, or a newer one is known
--         trip: his running trip; tell: 1 if its customer is to hear of this position
--         jumped: 1 if nobody gets there so fast from where he was
--
-- The keys of the index carry the vehicle, which is known only here: drivers:places:{vehicle} and
-- drivers:positions:{vehicle}. A position is three doubles, latitude, longitude and seen_ms. A member
-- of the places is that and the driver's id, so that a search has nothing else to read; the positions
-- say what his member is.

local SEEN, TTL, TELL_MS, EACH = KEYS[1], ARGV[1], tonumber(ARGV[2]), 9
-- Ten kilometres at ten kilometres a second: no vehicle, only a receiver that has lost its way.
local JUMP_KM, JUMP_KM_PER_MS, EARTH_KM = 10, 0.01, 6371
-- Whoever is within as many degrees both ways is nearer than that.
local NEAR_DEGREES = 0.05

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

local function update(key, driver, seen, search, new_as_of, new_at, new_lat, new_lon, new_cell, new_trip)
  local known = redis.call('HMGET', key, 'search', 'as_of_us', 'seen_ms', 'at_ms', 'lat', 'lon', 'cell',
    'trip', 'told_ms')
  local before, as_of = known[1] or '-', known[2]
  local at, lat, lon, cell = known[4], known[5], known[6], known[7]
  local trip = known[8] or ''

  if search == '' then
    if not known[1] then return {'unknown', '', 0, 0} end
    search = before
  elseif not as_of or tonumber(new_as_of) >= tonumber(as_of) then
    as_of, trip = new_as_of, new_trip
    redis.call('HSET', key, 'search', search, 'as_of_us', as_of, 'trip', trip)
  else  -- an older reading of Postgres that comes late must not undo a newer one
    search = before
  end

  if known[3] and tonumber(known[3]) > tonumber(seen) then seen = known[3] end
  local outcome, jumped, tell = 'kept_out', 0, 0
  if new_at ~= '' and (not at or tonumber(new_at) >= tonumber(at)) then
    if at then
      jumped = jumps(tonumber(lat), tonumber(lon), tonumber(new_lat), tonumber(new_lon),
        tonumber(new_at) - tonumber(at))
    end
    at, lat, lon, cell = new_at, new_lat, new_lon, new_cell
    outcome = 'live'
    redis.call('HSET', key, 'seen_ms', seen, 'at_ms', at, 'lat', lat, 'lon', lon, 'cell', cell)
  else
    redis.call('HSET', key, 'seen_ms', seen)
  end
  redis.call('EXPIRE', key, TTL)

  if before ~= '-' and before ~= search then
    local position = redis.call('HGET', 'drivers:positions:' .. before, driver)
    if position then redis.call('ZREM', 'drivers:places:' .. before, position .. driver) end
    redis.call('HDEL', 'drivers:positions:' .. before, driver)
    redis.call('ZREM', SEEN, before .. '|' .. driver)
  end
  if search ~= '-' and at then
    local places, positions = 'drivers:places:' .. search, 'drivers:positions:' .. search
    local position = struct.pack('<ddd', tonumber(lat), tonumber(lon), tonumber(seen))
    local old = redis.call('HGET', positions, driver)
    if old ~= position then
      if old then redis.call('ZREM', places, old .. driver) end
      redis.call('ZADD', places, cell, position .. driver)
      redis.call('HSET', positions, driver, position)
    end
    redis.call('ZADD', SEEN, seen, search .. '|' .. driver)
  end
  if outcome == 'live' and trip ~= '' and tonumber(seen) >= tonumber(known[9] or 0) + TELL_MS then
    redis.call('HSET', key, 'told_ms', seen)
    tell = 1
  end
  return {outcome, trip, tell, jumped}
end

local answers = {}
for number = 1, #KEYS - 1 do
  local first = 3 + EACH * (number - 1)
  answers[number] = update(KEYS[number + 1], unpack(ARGV, first, first + EACH - 1))
end
return answers
