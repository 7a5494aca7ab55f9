-- In front of every script. KEYS[1] is the hash with what the namespace has once; every other key has its hash tag.
-- Positions are whole numbers below 2^53, which Lua's numbers hold exactly; as text they need a format. '%d' is four times as quick,
-- and right where the server's long has 64 bits.
local ns = string.sub(KEYS[1], 1, -5)
local call, format = redis.call, string.format
local digits = format('%d', 1099511627776) == '1099511627776' and '%d' or '%.0f'

local function text(number)
  return format(digits, number)
end

-- Microseconds of the store's clock.
local function clock()
  local time = call('TIME')
  return time[1] * 1000000 + time[2]
end

-- Epoch, newest position, and where what was forgotten ends. Whatever comes first makes the epoch.
local function open(candidate)
  local meta = call('HMGET', KEYS[1], 'epoch', 'last', 'floor')
  if meta[1] then
    return meta[1], tonumber(meta[2]), meta[3]
  end
  -- The hash may be lost alone. Positions go on behind what is still there.
  local newest = call('ZREVRANGE', ns .. 'heads', 0, 0, 'WITHSCORES')
  local last = tonumber(newest[2] or 0)
  call('HSET', KEYS[1], 'epoch', candidate, 'last', text(last), 'floor', '0')
  -- A long member keeps Redis from storing few topics as a list that is walked for each change. Nothing is at position zero.
  call('ZADD', ns .. 'heads', 0, string.rep('-', 65))
  return candidate, last, '0'
end

-- Forgets topics whose head has outlived its last change for long enough, a few at a time.
local function sweep(now)
  local gone = call('ZRANGEBYSCORE', ns .. 'ends', '-inf', '(' .. text(now), 'LIMIT', 0, 16)
  local floor = 0
  for _, topic in ipairs(gone) do
    floor = math.max(floor, tonumber(call('ZSCORE', ns .. 'heads', topic) or 0))
    call('ZREM', ns .. 'ends', topic)
    call('ZREM', ns .. 'heads', topic)
    call('HDEL', ns .. 'head', topic)
    call('DEL', ns .. 's:' .. topic)
  end
  if floor > tonumber(call('HGET', KEYS[1], 'floor') or 0) then
    call('HSET', KEYS[1], 'floor', text(floor))
  end
end
