-- Joins what was just learnt about a driver with what is known, and makes the index agree.
--
-- KEYS  1 driver:{id}   2 drivers:seen
-- ARGV  1 driver   2 seen_ms   3 seconds to live of KEYS[1]
--       4 search: vehicle key, "-" for no search, "" for as it is
--       5 as_of_us: when Postgres said so ("" with 4)
--       6 at_ms, 7 latitude, 8 longitude, 9 cell: all "" without a position
--       10 trip: his running trip, "" for none (counts with 4)   11 ms between two words to its customer
-- returns {outcome, trip, tell, jumped}
--         outcome "unknown": nothing is known of him and 4 is "", nothing was written
--                 "live": the position is the newest; "kept_out": there was none, or a newer one is known
--         trip: his running trip; tell: 1 if its customer is to hear of this position
--         jumped: 1 if nobody gets there so fast from where he was
--
-- The keys of the index carry the vehicle, which is known only here: drivers:cells:{vehicle} and
-- drivers:positions:{vehicle}. A position there is three doubles to compute with, latitude,
-- longitude and seen_ms, then "latitude longitude" as text for the answer.

-- Ten kilometres at ten kilometres a second: no vehicle, only a receiver that has lost its way.
local JUMP_KM, JUMP_KM_PER_MS, EARTH_KM = 10, 0.01, 6371

local function km(lat1, lon1, lat2, lon2)
  local rad = math.pi / 180
  local north, east = (lat2 - lat1) * rad, (lon2 - lon1) * rad
  local h = math.sin(north / 2) ^ 2
    + math.cos(lat1 * rad) * math.cos(lat2 * rad) * math.sin(east / 2) ^ 2
  return 2 * EARTH_KM * math.asin(math.min(1, math.sqrt(h)))
end

local driver, seen, search = ARGV[1], ARGV[2], ARGV[4]
local known = redis.call('HMGET', KEYS[1], 'search', 'as_of_us', 'seen_ms', 'at_ms', 'lat', 'lon', 'cell',
  'trip', 'told_ms')
local before, as_of = known[1] or '-', known[2]
local at, lat, lon, cell = known[4], known[5], known[6], known[7]
local trip = known[8] or ''

if search == '' then
  if not known[1] then return {'unknown', '', 0, 0} end
  search = before
elseif not as_of or tonumber(ARGV[5]) >= tonumber(as_of) then
  as_of, trip = ARGV[5], ARGV[10]
else  -- an older reading of Postgres that comes late must not undo a newer one
  search = before
end

local outcome = 'kept_out'
local jumped = 0
if ARGV[6] ~= '' and (not at or tonumber(ARGV[6]) >= tonumber(at)) then
  if at then
    local far = km(tonumber(lat), tonumber(lon), tonumber(ARGV[7]), tonumber(ARGV[8]))
    if far > JUMP_KM and far > JUMP_KM_PER_MS * (tonumber(ARGV[6]) - tonumber(at)) then jumped = 1 end
  end
  at, lat, lon, cell = ARGV[6], ARGV[7], ARGV[8], ARGV[9]
  outcome = 'live'
end
if known[3] and tonumber(known[3]) > tonumber(seen) then seen = known[3] end

redis.call('HSET', KEYS[1], 'search', search, 'as_of_us', as_of, 'seen_ms', seen, 'trip', trip)
if at then redis.call('HSET', KEYS[1], 'at_ms', at, 'lat', lat, 'lon', lon, 'cell', cell) end
redis.call('EXPIRE', KEYS[1], ARGV[3])

if before ~= '-' and before ~= search then
  redis.call('ZREM', 'drivers:cells:' .. before, driver)
  redis.call('HDEL', 'drivers:positions:' .. before, driver)
  redis.call('ZREM', KEYS[2], before .. '|' .. driver)
end
if search ~= '-' and at then
  local packed = struct.pack('<ddd', tonumber(lat), tonumber(lon), tonumber(seen)) .. lat .. ' ' .. lon
  redis.call('ZADD', 'drivers:cells:' .. search, cell, driver)
  redis.call('HSET', 'drivers:positions:' .. search, driver, packed)
  redis.call('ZADD', KEYS[2], seen, search .. '|' .. driver)
end
local tell = 0
if outcome == 'live' and trip ~= '' and tonumber(seen) >= tonumber(known[9] or 0) + tonumber(ARGV[11]) then
  redis.call('HSET', KEYS[1], 'told_ms', seen)
  tell = 1
end
return {outcome, trip, tell, jumped}
