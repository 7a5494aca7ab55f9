-- One batch: all of it or nothing, once. What can fail for reasons from outside (memory, a replica, a right) fails at
-- the first write, before anything is written.
-- ARGV: epoch if there is none, node, number, how many topics; for each topic its name, events, bytes, and age in
-- microseconds; for each entry a letter with the topic's number, and what its letter wants.
local node, number = ns .. 'node:' .. ARGV[2], tonumber(ARGV[3])
local done = call('GET', node)
if done then
  local newest = tonumber(string.match(done, '^%d+'))
  if newest == number then
    return string.sub(done, string.find(done, ' ', 1, true) + 1)
  elseif newest > number then
    return 'superseded'
  end
end

local epoch, last = open(ARGV[1])
local now = clock()
local count = tonumber(ARGV[4])
local topics, names = {}, {}
for i = 1, count do
  local at = 1 + i * 4
  names[i] = ARGV[at]
  topics[i] = {
    name = ARGV[at], stream = ns .. 's:' .. ARGV[at], events = ARGV[at + 1],
    bytes = tonumber(ARGV[at + 2]), age = tonumber(ARGV[at + 3]),
  }
end
-- As many at once as Lua's stack takes for sure.
for from = 1, count, 1000 do
  local to = math.min(from + 999, count)
  local heads = call('HMGET', ns .. 'head', unpack(names, from, to))
  for i = from, to do
    local t, head = topics[i], heads[i - from + 1]
    if head then
      t.newest, t.completed, t.disconnected, t.claimed, t.holder, t.stored, t.stays, t.last =
        string.match(head, '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$')
      t.stored, t.stays = tonumber(t.stored), tonumber(t.stays)
    else
      t.newest, t.completed, t.disconnected, t.claimed, t.holder = '0', '0', '0', '0', '0'
      t.stored, t.stays, t.last = 0, 0, '0'
    end
  end
end

-- What follows each other in one topic goes out as one message.
local parts, parted = {}, nil
local function publish()
  if parted then
    call('PUBLISH', ns .. 'c:' .. parted.name, table.concat(parts))
    parts, parted = {}, nil
  end
end
local function say(t, head, body)
  if parted ~= t then
    publish()
    parts[1], parted = epoch .. '\n', t
  end
  parts[#parts + 1] = head
  if body then
    parts[#parts + 1] = body
  end
end

-- The oldest events go until the bodies are within what is kept, and only once a quarter is over, so that most appends look at none.
local function trim(t)
  local kept, till, oldest = 0, '+', nil
  repeat
    local some = call('XREVRANGE', t.stream, till, '-', 'COUNT', 16)
    for _, entry in ipairs(some) do
      local fields = entry[2]
      if oldest and kept + #fields[4] > t.bytes then
        call('XTRIM', t.stream, 'MINID', oldest)
        t.stored = kept
        return
      end
      kept, oldest, till = kept + #fields[4], entry[1], '(' .. entry[1]
    end
  until #some < 16
  t.stored = kept
end

local function add(t, id, ...)
  local made = redis.pcall('XADD', t.stream, 'MAXLEN', '~', t.events, id, ...)
  if type(made) == 'table' and made.err then
    -- Something of another life is in the way: later ids after the rest was lost, or a key of somebody else. Only then.
    if string.find(made.err, 'equal or smaller', 1, true) or string.find(made.err, 'WRONGTYPE', 1, true) then
      call('DEL', t.stream)
      t.stays, t.stored = 0, 0
    end
    call('XADD', t.stream, id, ...)
  end
end

local answers, kinds = {}, nil
local at, entries = 5 + count * 4, 0
local changed = {}
while ARGV[at] do
  local letter, t = string.sub(ARGV[at], 1, 1), topics[tonumber(string.sub(ARGV[at], 2))]
  at, entries = at + 1, entries + 1
  local body, once, key, before
  if letter == 'E' or letter == 'O' then
    body, at = ARGV[at], at + 1
    if letter == 'O' then
      once, at = ARGV[at], at + 1
      key = ns .. 'once:' .. #t.name .. ':' .. t.name .. ':' .. once
      before = call('GET', key)
    end
  end
  if before then
    answers[entries] = 'R' .. before
  elseif t and t.completed ~= '0' and (body or letter == 'C') then
    answers[entries] = 'C'
  else
    last = math.max(last + 1, now)
    local position = text(last)
    answers[entries] = 'S' .. position
    if letter == 'Q' then
      local kind, id, head = ARGV[at], ARGV[at + 1], ARGV[at + 2]
      local nth = call('HINCRBY', ns .. 'q:kinds', kind, 1)
      call('XADD', ns .. 'q:s:' .. kind, position, 'n', nth, 'i', id, 'h', head, 'b', ARGV[at + 3])
      at, kinds = at + 4, true
    else
      t.last = position
      changed[t] = true
      local previous = t.newest
      if body then
        if once then
          add(t, position, 'p', previous, 'b', body, 'o', once)
          -- Known for an hour after the event went, which it does a quarter of its age too late.
          call('SET', key, position, 'PX', text(math.ceil(t.age * 1.25 / 1000) + 3661000))
          say(t, 'O ' .. position .. ' ' .. previous .. ' ' .. #body .. ' ' .. #once .. '\n', body)
          parts[#parts + 1] = once
        else
          add(t, position, 'p', previous, 'b', body)
          say(t, 'E ' .. position .. ' ' .. previous .. ' ' .. #body .. '\n', body)
        end
        t.newest, t.stored = position, t.stored + #body
        if t.stored > t.bytes * 1.25 then
          trim(t)
        end
        if t.stays < now + t.age then
          t.stays = now + math.ceil(t.age * 1.25) + 1000000
          -- What goes on and on drops its old part here, what ends is gone by itself.
          call('XTRIM', t.stream, 'MINID', text(math.max(now - t.age, 0)))
          call('PEXPIREAT', t.stream, text(math.ceil(t.stays / 1000)))
          t.ends = true
        end
      elseif letter == 'C' then
        t.completed = position
      elseif letter == 'F' then
        call('DEL', t.stream)
        t.completed, t.stored, t.stays = '0', 0, 0
      elseif letter == 'D' then
        t.disconnected = position
      else
        t.claimed, t.holder, at = position, ARGV[at], at + 1
      end
      if not body then
        t.ends = true
        say(t, letter .. ' ' .. position .. ' ' .. previous .. ' ' .. t.holder .. '\n')
      end
    end
  end
end
publish()

local fields, scores, ends = {}, {}, {}
local function write()
  if #fields > 0 then
    call('HSET', ns .. 'head', unpack(fields))
    call('ZADD', ns .. 'heads', unpack(scores))
    fields, scores = {}, {}
  end
  if #ends > 0 then
    call('ZADD', ns .. 'ends', 'GT', unpack(ends))
    ends = {}
  end
end
for t in pairs(changed) do
  local n = #fields
  fields[n + 1] = t.name
  fields[n + 2] = table.concat({
    t.newest, t.completed, t.disconnected, t.claimed, t.holder, text(t.stored), text(t.stays), t.last,
  }, ' ')
  scores[n + 1], scores[n + 2] = t.last, t.name
  if t.ends then
    ends[#ends + 1] = text(now + math.ceil(t.age * 2.5) + 660000000)
    ends[#ends + 1] = t.name
  end
  if n > 1000 then
    write()
  end
end
write()

local answer = epoch .. ' ' .. table.concat(answers, ' ')
call('HSET', KEYS[1], 'last', text(last))
call('SET', node, ARGV[3] .. ' ' .. answer, 'PX', 3600000)
if kinds then
  call('PUBLISH', ns .. 'b', '')
end
if number % 16 == 0 then
  sweep(now)
end
return answer
