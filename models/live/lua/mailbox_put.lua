-- Gives messages their ids, keeps them in their mailboxes and wakes the sockets of those concerned.
--
-- KEYS     two for each message: the mailbox (stream), its state (hash)
-- ARGV[1]  seconds that both keys and every entry live
-- ARGV[2]  seconds in which the same message may be put again
-- ARGV...  seven for each message: 'keep' or 'pass', channel, type, body (a JSON object without id),
--          key ('' is never taken for a repetition), unless ('' for none), entries its mailbox keeps
-- returns  how many messages got an id
--
-- A person's messages are published together, a line each: the JSON of a body has no line feed.
--
-- Ids follow the clock in microseconds and grow by at least 100 per person, so that they are never
-- used again after a FLUSHALL, stay below 2^53, and leave room between two for ids that cost nothing.

local STEP = 100
-- So many keys are kept without a look at their age.
local FEW_KEYS = 400
-- So many messages of one person are put at a time: a command takes a limited number of arguments.
local FEW_MESSAGES = 500

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

local boxes, order = {}, {}
for i = 1, #KEYS / 2 do
  local state = KEYS[2 * i]
  local box = boxes[state]
  if not box or #box.messages == FEW_MESSAGES then
    box = {mailbox = KEYS[2 * i - 1], state = state, messages = {}}
    boxes[state], order[#order + 1] = box, box
  end
  box.messages[#box.messages + 1] = 7 * i - 4
end

-- Puts what a mailbox gets; it is read once and written once, however many messages that is.
local function put(box)
  local state, keys = box.state, {'last', 'kept', 'look'}
  for _, at in ipairs(box.messages) do
    keys[#keys + 1], keys[#keys + 2] = 'k:' .. ARGV[at + 4], 'k:' .. ARGV[at + 5]
  end
  local values = redis.call('HMGET', state, unpack(keys))
  local taken = {}
  for j = 4, #keys do taken[keys[j]] = values[j] end
  local last, kept, keyed, lines, fields = tonumber(values[1] or 0), values[2] or '0', false, {}, {}
  for _, at in ipairs(box.messages) do
    local mode, channel, kind, body, key, unless, limit = unpack(ARGV, at, at + 6)
    if not taken['k:' .. key] and not taken['k:' .. unless] then
      last = math.max(last + STEP, now)
      local id = text(last)
      lines[#lines + 1] = table.concat({mode, kept, id, body}, ' ')
      box.channel = channel
      if mode == 'keep' then
        kept, box.kept = id, true
        redis.call('XADD', box.mailbox, 'MAXLEN', limit, id .. '-0', 'type', kind, 'key', key, 'body', body)
      end
      if key ~= '' then
        fields[#fields + 1], fields[#fields + 2], keyed = 'k:' .. key, id, true
        taken['k:' .. key] = id
      end
    end
  end
  if #lines == 0 then return 0 end
  redis.call('HSET', state, 'last', text(last), 'kept', kept, unpack(fields))
  if keyed and redis.call('HLEN', state) > tonumber(values[3] or FEW_KEYS) then
    forget_old_keys(state, box.mailbox)
  end
  if box.kept then
    redis.call('XTRIM', box.mailbox, 'MINID', '~', text(now - seconds * 1000000))
    redis.call('EXPIRE', box.mailbox, seconds)
  end
  redis.call('EXPIRE', state, seconds)
  redis.call('PUBLISH', box.channel, table.concat(lines, '\n'))
  return #lines
end

local given = 0
for _, box in ipairs(order) do given = given + put(box) end
return given
