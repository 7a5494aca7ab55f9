-- Lets go what nobody needs, at most once in some seconds for all nodes. ARGV, in microseconds: how long an event stays at least, and at
-- most; how long an unseen listener is one; how long a letter is kept.
if not call('SET', ns .. 'q:tended', '', 'PX', 20000, 'NX') then
  return 0
end
local now = clock()
local window, expires, unseen, lives = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local listeners = {}
for _, listener in ipairs(call('HKEYS', ns .. 'q:listeners')) do
  local state, seen = state_of(listener)
  if state ~= 'R' and tonumber(seen) + unseen < now then
    retire(listener, seen)
  elseif state ~= 'R' then
    listeners[#listeners + 1] = listener
  end
  for _, id in ipairs(call('ZRANGE', ns .. 'q:dead:' .. listener, 0, 63)) do
    local letter = call('HGET', ns .. 'q:letter:' .. listener, id)
    if letter and cmsgpack.unpack(letter).at + lives > now then
      break
    end
    drop_letter(listener, id)
  end
end
for _, kind in ipairs(call('HKEYS', ns .. 'q:kinds')) do
  local name = string.match(kind, '^%d+:(.*)$')
  local stream, keep = ns .. 'q:s:' .. kind, now - window
  for _, listener in ipairs(listeners) do
    if call('HEXISTS', ns .. 'q:hears:' .. listener, name) == 1 then
      -- What fell off before it was taken is a dead letter. Some at a time: the next round goes on.
      local after = cursor(listener, kind)
      for _, entry in ipairs(call('XRANGE', stream, text(tonumber(after) + 1), text(math.max(now - expires, 0)), 'COUNT', 64)) do
        local position, f = string.match(entry[1], '^%d+'), entry[2]
        local held = { kind = kind, failures = 0, losses = 0, errors = {}, own = { f[4], f[6], f[8] } }
        bury(listener, position, held, 'E', now)
        call('HSET', ns .. 'q:lane:' .. listener, kind, position .. ' ' .. f[2])
        after = position
      end
      keep = math.min(keep, tonumber(after) + 1)
      local first = call('ZRANGE', ns .. 'q:order:' .. listener, 0, 0)[1]
      keep = math.min(keep, tonumber(first) or keep)
    end
  end
  call('XTRIM', stream, 'MINID', text(math.max(keep, 0)))
end
return 1
