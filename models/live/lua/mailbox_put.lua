-- Gives messages their ids, keeps them in their mailboxes and wakes the sockets of those concerned.
--
-- KEYS     two for each message: the mailbox (stream), its state (hash)
-- ARGV[1]  seconds that both keys and every entry live
-- ARGV[2]  seconds in which the same message may be put again
-- ARGV...  seven for each message: 'keep' or 'pass', channel, type, body (a JSON object without id),
--          key ('' is never taken for a repetition), unless ('' for none), entries its mailbox keeps
-- returns  how many messages got an id
--
-- Ids follow the clock in microseconds and grow by at least 100 per person, so that they are never
-- used again after a FLUSHALL, stay below 2^53, and leave room between two for ids that cost nothing.

local STEP = 100
-- So many keys are kept without a look at their age.
local FEW_KEYS = 400

local seconds, again = ARGV[1], tonumber(ARGV[2])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

local function text(number)
  return string.format('%.0f', number)
end

-- Ids are times, so the value of a key tells its age. Keys of what the mailbox still holds are kept.
-- Looked at again when there are twice as many, so that it costs little for each message.
local function forget_old_keys(state, mailbox)
  local before = now - again * 1000000
  local first = redis.call('XRANGE', mailbox, '-', '+', 'COUNT', 1)[1]
  if first then before = math.min(before, tonumber(string.match(first[1], '^%d+'))) end
  local fields, left = redis.call('HGETALL', state), 0
  for i = 1, #fields, 2 do
    if string.sub(fields[i], 1, 2) == 'k:' then
      if tonumber(fields[i + 1]) < before then
        redis.call('HDEL', state, fields[i])
      else
        left = left + 1
      end
    end
  end
  redis.call('HSET', state, 'look', math.max(FEW_KEYS, 2 * left))
end

local given = 0
for i = 1, #KEYS / 2 do
  local mailbox, state = KEYS[2 * i - 1], KEYS[2 * i]
  local mode, channel, kind, body, key, unless, limit = unpack(ARGV, 7 * i - 4, 7 * i + 2)
  local known = redis.call('HMGET', state, 'last', 'kept', 'k:' .. key, 'k:' .. unless, 'look')
  if not known[3] and not known[4] then
    local id = text(math.max(tonumber(known[1] or 0) + STEP, now))
    local previous = known[2] or '0'
    local fields = {'last', id}
    if mode == 'keep' then
      fields[3], fields[4] = 'kept', id
      redis.call('XADD', mailbox, 'MAXLEN', limit, id .. '-0', 'type', kind, 'key', key, 'body', body)
      redis.call('XTRIM', mailbox, 'MINID', '~', text(now - seconds * 1000000))
      redis.call('EXPIRE', mailbox, seconds)
    end
    if key ~= '' then
      fields[#fields + 1], fields[#fields + 2] = 'k:' .. key, id
    end
    redis.call('HSET', state, unpack(fields))
    if key ~= '' and redis.call('HLEN', state) > tonumber(known[5] or FEW_KEYS) then
      forget_old_keys(state, mailbox)
    end
    redis.call('EXPIRE', state, seconds)
    redis.call('PUBLISH', channel, table.concat({mode, previous, id, body}, ' '))
    given = given + 1
  end
end
return given
