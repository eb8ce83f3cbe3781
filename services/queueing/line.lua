-- One step of one pod: what has happened at it since its last one, and whose turn it is now.
--
-- ARGV[1], in JSON: pod, lease (milliseconds), anew, depth, least, most, rest (milliseconds, first and longest),
--   enter {ticket, route, arrived, out}, works {route}, failed {ticket, route}, gone {ticket},
--   routes: those with tickets that wait here, the longest waiting first.
-- pods            pod -> when its lease ends
-- tickets:POD     ticket -> route, all that a pod holds
-- line:ROUTE      ticket -> when it arrived, those that wait for their turn
-- held, out       all tickets, and those that are asked for
-- width           how many may be out at once
-- failures:ROUTE, rest:ROUTE   failed rounds since the last answer; there while the route rests
local told = cjson.decode(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local own = 'tickets:' .. told.pod

local function forget(tickets, ticket)
  local route = redis.call('HGET', tickets, ticket)
  if route then
    redis.call('HDEL', tickets, ticket)
    redis.call('ZREM', 'line:' .. route, ticket)
    redis.call('SREM', 'held', ticket)
    redis.call('SREM', 'out', ticket)
  end
end

local function forget_pod(pod)
  for _, ticket in ipairs(redis.call('HKEYS', 'tickets:' .. pod)) do
    forget('tickets:' .. pod, ticket)
  end
  redis.call('ZREM', 'pods', pod)
end

for _, pod in ipairs(redis.call('ZRANGEBYSCORE', 'pods', '-inf', now)) do
  forget_pod(pod)
end
if told.anew then
  forget_pod(told.pod)
elseif not redis.call('ZSCORE', 'pods', told.pod) then
  return cjson.encode({unknown = true})
end
redis.call('ZADD', 'pods', now + told.lease, told.pod)

local width = tonumber(redis.call('GET', 'width') or told.least)
for _, route in ipairs(told.works) do
  width = width + 1
  redis.call('DEL', 'failures:' .. route, 'rest:' .. route)
end
for _, failed in ipairs(told.failed) do
  local ticket, route = failed[1], failed[2]
  redis.call('SREM', 'out', ticket)
  if redis.call('EXISTS', 'rest:' .. route) == 0 then
    local failures = redis.call('INCR', 'failures:' .. route)
    local rest = math.min(told.rest[1] * 2 ^ (failures - 1), told.rest[2])
    redis.call('SET', 'rest:' .. route, '', 'PX', rest)
    width = math.floor(width / 2)
  end
end
width = math.max(told.least, math.min(told.most, width))
redis.call('SET', 'width', width)

local full = {}
for _, entered in ipairs(told.enter) do
  local ticket, route, arrived, out = entered[1], entered[2], entered[3], entered[4]
  if redis.call('HEXISTS', own, ticket) == 0 and redis.call('SCARD', 'held') >= told.depth then
    table.insert(full, ticket)
  else
    redis.call('HSET', own, ticket, route)
    redis.call('SADD', 'held', ticket)
    if out then
      redis.call('SADD', 'out', ticket)
    else
      redis.call('ZADD', 'line:' .. route, arrived, ticket)
    end
  end
end
for _, ticket in ipairs(told.gone) do
  forget(own, ticket)
end

-- Who is first in a line is taken by the pod that holds it.
local turns = {}
local free = width - redis.call('SCARD', 'out')
for _, route in ipairs(told.routes) do
  while free > 0 and redis.call('EXISTS', 'rest:' .. route) == 0 do
    local first = redis.call('ZRANGE', 'line:' .. route, 0, 0)[1]
    if not first or redis.call('HEXISTS', own, first) == 0 then
      break
    end
    redis.call('ZREM', 'line:' .. route, first)
    redis.call('SADD', 'out', first)
    table.insert(turns, first)
    free = free - 1
  end
end
return cjson.encode({turns = turns, full = full})
