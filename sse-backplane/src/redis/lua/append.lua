-- One batch: all of it or nothing, once. What can fail for reasons from outside (memory, a replica, a right) fails at
-- the first write, before anything is written. Parallel arrays instead of a table for each topic: that is most of what it costs.
-- ARGV: epoch if there is none, node, number, how many settings, how many topics; for each settings events, bytes, and age in
-- microseconds; for each topic its name and the number of its settings; for each entry the topic's number, after a letter unless it
-- is an event, and what its letter wants.
-- Answers the epoch, the position of the first that was stored, and for each entry S, the position behind the one before; R with a
-- position; or C.
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
local now, settings, count = clock(), tonumber(ARGV[4]), tonumber(ARGV[5])
local most, weighs, lives, keeps = {}, {}, {}, {}
for i = 1, settings do
  local at = 3 + i * 3
  most[i], weighs[i], lives[i] = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
end
local at = 6 + settings * 3
local names, streams, newest, completed, stored, stays, lasts, rest = {}, {}, {}, {}, {}, {}, {}, {}
local ends, changed = {}, {}
for i = 1, count do
  local name = ARGV[at]
  names[i], streams[i], keeps[i] = name, ns .. 's:' .. name, tonumber(ARGV[at + 1])
  at = at + 2
end
-- As many at once as Lua's stack takes for sure.
for from = 1, count, 1000 do
  local to = math.min(from + 999, count)
  local heads = call('HMGET', ns .. 'head', unpack(names, from, to))
  for i = from, to do
    local head, kept, till = heads[i - from + 1], nil, nil
    if head then
      newest[i], lasts[i], completed[i], kept, till, rest[i] = string.match(head, '^(%d+) (%d+) (%d+) (%d+) (%d+) (.*)$')
      stored[i], stays[i] = tonumber(kept), tonumber(till)
    else
      newest[i], lasts[i], completed[i], stored[i], stays[i], rest[i] = '0', '0', '0', 0, 0, '0 0 0'
    end
  end
end

-- What follows each other in one topic goes out as one message.
local message, parts, parted = nil, nil, nil
local function publish()
  call('PUBLISH', ns .. 'c:' .. names[parted], parts and table.concat(parts) or message)
  message, parts, parted = nil, nil, nil
end
local function say(t, record)
  if parted == t then
    parts = parts or { message }
    parts[#parts + 1] = record
  else
    if parted then
      publish()
    end
    message, parted = epoch .. '\n' .. record, t
  end
end

-- The oldest events go until the bodies are within what is kept, and only once a quarter is over, so that most appends look at none.
local function trim(t, bytes)
  local kept, till, oldest, some = 0, '+', nil, nil
  repeat
    some = call('XREVRANGE', streams[t], till, '-', 'COUNT', 16)
    for _, entry in ipairs(some) do
      local fields = entry[2]
      if oldest and kept + #fields[4] > bytes then
        call('XTRIM', streams[t], 'MINID', oldest)
        stored[t] = kept
        return
      end
      kept, oldest, till = kept + #fields[4], entry[1], '(' .. entry[1]
    end
  until #some < 16
  stored[t] = kept
end

-- Something of another life is in the way: later ids after the rest was lost, or a key of somebody else. Only then it goes.
local function add_again(t, failed, id, ...)
  if string.find(failed, 'equal or smaller', 1, true) or string.find(failed, 'WRONGTYPE', 1, true) then
    call('DEL', streams[t])
    stays[t], stored[t] = 0, 0
  end
  call('XADD', streams[t], id, ...)
end

local answers, kinds = {}, nil
local entries, first = 0, nil
while ARGV[at] do
  local letter, t = 'E', tonumber(ARGV[at])
  if not t then
    letter, t = string.sub(ARGV[at], 1, 1), tonumber(string.sub(ARGV[at], 2))
  end
  at, entries = at + 1, entries + 1
  local body, once, key, before
  if letter == 'E' then
    body, at = ARGV[at], at + 1
  elseif letter == 'O' then
    body, once, at = ARGV[at], ARGV[at + 1], at + 2
    key = ns .. 'once:' .. #names[t] .. ':' .. names[t] .. ':' .. once
    before = call('GET', key)
  end
  if before then
    answers[entries] = 'R' .. before .. ';'
  elseif (body or letter == 'C') and completed[t] ~= '0' then
    answers[entries] = 'C'
  else
    last = last + 1
    if last < now then
      last = now
    end
    local position = text(last)
    first = first or position
    answers[entries] = 'S'
    if body then
      local previous, size, keep, made = newest[t], #body, keeps[t], nil
      local events, bytes, age = most[keep], weighs[keep], lives[keep]
      if once then
        made = redis.pcall('XADD', streams[t], 'MAXLEN', '~', events, position, 'p', previous, 'b', body, 'o', once)
        if type(made) == 'table' then
          add_again(t, made.err, position, 'p', previous, 'b', body, 'o', once)
        end
        -- Known for an hour after the event went, which it does a quarter of its age too late.
        call('SET', key, position, 'PX', text(math.ceil(age * 1.25 / 1000) + 3661000))
        say(t, 'O ' .. position .. ' ' .. previous .. ' ' .. size .. ' ' .. #once .. '\n' .. body .. once)
      else
        made = redis.pcall('XADD', streams[t], 'MAXLEN', '~', events, position, 'p', previous, 'b', body)
        if type(made) == 'table' then
          add_again(t, made.err, position, 'p', previous, 'b', body)
        end
        say(t, 'E ' .. position .. ' ' .. previous .. ' ' .. size .. '\n' .. body)
      end
      newest[t], stored[t] = position, stored[t] + size
      if stored[t] > bytes * 1.25 then
        trim(t, bytes)
      end
      if stays[t] < now + age then
        stays[t] = now + math.ceil(age * 1.25) + 1000000
        -- What goes on and on drops its old part here, what ends is gone by itself.
        call('XTRIM', streams[t], 'MINID', text(math.max(now - age, 0)))
        call('PEXPIREAT', streams[t], text(math.ceil(stays[t] / 1000)))
        ends[t] = true
      end
      lasts[t], changed[t] = position, true
    elseif letter == 'Q' then
      local kind, id, head = ARGV[at], ARGV[at + 1], ARGV[at + 2]
      local nth = call('HINCRBY', ns .. 'q:kinds', kind, 1)
      call('XADD', ns .. 'q:s:' .. kind, position, 'n', nth, 'i', id, 'h', head, 'b', ARGV[at + 3])
      at, kinds = at + 4, true
    else
      local disconnected, claimed, holder = string.match(rest[t], '^(%d+) (%d+) (%d+)$')
      if letter == 'C' then
        completed[t] = position
      elseif letter == 'F' then
        call('DEL', streams[t])
        completed[t], stored[t], stays[t] = '0', 0, 0
      elseif letter == 'D' then
        disconnected = position
      else
        claimed, holder, at = position, ARGV[at], at + 1
      end
      rest[t] = disconnected .. ' ' .. claimed .. ' ' .. holder
      say(t, letter .. ' ' .. position .. ' ' .. newest[t] .. ' ' .. holder .. '\n')
      lasts[t], changed[t], ends[t] = position, true, true
    end
  end
end
if parted then
  publish()
end

local fields, scores, goes = {}, {}, {}
for t = 1, count do
  if changed[t] then
    local n = #fields
    fields[n + 1] = names[t]
    fields[n + 2] = newest[t] .. ' ' .. lasts[t] .. ' ' .. completed[t] .. ' ' .. text(stored[t]) .. ' ' .. text(stays[t]) .. ' ' .. rest[t]
    scores[n + 1], scores[n + 2] = lasts[t], names[t]
    if ends[t] then
      local g = #goes
      goes[g + 1], goes[g + 2] = text(now + math.ceil(lives[keeps[t]] * 2.5) + 660000000), names[t]
    end
  end
  if #fields > 1000 or (t == count and #fields > 0) then
    call('HSET', ns .. 'head', unpack(fields))
    call('ZADD', ns .. 'heads', unpack(scores))
    fields, scores = {}, {}
  end
  if #goes > 1000 or (t == count and #goes > 0) then
    call('ZADD', ns .. 'ends', 'GT', unpack(goes))
    goes = {}
  end
end

local answer = epoch .. ' ' .. (first or '0') .. ' ' .. table.concat(answers)
call('HSET', KEYS[1], 'last', text(last))
call('SET', node, ARGV[3] .. ' ' .. answer, 'PX', 3600000)
if kinds then
  call('PUBLISH', ns .. 'b', '')
end
if number % 16 == 0 then
  sweep(now)
end
return answer
