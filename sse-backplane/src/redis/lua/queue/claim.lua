-- ARGV: node, the claim's number, the newest number whose answer came; for each claim the listener, how many, whether ordered, how
-- many kinds, and the kinds. Answers R, or D, the microseconds until something is due, and eight parts for each delivery.
local node, now = ARGV[1], clock()
local lease = call('ZSCORE', ns .. 'q:nodes', node)
if not lease or tonumber(lease) < now then
  return { 'R' }
end
local answer, soonest = { 'D', '' }, nil
local number, came = tonumber(ARGV[2]), tonumber(ARGV[3])
local newest = tonumber(call('GET', ns .. 'q:claim:' .. node) or 0)
if number <= newest then
  -- It was on its way while another was made: nobody waits for it any more.
  return answer
end
if newest > came then
  -- The answer of the one before was lost: what it took goes back.
  for _, item in ipairs(owned(node, MOST_HELD)) do
    if item.held and item.held.claim > came then
      wait(item.listener, item.position, item.held, now)
    end
  end
end
call('SET', ns .. 'q:claim:' .. node, ARGV[2], 'PX', 86400000)

local function by_second(a, b)
  if a[2] ~= b[2] then
    return a[2] < b[2]
  end
  return tonumber(a[1]) < tonumber(b[1])
end

local function serve(listener, left, ordered, kinds)
  local reads, taken, ends = {}, 0, false
  for _, kind in ipairs(kinds) do
    reads[kind] = true
  end

  local function give(position, held, id, head, body)
    held.owner, held.claim = node, number
    put(listener, position, held)
    runs(listener, position, node, 1)
    left, taken = left - 1, taken + 1
    for _, part in ipairs({ listener, position, text(held.failures), text(held.losses), held.kind, id, head, body }) do
      answer[#answer + 1] = part
    end
  end

  -- What was lost with its process is taken alone: now, or by the next claim.
  local function give_again(position, held)
    local alone = held.losses > 0
    ends = ends or alone
    if alone and taken > 0 then
      return
    end
    local id, head, body = event_of(held.kind, position, held.own)
    if id then
      call('ZREM', due_key(listener, held.kind), position)
      give(position, held, id, head, body)
    else
      let_go(listener, position, held)
    end
  end

  if ordered then
    for _, owner in ipairs(call('HKEYS', ns .. 'q:run:' .. listener)) do
      ends = ends or owner ~= node
    end
    for _, position in ipairs(ends and {} or call('ZRANGE', ns .. 'q:order:' .. listener, 0, -1)) do
      local held = held_at(listener, position)
      if held and held.owner == '' then
        ends = ends or held.due > now or not reads[held.kind]
        if not ends and left > 0 then
          give_again(position, held)
        end
        if ends or left == 0 then
          break
        end
      end
    end
  else
    local due = {}
    for kind in pairs(reads) do
      local some = call('ZRANGEBYSCORE', due_key(listener, kind), '-inf', text(now), 'WITHSCORES', 'LIMIT', 0, left)
      for i = 1, #some, 2 do
        due[#due + 1] = { some[i], tonumber(some[i + 1]) }
      end
    end
    table.sort(due, by_second)
    for _, one in ipairs(due) do
      if ends or left == 0 then
        break
      end
      local held = held_at(listener, one[1])
      if held then
        give_again(one[1], held)
      end
    end
  end

  left = math.min(left, MOST_HELD - call('ZCARD', ns .. 'q:order:' .. listener))
  if not ends and left > 0 then
    local found = {}
    for kind in pairs(reads) do
      local after = cursor(listener, kind)
      if after then
        for _, entry in ipairs(call('XRANGE', ns .. 'q:s:' .. kind, text(tonumber(after) + 1), '+', 'COUNT', left)) do
          local position = string.match(entry[1], '^%d+')
          found[#found + 1] = { position, tonumber(position), kind, entry[2] }
        end
      end
    end
    table.sort(found, by_second)
    local lanes = {}
    for i = 1, math.min(left, #found) do
      local position, kind, fields = found[i][1], found[i][3], found[i][4]
      call('ZADD', ns .. 'q:order:' .. listener, position, position)
      local held = { kind = kind, failures = 0, losses = 0, due = 0, errors = {} }
      give(position, held, fields[4], fields[6], fields[8])
      lanes[kind] = position .. ' ' .. fields[2]
    end
    for kind, lane in pairs(lanes) do
      call('HSET', ns .. 'q:lane:' .. listener, kind, lane)
    end
  end

  if ordered then
    -- The first of the log comes before all others, whenever those are due.
    for _, position in ipairs(call('ZRANGE', ns .. 'q:order:' .. listener, 0, -1)) do
      local held = held_at(listener, position)
      if held and held.owner == '' then
        if reads[held.kind] then
          soonest = math.min(soonest or math.huge, math.max(held.due - now, 0))
        end
        return
      end
    end
    return
  end
  for kind in pairs(reads) do
    local first = call('ZRANGE', due_key(listener, kind), 0, 0, 'WITHSCORES')
    if first[2] then
      soonest = math.min(soonest or math.huge, math.max(tonumber(first[2]) - now, 0))
    end
  end
end

local at = 4
while ARGV[at] do
  local listener, count = ARGV[at], tonumber(ARGV[at + 3])
  local kinds = {}
  for i = 1, count do
    kinds[i] = ARGV[at + 3 + i]
  end
  local state, seen = state_of(listener)
  if state == 'A' then
    if now - tonumber(seen) > 3600000000 then
      set_state(listener, state, text(now))
    end
    serve(listener, tonumber(ARGV[at + 1]), ARGV[at + 2] == '1', kinds)
  end
  at = at + 4 + count
end
if soonest then
  answer[2] = text(soonest)
end
return answer
