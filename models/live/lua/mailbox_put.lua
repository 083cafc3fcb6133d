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
-- A message that ends an offer, by its key (`closed:` or `assigned:` and the offer), takes the offer's own message,
-- which has `closed:` and the offer as its unless, out of the mailbox.
--
-- A person's messages are published together, a line each: the JSON of a body has no line feed.
--
-- Ids follow the clock in microseconds and grow by at least 100 per person, so that they are never
-- used again after a FLUSHALL, stay below 2^53, and leave room between two for ids that cost nothing.

local STEP = 100
-- New keys between two checks of their age, or as many as there are.
local FEW_KEYS = 400
local PER_MESSAGE = 5
-- A mailbox lives on from the first message in each minute of the clock (us).
local MINUTE = 60 * 1000000

local call = redis.call
local seconds, again = ARGV[1], tonumber(ARGV[2])
local time = call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local minute = now - now % MINUTE

-- Those who get something in one run have few different ids between them.
local texts = {}
local function text(number)
  local known = texts[number]
  if not known then
    known = string.format('%.0f', number)
    texts[number] = known
  end
  return known
end

-- Ids are times, so the value of a key tells its age. Keys of what the mailbox still holds are kept.
local function forget_old_keys(state, mailbox)
  local before = now - again * 1000000
  local first = call('XRANGE', mailbox, '-', '+', 'COUNT', 1)[1]
  if first then before = math.min(before, tonumber(string.match(first[1], '^%d+'))) end
  local fields, left = call('HGETALL', state), 0
  for i = 1, #fields, 2 do
    local kind = string.sub(fields[i], 1, 2)
    if kind == 'k:' or kind == 'o:' then
      if tonumber(fields[i + 1]) < before then
        call('HDEL', state, fields[i])
      else
        left = left + 1
      end
    end
  end
  call('HSET', state, 'look', math.max(FEW_KEYS, left))
end

-- The field that tells the id of the message of an offer that a message of this key ends, if it ends one.
local function ended_by(key)
  local kind, offer = string.match(key, '^(%a+):(.*)$')
  return (kind == 'closed' or kind == 'assigned') and 'o:closed:' .. offer
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
    local offer = ended_by(ARGV[at + 3])
    if offer then
      names = names + 1
      asked[names] = offer
    end
  end
  local values = call('HMGET', state, unpack(asked))
  local last, kept = tonumber(values[1] or 0), values[2] or '0'
  local last_before, kept_before, keeps = last, tonumber(kept), false
  local taken, lines, name = {}, {}, 3
  local changed, size = {'HSET', state, 'last', '', 'kept', '', 'look', ''}, 8
  for at = first, last_at, PER_MESSAGE do
    local key, known
    if ARGV[at + 3] ~= '' then
      name = name + 1
      key = asked[name]
      known = values[name] or taken[key]
    end
    if ARGV[at + 4] ~= '' then
      name = name + 1
      known = known or values[name] or taken[asked[name]]
    end
    if ended_by(ARGV[at + 3]) then
      name = name + 1
      local offer = values[name] or taken[asked[name]]
      if offer then call('XDEL', mailbox, offer .. '-0') end
    end
    if not known then
      last = math.max(last + STEP, now)
      local id, mode, body = text(last), ARGV[at], ARGV[at + 2]
      lines[#lines + 1] = mode .. ' ' .. kept .. ' ' .. id .. ' ' .. body
      if mode == 'keep' then
        call('XADD', mailbox, 'MAXLEN', limit, id .. '-0',
          'type', ARGV[at + 1], 'key', ARGV[at + 3], 'body', body)
        kept, keeps = id, true
        if ARGV[at + 4] ~= '' then
          local offer = 'o:' .. ARGV[at + 4]
          changed[size + 1], changed[size + 2] = offer, id
          size = size + 2
          taken[offer] = id
        end
      end
      if key then
        changed[size + 1], changed[size + 2] = key, id
        size = size + 2
        taken[key] = id
      end
    end
  end
  if #lines == 0 then return 0 end
  local look = (values[3] or FEW_KEYS) - (size - 8) / 2
  changed[4], changed[6], changed[8] = text(last), kept, look
  call(unpack(changed))
  if look <= 0 then forget_old_keys(state, mailbox) end
  if keeps and kept_before < minute then
    call('XTRIM', mailbox, 'MINID', '~', text(now - seconds * 1000000))
    call('EXPIRE', mailbox, seconds)
  end
  if last_before < minute then call('EXPIRE', state, seconds) end
  call('PUBLISH', channel, #lines == 1 and lines[1] or table.concat(lines, '\n'))
  return #lines
end

local given, at = 0, 3
for i = 1, #KEYS, 2 do
  local count = tonumber(ARGV[at + 2])
  given = given + put(KEYS[i], KEYS[i + 1], ARGV[at], ARGV[at + 1], at + 3, count)
  at = at + 3 + count * PER_MESSAGE
end
return given
