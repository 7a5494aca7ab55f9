-- ARGV: listener, the state it is to have: A, P or R.
local state, seen = state_of(ARGV[1])
if not state then
  return 0
end
if state == 'R' then
  return ARGV[2] == 'R' and 1 or 0
end
if ARGV[2] == 'R' then
  retire(ARGV[1], seen)
else
  set_state(ARGV[1], ARGV[2], seen)
  ring()
end
return 1
