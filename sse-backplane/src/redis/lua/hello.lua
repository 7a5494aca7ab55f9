-- A node is here (again) and says what it knows: if the store knows less than that, it has lost its newest part, and begins a new life.
-- ARGV: epoch if there is none, epoch that the node knows, the newest position it knows, a topic, and the position of its newest
-- change, 0 for none.
local epoch, last, floor = open(ARGV[1])
if epoch == ARGV[2] then
  local lost = last < tonumber(ARGV[3])
  if not lost and ARGV[5] ~= '0' then
    lost = tonumber(call('ZSCORE', ns .. 'heads', ARGV[4]) or floor) < tonumber(ARGV[5])
  end
  if lost then
    epoch = ARGV[1]
    call('HSET', KEYS[1], 'epoch', epoch)
  end
end
return epoch .. ' ' .. text(last)
