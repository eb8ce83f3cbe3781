-- Reads how many tokens an answer says that it took, where it may be too large to be held: a batch of vectors has
-- its usage behind them, a ranking before its results. Only the first and the last bytes are looked at.

local find, match, sub = string.find, string.match, string.sub
local LOOKED_AT = 2048

local function tokens(text)
  local usage = find(text, '"usage"', 1, true)
  return usage
    and (match(text, '"prompt_tokens"%s*:%s*(%d+)', usage) or match(text, '"total_tokens"%s*:%s*(%d+)', usage))
end

function envoy_on_response(answer)
  local first, last = "", ""
  for chunk in answer:bodyChunks() do
    local size = chunk:length()
    local length = math.min(size, LOOKED_AT)
    if length > 0 then
      first = #first < LOOKED_AT and first .. chunk:getBytes(0, length) or first
      last = sub(last .. chunk:getBytes(size - length, length), -LOOKED_AT)
    end
  end
  local read = tokens(last) or tokens(first)
  if read then
    answer:streamInfo():dynamicMetadata():set("aistack", "prompt_tokens", tonumber(read))
  end
end
