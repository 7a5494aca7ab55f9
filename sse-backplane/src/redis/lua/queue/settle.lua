-- ARGV: for each verdict listener, position, owner, failures, losses, a letter, an error, and a number: the time until it is due again, or
-- why it is dead. Answers 1 or 0 for each.
local now, answers, rings = clock(), {}, false
for at = 1, #ARGV, 8 do
  local listener, position, letter = ARGV[at], ARGV[at + 1], ARGV[at + 5]
  local held = held_at(listener, position)
  local fits = held and held.owner == ARGV[at + 2] and held.failures == tonumber(ARGV[at + 3])
    and held.losses == tonumber(ARGV[at + 4])
  answers[#answers + 1] = fits and '1' or '0'
  if fits then
    if letter == 'F' or letter == 'D' then
      held.errors[#held.errors + 1] = ARGV[at + 6]
      if #held.errors > 5 then
        table.remove(held.errors, 1)
      end
    end
    if letter == 'F' then
      held.failures = held.failures + 1
      wait(listener, position, held, now + tonumber(ARGV[at + 7]))
    elseif letter == 'R' then
      wait(listener, position, held, now)
      rings = true
    else
      let_go(listener, position, held)
      if letter == 'D' then
        bury(listener, position, held, ARGV[at + 7], now)
      end
    end
  end
end
if rings then
  ring()
end
return table.concat(answers)
