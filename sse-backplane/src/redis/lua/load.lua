-- The newest part of some topics. ARGV: epoch if there is none; for each topic its name, the first position, events, bytes.
-- Answers epoch, floor, and for each topic its head and its events, newest first.
local epoch, _, floor = open(ARGV[1])
local answer = { epoch, floor }
for at = 2, #ARGV, 4 do
  local topic, first, events, bytes = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local head, found = call('HGET', ns .. 'head', topic), {}
  -- In pieces, so that large bodies are not read in vain.
  local kept, till, step, more = 0, '+', 32, head and true
  while more and #found < events do
    step = math.min(step, events - #found)
    local some = call('XREVRANGE', ns .. 's:' .. topic, till, first, 'COUNT', step)
    more = #some == step
    for _, entry in ipairs(some) do
      kept, till = kept + #entry[2][4], '(' .. entry[1]
      if kept > bytes and #found > 0 then
        more = false
        break
      end
      found[#found + 1] = entry
    end
    step = 256
  end
  answer[#answer + 1] = head or ''
  answer[#answer + 1] = found
end
return answer
