-- A node is here (again) and says what it knows: if the store knows less than that, it has lost its newest part, and begins a new life.
-- ARGV: epoch if there is none; the epoch that the node knows, and the newest position; the newest event it knows of, as topic and position,
-- 0 for none; the newest batch that it stored, as node and number, 0 for none.
local epoch, last, floor = open(ARGV[1])

local function lost()
  if last < tonumber(ARGV[3]) then
    return true
  end
  local topic, position = ARGV[4], tonumber(ARGV[5])
  if position > 0 then
    if tonumber(call('ZSCORE', ns .. 'heads', topic) or floor) < position then
      return true
    end
    -- Others may have written there since. Then what is missing is between what was kept.
    local oldest = call('XRANGE', ns .. 's:' .. topic, '-', '+', 'COUNT', 1)[1]
    if oldest and tonumber(string.match(oldest[1], '^%d+')) < position
      and #call('XRANGE', ns .. 's:' .. topic, ARGV[5], ARGV[5]) == 0 then
      return true
    end
  end
  -- A node without batches for an hour is not remembered, which says nothing.
  local done = ARGV[7] ~= '0' and call('GET', ns .. 'node:' .. ARGV[6])
  return done and tonumber(string.match(done, '^%d+')) < tonumber(ARGV[7])
end

if epoch == ARGV[2] and lost() then
  epoch = ARGV[1]
  call('HSET', KEYS[1], 'epoch', epoch)
end
return epoch .. ' ' .. text(last)
