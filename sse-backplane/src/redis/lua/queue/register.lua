-- ARGV: epoch if there is none; for each listener its id, where it begins (N or E), how many names, and the names.
local _, last = open(ARGV[1])
local now, at = text(clock()), 2
while ARGV[at] do
  local listener, since, names = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
  local state = state_of(listener)
  if not state and call('HLEN', ns .. 'q:listeners') >= 4096 then
    return 'full'
  end
  set_state(listener, state == 'P' and 'P' or 'A', now)
  for i = at + 3, at + 2 + names do
    local name = ARGV[i]
    local begins = since == 'N' and text(last) or '0'
    if call('HSETNX', ns .. 'q:hears:' .. listener, name, begins) == 1 then
      -- Versions that are there already begin where they stand.
      local kinds = call('HGETALL', ns .. 'q:kinds')
      for k = 1, #kinds, 2 do
        if string.match(kinds[k], '^%d+:(.*)$') == name then
          local before = tonumber(kinds[k + 1])
          if since ~= 'N' then
            before = before - call('XLEN', ns .. 'q:s:' .. kinds[k])
          end
          call('HSET', ns .. 'q:lane:' .. listener, kinds[k], begins .. ' ' .. text(before))
        end
      end
    end
  end
  at = at + 3 + names
end
ring()
return 'done'
