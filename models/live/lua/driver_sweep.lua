-- Takes drivers who have been silent for too long out of the index; what is known of them, driver:{id},
-- stays for a while, so that the next word from them puts them back.
--
-- KEYS  1 drivers:heard   2 drivers:vehicles
-- ARGV  1 seen_before_ms (exclusive)   2 limit   3 seconds to live of driver:{id} from now on
-- returns how many left
--
-- A driver's key says which member of drivers:where:{vehicle} is theirs. If the key is gone the member stays
-- for driver_sweep_lost.lua.

local silent = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2])
for _, one in ipairs(silent) do
  local vehicle, driver = string.match(one, '^(.*)|([^|]*)$')
  local key, where = 'driver:' .. (driver or ''), 'drivers:where:' .. (vehicle or '')
  local known = redis.pcall('HMGET', key, 'place', 'seen_ms')
  -- What is none of ours, or has lost a half, must not keep the others in.
  if vehicle and known[1] and tonumber(known[2]) and #known[1] >= 16 then
    local member = string.sub(known[1], 1, 16) .. struct.pack('<d', tonumber(known[2])) .. driver
    redis.call('ZREM', where, member)
  elseif vehicle then
    redis.call('HSETNX', KEYS[2], vehicle, 0)
  end
  redis.call('EXPIRE', key, ARGV[3])
  redis.call('ZREM', KEYS[1], one)
  if vehicle and redis.call('EXISTS', where) == 0 then redis.call('HDEL', KEYS[2], vehicle) end
end
return #silent
