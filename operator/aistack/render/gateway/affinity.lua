-- Says what a request has in common with others that the same replica should answer: its session, or how it
-- begins. One that has neither is left alone. The body is searched as text: within JSON's strings each quote has a
-- backslash before it, so a name in quotes is found only where it is one.

local find, gmatch, gsub, match, rep, sub = string.find, string.gmatch, string.gsub, string.match, string.rep, string.sub
local LARGE = 1024 * 1024

local function session(text)
  local at = find(text, '"prompt_cache_key"', 1, true)
  return at and match(text, '"prompt_cache_key"%s*:%s*"([^"]+)"', at)
end

local function blank(quoted)
  return rep("_", #quoted)
end

-- The messages to the end of the user's first one, which all turns of a conversation have; or a prompt.
local function beginning(text, most)
  local from = match(text, '"messages"%s*:%s*()%[') or match(text, '"prompt"%s*:%s*()')
  local said = from and sub(text, from, from + most - 1)
  local user = said and find(said, '"role"%s*:%s*"user"')
  if user then
    local brackets = gsub(gsub(said, "\\.", "__"), '"[^"]*"', blank)
    for stop in gmatch(brackets, "%b{}()") do
      if stop > user then
        return sub(said, 1, stop - 1)
      end
    end
  end
  return said
end

local function found(body, most)
  local text = body:getBytes(0, body:length())
  if most then
    return beginning(text, most)
  end
  return session(text)
end

function envoy_on_request(request)
  local context, headers = request:filterContext(), request:headers()
  local header, most = context:get("header"), context:get("most")
  local client = header and headers:get(context:get("client")) or ""
  local key = header and headers:get(header) or ""
  if key == "" then
    local body = request:body(true) -- waits; what was read before can't be used any more
    key = found(body, most)
    if body:length() > LARGE then
      collectgarbage() -- or many of them would be held until the next time
    end
  end
  if key then
    local info = request:streamInfo()
    info:filterState():set("aistack.affinity", "envoy.hashable_string", client .. " " .. key)
    info:dynamicMetadata():set("aistack", "affinity", true)
    request:clearRouteCache()
  end
end
