-- Gives messages their ids, keeps them in their mailboxes and wakes the sockets of those concerned.
--
-- KEYS     two for each message: the mailbox (stream), its state (hash)
-- ARGV[1]  entries kept in a mailbox
-- ARGV[2]  seconds that both keys live
-- ARGV...  six for each message: 'keep' or 'pass', channel, type, body (a JSON object without id),
--          key ('' is never taken for a repetition), unless ('' for none)
-- returns  how many messages got an id
--
-- Ids follow the clock in microseconds and grow by at least 100 per person, so that they are never
-- used again after a FLUSHALL, stay below 2^53, and leave room between two for ids that cost nothing.

local STEP = 100
local KEYS_KNOWN, KEYS_LEFT = 400, 200

local limit, seconds = ARGV[1], ARGV[2]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

local function text(number)
  return string.format('%.0f', number)
end

-- A mailbox holds its newest entries only, so the newest keys are all that can still matter.
local function forget_old_keys(state)
  local fields, known = redis.call('HGETALL', state), {}
  for i = 1, #fields, 2 do
    if string.sub(fields[i], 1, 2) == 'k:' then
      known[#known + 1] = {fields[i], tonumber(fields[i + 1])}
    end
  end
  table.sort(known, function(a, b) return a[2] > b[2] end)
  for i = KEYS_LEFT + 1, #known do
    redis.call('HDEL', state, known[i][1])
  end
end

local given = 0
for i = 1, #KEYS / 2 do
  local mailbox, state = KEYS[2 * i - 1], KEYS[2 * i]
  local mode, channel, kind, body, key, unless = unpack(ARGV, 6 * i - 3, 6 * i + 2)
  local known = redis.call('HMGET', state, 'last', 'kept', 'k:' .. key, 'k:' .. unless)
  if not known[3] and not known[4] then
    local id = text(math.max(tonumber(known[1] or 0) + STEP, now))
    local previous = known[2] or '0'
    redis.call('HSET', state, 'last', id)
    if mode == 'keep' then
      redis.call('HSET', state, 'kept', id)
      redis.call('XADD', mailbox, 'MAXLEN', limit, id .. '-0', 'type', kind, 'key', key, 'body', body)
      redis.call('EXPIRE', mailbox, seconds)
    end
    if key ~= '' then
      redis.call('HSET', state, 'k:' .. key, id)
      if redis.call('HLEN', state) > KEYS_KNOWN then forget_old_keys(state) end
    end
    redis.call('EXPIRE', state, seconds)
    redis.call('PUBLISH', channel, table.concat({mode, previous, id, body}, ' '))
    given = given + 1
  end
end
return given
