-- ARGV: node, lease in microseconds.
if call('EXISTS', ns .. 'q:gone:' .. ARGV[1]) == 1 then
  return 'R'
end
call('ZADD', ns .. 'q:nodes', text(clock() + tonumber(ARGV[2])), ARGV[1])
return 'A'
