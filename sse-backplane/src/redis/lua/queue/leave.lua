-- ARGV: node. Some of what it holds goes back; answers whether there is more.
local node, now, items = ARGV[1], clock(), nil
call('ZREM', ns .. 'q:nodes', node)
items = owned(node, 500)
for _, item in ipairs(items) do
  if item.held then
    wait(item.listener, item.position, item.held, now)
  end
end
if #items > 0 then
  ring()
end
return #items == 500 and 1 or 0
