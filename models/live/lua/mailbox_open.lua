-- Opens a mailbox for a new socket: takes what its person has seen as acknowledged, and tells any
-- older socket of the same person, in any process, that it has been replaced.
--
-- KEYS     the mailbox (stream), its state (hash)
-- ARGV[1]  the last id the person has seen, '' if unknown
-- ARGV[2]  the person's channel
-- ARGV[3]  seconds that both keys live, and every entry: older ones are not sent any more
-- returns  {id for the `connected` message, number of this opening, last id kept, entries}
--
-- The `connected` id comes before every entry and after what was acknowledged. Ids are 100 apart,
-- so up to 49 openings in front of the same entry have different ones.

local STEP, ROOM = 100, 50

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

local function text(number)
  return string.format('%.0f', number)
end

local fields = redis.call('HMGET', KEYS[2], 'last', 'kept', 'acknowledged', 'holder', 'waiting', 'resumes')
local last, kept = tonumber(fields[1] or 0), tonumber(fields[2] or 0)
local acknowledged, holder = tonumber(fields[3] or 0), tonumber(fields[4] or 0)

local seen = math.min(tonumber(ARGV[1]) or 0, last)
if seen > acknowledged then
  acknowledged = seen
  redis.call('XTRIM', KEYS[1], 'MINID', text(seen + 1))
end

redis.call('XTRIM', KEYS[1], 'MINID', text(now - ARGV[3] * 1000000))
local entries = redis.call('XRANGE', KEYS[1], '-', '+')
local connected, waiting, resumes = 0, 0, 0
if #entries > 0 then
  waiting = tonumber(string.match(entries[1][1], '^%d+'))
  if waiting == tonumber(fields[5] or 0) then
    resumes = math.min(tonumber(fields[6]) + 1, ROOM - 2)
  end
  connected = math.max(waiting - ROOM + resumes, acknowledged + 1)
else
  connected = math.max(last + STEP, now)
  last = connected
end
holder = math.max(holder + 1, now)

redis.call('HSET', KEYS[2], 'last', text(last), 'acknowledged', text(acknowledged), 'holder', text(holder),
  'waiting', text(waiting), 'resumes', resumes)
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('EXPIRE', KEYS[2], ARGV[3])
redis.call('PUBLISH', ARGV[2], 'replaced ' .. text(holder))
return {connected, holder, kept, entries}
