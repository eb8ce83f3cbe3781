-- What a model or its provider says of its own failure becomes the gateway's words, as does what is no JSON: it
-- may name an account, and is no error that OpenAI's clients can read. The status stays, and so does retry-after.
--
-- Loaded with OWN, the header of what the gateway says itself, and OWN_WORDS by status; %MODEL% in them is what
-- the client calls the model.

local MODELS_OWN = {["402"] = true, ["404"] = true, ["429"] = true}

local function is_json(headers)
  local sort = string.lower(headers:get("content-type") or "")
  return string.sub(sort, 1, 16) == "application/json"
end

function envoy_on_response(answer)
  local headers = answer:headers()
  local status = headers:get(":status")
  if status < "400" then
    return
  elseif headers:get(OWN) then
    headers:remove(OWN)
  elseif status >= "500" or MODELS_OWN[status] or not is_json(headers) then
    local read = answer:streamInfo():dynamicMetadata():get("aistack") or {}
    local model = string.gsub(read.model or "", "[^%w._/:-]", "")
    local words = OWN_WORDS[status] or status >= "500" and OWN_WORDS["500"] or OWN_WORDS["400"]
    headers:replace("content-type", "application/json")
    headers:remove("content-encoding")
    answer:body(true):setBytes((string.gsub(words, "%%MODEL%%", model)))
  end
end
