-- Answers for each listener its id, state, backlog, waiting, running, dead, the age of the oldest that is not done, and its names.
local answer, now = {}, clock()
local kinds = call('HGETALL', ns .. 'q:kinds')
for _, listener in ipairs(call('HKEYS', ns .. 'q:listeners')) do
  local names, hears = call('HKEYS', ns .. 'q:hears:' .. listener), {}
  for _, name in ipairs(names) do
    hears[name] = true
  end
  local backlog, oldest = 0, tonumber(call('ZRANGE', ns .. 'q:order:' .. listener, 0, 0)[1])
  for i = 1, #kinds, 2 do
    if hears[string.match(kinds[i], '^%d+:(.*)$')] then
      local after, before = cursor(listener, kinds[i])
      backlog = backlog + math.max(tonumber(kinds[i + 1]) - tonumber(before), 0)
      local first = call('XRANGE', ns .. 'q:s:' .. kinds[i], text(tonumber(after) + 1), '+', 'COUNT', 1)[1]
      if first then
        oldest = math.min(oldest or math.huge, tonumber(string.match(first[1], '^%d+')))
      end
    end
  end
  local running = 0
  for _, count in ipairs(call('HVALS', ns .. 'q:run:' .. listener)) do
    running = running + tonumber(count)
  end
  local held = call('ZCARD', ns .. 'q:order:' .. listener)
  answer[#answer + 1] = {
    listener, (state_of(listener)), text(math.min(backlog, 10000)), text(held - running), text(running),
    text(call('ZCARD', ns .. 'q:dead:' .. listener)), oldest and text(math.max(now - oldest, 0)) or '', names,
  }
end
return answer
