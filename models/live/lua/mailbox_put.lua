-- Gives messages their ids, keeps them in their mailboxes and wakes the sockets of those concerned.
--
-- KEYS     two for each person: the mailbox (stream), its state (hash)
-- ARGV[1]  seconds that both keys and every entry live, to a minute
-- ARGV[2]  seconds in which the same message may be put again
-- ARGV...  for each person the channel, how many entries the mailbox keeps, and how many messages follow;
--          five for each of those: 'keep' or 'pass', type, body (a JSON object without id), key ('' is
--          never taken for a repetition), unless ('' for none)
-- returns  how many messages got an id
--
-- A person's messages are published together, a line each: the JSON of a body has no line feed.
--
-- Ids follow the clock in microseconds and grow by at least 100 per person, so that they are never
-- used again after a FLUSHALL, stay below 2^53, and leave room between two for ids that cost nothing.

local STEP = 100
-- So many keys are kept without a look at their age.
local FEW_KEYS = 400
local PER_MESSAGE = 5
-- So often the age of a mailbox is seen to (us).
local RENEWED = 60 * 1000000

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

-- Puts what one mailbox gets, read once and written once however many messages that is; `first` is where
-- they begin in ARGV.
local function put(mailbox, state, channel, limit, first, count)
  local asked, names = {'last', 'kept', 'look'}, 3
  local last_at = first + (count - 1) * PER_MESSAGE
  for at = first, last_at, PER_MESSAGE do
    for each = at + 3, at + 4 do
      if ARGV[each] ~= '' then
        names = names + 1
        asked[names] = 'k:' .. ARGV[each]
      end
    end
  end
  local values = redis.call('HMGET', state, unpack(asked))
  local taken = {}
  for i = 4, names do taken[asked[i]] = values[i] end
  local last, kept, keeps, lines, fields = tonumber(values[1] or 0), values[2] or '0', false, {}, {}
  local last_before, kept_before = last, tonumber(kept)
  for at = first, last_at, PER_MESSAGE do
    local key, unless = 'k:' .. ARGV[at + 3], 'k:' .. ARGV[at + 4]
    if not taken[key] and not taken[unless] then
      last = math.max(last + STEP, now)
      local id, mode, body = text(last), ARGV[at], ARGV[at + 2]
      lines[#lines + 1] = mode .. ' ' .. kept .. ' ' .. id .. ' ' .. body
      if mode == 'keep' then
        redis.call('XADD', mailbox, 'MAXLEN', limit, id .. '-0',
          'type', ARGV[at + 1], 'key', ARGV[at + 3], 'body', body)
        kept, keeps = id, true
      end
      if key ~= 'k:' then
        fields[#fields + 1], fields[#fields + 2] = key, id
        taken[key] = id
      end
    end
  end
  if #lines == 0 then return 0 end
  redis.call('HSET', state, 'last', text(last), 'kept', kept, unpack(fields))
  if #fields > 0 and redis.call('HLEN', state) > tonumber(values[3] or FEW_KEYS) then
    forget_old_keys(state, mailbox)
  end
  if keeps and kept_before < now - RENEWED then
    redis.call('XTRIM', mailbox, 'MINID', '~', text(now - seconds * 1000000))
    redis.call('EXPIRE', mailbox, seconds)
  end
  if last_before < now - RENEWED then redis.call('EXPIRE', state, seconds) end
  redis.call('PUBLISH', channel, table.concat(lines, '\n'))
  return #lines
end

local given, at = 0, 3
for i = 1, #KEYS, 2 do
  local count = tonumber(ARGV[at + 2])
  given = given + put(KEYS[i], KEYS[i + 1], ARGV[at], ARGV[at + 1], at + 3, count)
  at = at + 3 + count * PER_MESSAGE
end
return given
