-- Takes drivers who have been silent for too long out of the index; their driver:{id} stays, so
-- that the next word from them puts them back.
--
-- KEYS  1 drivers:seen
-- ARGV  1 seen_before_ms (exclusive)   2 limit
-- returns how many left

local silent = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2])
for _, member in ipairs(silent) do
  local vehicle, driver = string.match(member, '^(.*)|([^|]*)$')
  local position = redis.call('HGET', 'drivers:positions:' .. vehicle, driver)
  if position then redis.call('ZREM', 'drivers:places:' .. vehicle, position .. driver) end
  redis.call('HDEL', 'drivers:positions:' .. vehicle, driver)
  redis.call('ZREM', KEYS[1], member)
end
return #silent
