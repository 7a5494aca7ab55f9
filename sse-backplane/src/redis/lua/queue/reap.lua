-- ARGV: microseconds until what was lost is due again. Answers how many were lost, and whether there is more.
local now, lost, left = clock(), 0, 500
for _, node in ipairs(call('ZRANGEBYSCORE', ns .. 'q:nodes', '-inf', '(' .. text(now), 'LIMIT', 0, 64)) do
  -- It hears of it for a day, and is nobody after that.
  call('SET', ns .. 'q:gone:' .. node, '', 'PX', 86400000)
  call('ZREM', ns .. 'q:nodes', node)
  call('SADD', ns .. 'q:reaping', node)
end
for _, node in ipairs(call('SRANDMEMBER', ns .. 'q:reaping', 64)) do
  local items = left > 0 and owned(node, left) or {}
  for _, item in ipairs(items) do
    left = left - 1
    if item.held then
      item.held.losses, lost = item.held.losses + 1, lost + 1
      wait(item.listener, item.position, item.held, now + tonumber(ARGV[1]))
    end
  end
  if call('SCARD', ns .. 'q:own:' .. node) == 0 then
    call('SREM', ns .. 'q:reaping', node)
  end
end
if lost > 0 then
  ring()
end
return { lost, call('SCARD', ns .. 'q:reaping') }
