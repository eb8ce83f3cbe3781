-- Runs inside the cache's Redis: of a set of questions, each under the key of its answer, the nearest one that
-- is near enough and has its answer; or else the new one, which is added.
-- https://redis.io/docs/latest/develop/data-types/vector-sets: a score is (1 + cosine) / 2, in single precision.
local set, own = KEYS[1], KEYS[2]
local embedding, cosine = ARGV[1], tonumber(ARGV[2])
local seconds, most = tonumber(ARGV[3]), tonumber(ARGV[4])

local near = redis.call('VSIM', set, 'FP32', embedding, 'WITHSCORES', 'COUNT', 10)
for number = 1, #near, 2 do
  if tonumber(near[number + 1]) < (1 + cosine) / 2 - 1e-6 then break end
  if redis.call('EXISTS', near[number]) == 1 then return near[number] end
  redis.call('VREM', set, near[number]) -- its answer has ended, or did not come yet
end

-- Members don't expire, so some are looked at: about one in ten stays after its time, and none after the set.
local now = tonumber(redis.call('TIME')[1])
for _, question in ipairs(redis.call('VRANDMEMBER', set, 10)) do
  if tonumber(redis.call('VGETATTR', set, question)) <= now then redis.call('VREM', set, question) end
end
if redis.call('VCARD', set) >= most then redis.call('VREM', set, redis.call('VRANDMEMBER', set)) end
redis.call('VADD', set, 'FP32', embedding, own, 'NOQUANT', 'SETATTR', now + seconds)
redis.call('EXPIRE', set, seconds)
return own
