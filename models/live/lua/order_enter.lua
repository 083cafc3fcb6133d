-- Lets a customer begin an order: looks for the answer that its key has already, takes the lock, and
-- counts it among the orders of the last minute.
--
-- KEYS     lock (string), begun (list of times, newest first), and the answer under the key if there is one
-- ARGV     token, milliseconds that the lock lasts, length of the window (s), orders allowed in a window
--          (0: any number)
-- returns  the answer (a string), or 0 if the lock is taken now, -1 if somebody holds it, else in how many
--          seconds another order may begin

local answer = KEYS[3] and redis.call('GET', KEYS[3])
if answer then return answer end
if redis.call('EXISTS', KEYS[1]) == 1 then return -1 end
local allowed = tonumber(ARGV[4])
if allowed > 0 then
  local before = redis.call('LINDEX', KEYS[2], allowed - 1)
  -- Redis' own clock: those of the web processes' hosts may be half a minute apart.
  local time = redis.call('TIME')
  local now = time[1] + time[2] / 1000000
  local wait = before and math.ceil(tonumber(before) + tonumber(ARGV[3]) - now) or 0
  if wait > 0 then return wait end
  redis.call('LPUSH', KEYS[2], now)
  redis.call('LTRIM', KEYS[2], 0, allowed - 1)
  redis.call('EXPIRE', KEYS[2], ARGV[3])
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 0
