-- One batch: all of it or nothing, once. What can fail for reasons from outside (memory, a replica, a right) fails at
-- the first write, before anything is written. Most of what it costs are the tables and texts that it makes: so there are parallel
-- arrays instead of a table for each topic, and a body becomes part of one other text, since each byte of each text is hashed.
-- ARGV: epoch if there is none, node, number, how many settings, how many topics; for each settings events, bytes, and age in
-- microseconds; for each topic its name and, if there are several settings, the number of its own; for each entry the topic's number,
-- after a letter unless it is an event, and what its letter wants.
-- A head has the newest event, the newest change, bytes stored, until when the stream stays, where it was completed and disconnected, and
-- where it was claimed and by whom. The last four are changed by few.
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
local most, weighs, lives, keeps, soon = {}, {}, {}, {}, {}
for i = 1, settings do
  local at = 3 + i * 3
  most[i], weighs[i], lives[i] = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  soon[i] = text(now + lives[i])
end
local at = 6 + settings * 3
-- When a stream goes is text: as many digits as now has, so that the order is that of numbers.
local names, streams, newest, stored, stays, rest = {}, {}, {}, {}, {}, {}
-- Of what was changed.
local lasts, ends = {}, {}
for i = 1, count do
  local name = ARGV[at]
  names[i], streams[i], at = name, ns .. 's:' .. name, at + 1
  if settings > 1 then
    keeps[i], at = tonumber(ARGV[at]), at + 1
  end
end
-- As many at once as Lua's stack takes for sure.
for from = 1, count, 1000 do
  local to = math.min(from + 999, count)
  local heads = call('HMGET', ns .. 'head', unpack(names, from, to))
  for i = from, to do
    local head, kept = heads[i - from + 1], nil
    if head then
      newest[i], kept, stays[i], rest[i] = string.match(head, '^(%d+) %d+ (%d+) (%d+) (.*)$')
      stored[i] = tonumber(kept)
    else
      newest[i], stored[i], stays[i], rest[i] = '0', 0, '0', '0 0 0 0'
    end
  end
end

-- What follows each other in one topic goes out as one message: E for an event with the length of its body, L for one whose body is the
-- last of the message, O for one with a key.
local start, parts, parted = epoch .. '\n', nil, nil
local function publish()
  call('PUBLISH', ns .. 'c:' .. names[parted], table.concat(parts))
  parts, parted = nil, nil
end
local function say(t, line, body)
  if parted ~= t then
    if parted then
      publish()
    end
    parts, parted = { start }, t
  end
  parts[#parts + 1] = line
  parts[#parts + 1] = body
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
    stays[t], stored[t] = '0', 0
  end
  call('XADD', streams[t], id, ...)
end

local answers, kinds = {}, nil
local entries, first, zero = 0, nil, string.byte('0')
while ARGV[at] do
  local what = ARGV[at]
  local letter, t = 'E', tonumber(what)
  if not t then
    letter, t = string.sub(what, 1, 1), tonumber(string.sub(what, 2))
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
  elseif (body or letter == 'C') and rest[t] ~= '0 0 0 0' and string.byte(rest[t]) ~= zero then
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
      local previous, size, keep, made = newest[t], #body, keeps[t] or 1, nil
      local bytes, age = weighs[keep], lives[keep]
      if once then
        made = redis.pcall('XADD', streams[t], position, 'p', previous, 'b', body, 'o', once)
        if type(made) == 'table' then
          add_again(t, made.err, position, 'p', previous, 'b', body, 'o', once)
        end
        -- Known for an hour after the event went, which it does a quarter of its age too late.
        call('SET', key, position, 'PX', text(math.ceil(age * 1.25 / 1000) + 3661000))
        say(t, 'O ' .. position .. ' ' .. previous .. ' ' .. size .. ' ' .. #once .. '\n', body .. once)
      else
        made = redis.pcall('XADD', streams[t], position, 'p', previous, 'b', body)
        if type(made) == 'table' then
          add_again(t, made.err, position, 'p', previous, 'b', body)
        end
        if parted and parted ~= t then
          publish()
        end
        if parted or ARGV[at] == what then
          say(t, 'E ' .. position .. ' ' .. previous .. ' ' .. text(size) .. '\n', body)
        else
          call('PUBLISH', ns .. 'c:' .. names[t], start .. 'L ' .. position .. ' ' .. previous .. '\n' .. body)
        end
      end
      newest[t], stored[t] = position, stored[t] + size
      -- A stream drops a hundred at once anyway: looking each eighth time makes no difference.
      if last % 8 == 0 then
        call('XTRIM', streams[t], 'MAXLEN', '~', most[keep])
      end
      if stored[t] > bytes * 1.25 then
        trim(t, bytes)
      end
      if stays[t] < soon[keep] then
        local till = now + math.ceil(age * 1.25) + 1000000
        -- What goes on and on drops its old part here, what ends is gone by itself.
        call('XTRIM', streams[t], 'MINID', text(math.max(now - age, 0)))
        call('PEXPIREAT', streams[t], text(math.ceil(till / 1000)))
        stays[t] = text(till)
        ends[t] = true
      end
      lasts[t] = position
    elseif letter == 'Q' then
      local kind, id, head = ARGV[at], ARGV[at + 1], ARGV[at + 2]
      local nth = call('HINCRBY', ns .. 'q:kinds', kind, 1)
      call('XADD', ns .. 'q:s:' .. kind, position, 'n', nth, 'i', id, 'h', head, 'b', ARGV[at + 3])
      at, kinds = at + 4, true
    else
      local completed, disconnected, claimed, holder = string.match(rest[t], '^(%d+) (%d+) (%d+) (%d+)$')
      if letter == 'C' then
        completed = position
      elseif letter == 'F' then
        call('DEL', streams[t])
        completed, stored[t], stays[t] = '0', 0, '0'
      elseif letter == 'D' then
        disconnected = position
      else
        claimed, holder, at = position, ARGV[at], at + 1
      end
      rest[t] = completed .. ' ' .. disconnected .. ' ' .. claimed .. ' ' .. holder
      say(t, letter .. ' ' .. position .. ' ' .. newest[t] .. ' ' .. holder .. '\n')
      lasts[t], ends[t] = position, true
    end
  end
end
if parted then
  publish()
end

local fields, scores, goes = {}, {}, {}
for t = 1, count do
  if lasts[t] then
    local n = #fields
    fields[n + 1] = names[t]
    fields[n + 2] = newest[t] .. ' ' .. lasts[t] .. ' ' .. text(stored[t]) .. ' ' .. stays[t] .. ' ' .. rest[t]
    scores[n + 1], scores[n + 2] = lasts[t], names[t]
    if ends[t] then
      local g = #goes
      goes[g + 1], goes[g + 2] = text(now + math.ceil(lives[keeps[t] or 1] * 2.5) + 660000000), names[t]
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
if first then
  call('HSET', KEYS[1], 'last', text(last))
end
call('SET', node, ARGV[3] .. ' ' .. answer, 'PX', 3600000)
if kinds then
  call('PUBLISH', ns .. 'b', '')
end
if number % 16 == 0 then
  sweep(now)
end
return answer
