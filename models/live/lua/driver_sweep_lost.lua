-- Looks at the next drivers of one vehicle, and removes those that have been silent for too long:
-- members that no key leads to any more, since each names its driver and when they were heard of.
--
-- KEYS  1 drivers:where:{vehicle}   2 drivers:vehicles
-- ARGV  1 vehicle   2 seen_before_ms (exclusive)   3 about how many to look at
-- returns {how many left, 1 if all have been looked at}
--
-- drivers:vehicles says how far the run before has come.

local cursor = redis.call('HGET', KEYS[2], ARGV[1]) or '0'
local scanned = redis.call('ZSCAN', KEYS[1], cursor, 'COUNT', ARGV[3])
local members, before, lost = scanned[2], tonumber(ARGV[2]), {}
for i = 1, #members, 2 do
  if struct.unpack('<d', members[i], 17) < before then lost[#lost + 1] = members[i] end
end
for i = 1, #lost do redis.call('ZREM', KEYS[1], lost[i]) end
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('HDEL', KEYS[2], ARGV[1])
  return {#lost, 1}
end
redis.call('HSET', KEYS[2], ARGV[1], scanned[1])
return {#lost, scanned[1] == '0' and 1 or 0}
