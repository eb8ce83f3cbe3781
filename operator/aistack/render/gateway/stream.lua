-- Says how many bytes of a stream make a token, by its first events: one that ends before its usage came is
-- counted by the bytes that passed. After these events it costs nothing.
--
-- Loaded with NO_MODELS, the headers of answers that no model gave.

local gmatch, max, min = string.gmatch, math.max, math.min
local CHUNKS, LOOKED_AT = 4, 2048
local WRITTEN = 4 -- bytes of text a token, as English has
local WORDS = {content = true, text = true, reasoning = true, reasoning_content = true, arguments = true}

local function is_of_model(headers)
  for _, name in ipairs(NO_MODELS) do
    if headers:get(name) then
      return false
    end
  end
  return headers:get(":status") == "200"
end

function envoy_on_response(answer)
  if not is_of_model(answer:headers()) then
    return
  end
  local chunks, bytes, pieces, written = 0, 0, 0, 0
  for chunk in answer:bodyChunks() do
    local length = min(chunk:length(), LOOKED_AT)
    if length > 0 then
      local found = 0
      for name, from, to in gmatch(chunk:getBytes(0, length), '"([%l_]+)": ?"()[^"]+()') do
        if WORDS[name] then
          found, written = found + 1, written + to - from
        end
      end
      -- Most models write an event for each token, some one for many.
      chunks, bytes, pieces = chunks + 1, bytes + length, pieces + max(1, found)
      if chunks == 1 or chunks == CHUNKS then
        local a_token = bytes / max(pieces, written / WRITTEN)
        answer:streamInfo():dynamicMetadata():set("aistack", "bytes_a_token", a_token)
      end
      if chunks == CHUNKS then
        return
      end
    end
  end
end
