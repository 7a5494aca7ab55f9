-- ARGV: listener, what to do (revive or discard), one or oldest, and a number. Answers how many letters that were.
local listener, what, number, done = ARGV[1], ARGV[2], ARGV[4], 0
local ids = ARGV[3] == 'one' and { number } or call('ZRANGE', ns .. 'q:dead:' .. listener, 0, tonumber(number) - 1)
local now, state = clock(), state_of(listener)
for _, id in ipairs(ids) do
  local row = call('HGET', ns .. 'q:letter:' .. listener, id)
  local room = what == 'discard'
    or ((state == 'A' or state == 'P') and call('ZCARD', ns .. 'q:order:' .. listener) < MOST_HELD)
  if row and room then
    drop_letter(listener, id)
    done = done + 1
    local l = cmsgpack.unpack(row)
    if what == 'revive' and not held_at(listener, l.position) then
      local held = { kind = l.kind, owner = '', failures = 0, losses = 0, due = now, claim = 0, errors = {}, own = l.own }
      call('ZADD', ns .. 'q:order:' .. listener, l.position, l.position)
      wait(listener, l.position, held, now)
    end
  end
end
if what == 'revive' and done > 0 then
  ring()
end
return done
