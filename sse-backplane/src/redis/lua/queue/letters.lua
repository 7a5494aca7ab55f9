-- ARGV: listener, after which letter, how many. Answers for each letter its parts, the errors after their number.
local listener, answer, now = ARGV[1], {}, clock()
local ids = call('ZRANGEBYSCORE', ns .. 'q:dead:' .. listener, '(' .. ARGV[2], '+inf', 'LIMIT', 0, ARGV[3])
for _, id in ipairs(ids) do
  local row = call('HGET', ns .. 'q:letter:' .. listener, id)
  if row then
    local l = cmsgpack.unpack(row)
    answer[#answer + 1] = {
      id, text(l.failures), text(l.losses), l.reason, text(math.max(now - l.at, 0)), l.kind, l.own[1], l.own[2], l.own[3],
      l.errors,
    }
  end
end
return answer
