-- Removes what a person has acknowledged: this id and everything before it.
--
-- KEYS     the mailbox (stream), its state (hash)
-- ARGV[1]  the id, taken as the last one given if it lies beyond
-- ARGV[2]  seconds that both keys live
-- returns  how many entries were removed

local fields = redis.call('HMGET', KEYS[2], 'last', 'acknowledged')
local upto = math.min(tonumber(ARGV[1]), tonumber(fields[1] or 0))
if upto <= tonumber(fields[2] or 0) then return 0 end

redis.call('HSET', KEYS[2], 'acknowledged', string.format('%.0f', upto))
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[2])
return redis.call('XTRIM', KEYS[1], 'MINID', string.format('%.0f', upto + 1))
