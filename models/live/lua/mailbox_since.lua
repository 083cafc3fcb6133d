-- What mailboxes have kept from certain ids on, for persons who are connected.
--
-- KEYS     for each person: the mailbox (stream), its state (hash)
-- ARGV[1]  seconds that a mailbox's state lives on
-- ARGV...  for each person: the first id that is wanted
-- returns  for each person {number of the newest opening, 0 if the state is lost, and the entries}

local found = {}
for person = 1, #KEYS / 2 do
  local mailbox, state = KEYS[2 * person - 1], KEYS[2 * person]
  local entries = redis.call('XRANGE', mailbox, ARGV[1 + person], '+')
  -- A person who stays connected keeps the numbering, however quiet it is.
  redis.call('EXPIRE', state, ARGV[1])
  found[person] = {tonumber(redis.call('HGET', state, 'holder') or 0), entries}
end
return found
