-- In front of every script of the queue. Positions and due times are text in keys and members, times are in microseconds.
local MOST_HELD = 10000
local MOST_LETTERS = 10000

local function due_key(listener, kind)
  return ns .. 'q:due:' .. #listener .. ':' .. listener .. ':' .. kind
end

local function held_at(listener, position)
  local row = call('HGET', ns .. 'q:held:' .. listener, position)
  return row and cmsgpack.unpack(row)
end

local function put(listener, position, held)
  call('HSET', ns .. 'q:held:' .. listener, position, cmsgpack.pack(held))
end

-- A node begins to run something, or ends.
local function runs(listener, position, owner, by)
  local key, item = ns .. 'q:run:' .. listener, position .. ' ' .. listener
  if call('HINCRBY', key, owner, by) <= 0 then
    call('HDEL', key, owner)
  end
  call(by > 0 and 'SADD' or 'SREM', ns .. 'q:own:' .. owner, item)
end

-- What runs waits from now on.
local function wait(listener, position, held, due)
  if held.owner ~= '' then
    runs(listener, position, held.owner, -1)
    held.owner = ''
  end
  held.due = due
  call('ZADD', due_key(listener, held.kind), text(due), position)
  put(listener, position, held)
end

-- It is held no more.
local function let_go(listener, position, held)
  if held.owner ~= '' then
    runs(listener, position, held.owner, -1)
  else
    call('ZREM', due_key(listener, held.kind), position)
  end
  call('HDEL', ns .. 'q:held:' .. listener, position)
  call('ZREM', ns .. 'q:order:' .. listener, position)
end

-- Id, head and body of an event, from the log or from what a letter brought back.
local function event_of(kind, position, own)
  if own then
    return own[1], own[2], own[3]
  end
  local entry = call('XRANGE', ns .. 'q:s:' .. kind, position, position)[1]
  if entry then
    return entry[2][4], entry[2][6], entry[2][8]
  end
end

local function drop_letter(listener, id)
  call('HDEL', ns .. 'q:letter:' .. listener, id)
  return call('ZREM', ns .. 'q:dead:' .. listener, id)
end

-- A dead letter, with its event.
local function bury(listener, position, held, reason, now)
  local id, head, body = event_of(held.kind, position, held.own)
  if not id then
    return
  end
  local dead = ns .. 'q:dead:' .. listener
  local number = call('HINCRBY', ns .. 'q:letters', listener, 1)
  call('ZADD', dead, number, number)
  call('HSET', ns .. 'q:letter:' .. listener, number, cmsgpack.pack({
    position = position, at = now, kind = held.kind, own = { id, head, body }, reason = reason,
    failures = held.failures, losses = held.losses, errors = held.errors,
  }))
  if call('ZCARD', dead) > MOST_LETTERS then
    drop_letter(listener, call('ZRANGE', dead, 0, 0)[1])
  end
end

-- Where a listener goes on with a kind, and how many events of that kind came before.
local function cursor(listener, kind)
  local lane = call('HGET', ns .. 'q:lane:' .. listener, kind)
  if lane then
    return string.match(lane, '^(%d+) (%d+)$')
  end
  -- Of a version that was not there yet when the listener was registered: from then on, which is all of it.
  local since = call('HGET', ns .. 'q:hears:' .. listener, string.match(kind, '^%d+:(.*)$'))
  return since, '0'
end

local function state_of(listener)
  local row = call('HGET', ns .. 'q:listeners', listener)
  if row then
    return string.match(row, '^(%a) (%d+)$')
  end
end

local function set_state(listener, state, seen)
  call('HSET', ns .. 'q:listeners', listener, state .. ' ' .. seen)
end

local function retire(listener, seen)
  for _, position in ipairs(call('ZRANGE', ns .. 'q:order:' .. listener, 0, -1)) do
    local held = held_at(listener, position)
    if held then
      let_go(listener, position, held)
    end
  end
  call('DEL', ns .. 'q:hears:' .. listener, ns .. 'q:lane:' .. listener)
  set_state(listener, 'R', seen)
end

local function ring()
  call('PUBLISH', ns .. 'b', '')
end

-- What a node owns, some of it.
local function owned(node, most)
  local items = {}
  for i, item in ipairs(call('SRANDMEMBER', ns .. 'q:own:' .. node, most)) do
    local position, listener = string.match(item, '^(%d+) (.*)$')
    items[i] = { position = position, listener = listener, held = held_at(listener, position) }
    if not items[i].held then
      call('SREM', ns .. 'q:own:' .. node, item)
    end
  end
  return items
end
