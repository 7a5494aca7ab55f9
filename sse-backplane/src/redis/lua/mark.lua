-- Where the store stands, as an answer and through the node's own channel. ARGV: epoch if there is none, channel.
local epoch, last = open(ARGV[1])
-- What is cleared up waits for a store that takes writes; where it stands is known all the same.
pcall(sweep, clock())
local mark = epoch .. ' ' .. text(last)
call('PUBLISH', ns .. 'm:' .. ARGV[2], mark)
return mark
