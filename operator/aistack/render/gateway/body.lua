-- Changes members of a request's body as text: every other byte stays as its client wrote it. A body that two
-- readers may take for different requests is refused, as is one that this script fails at.
--
-- Envoy has read the body as JSON before: its syntax is right, or the request is already refused. Loaded with
-- UNCLEAR and BAD_STREAM, the answers to what is refused, and BYTES_PER_TOKEN.

local byte, find, gmatch, match, sub = string.byte, string.find, string.gmatch, string.match, string.sub
local QUOTE, BACKSLASH = 34, 92
local LARGE = 1024 * 1024
local PICTURE = 1000 -- tokens; most models take fewer
local DEPTH = {[91] = 1, [123] = 1, [93] = -1, [125] = -1} -- [ { ] }
local READ = {model = true, stream = true, stream_options = true, max_tokens = true, max_completion_tokens = true}

-- The position of the quote that ends the string which begins at `at`.
local function end_of_string(text, at)
  repeat
    at = assert(find(text, '"', at + 1, true))
    local before = at - 1
    while byte(text, before) == BACKSLASH do
      before = before - 1
    end
  until (at - before) % 2 == 1
  return at
end

-- The position of the last byte of the value that begins at `at`.
local function end_of_value(text, at)
  local first = byte(text, at)
  if first == QUOTE then
    return end_of_string(text, at)
  elseif not DEPTH[first] then
    return assert(match(text, "^[%w+.-]+()", at)) - 1
  end
  local depth = 1
  while depth > 0 do
    at = at + 1
    local char = assert(byte(text, at))
    if char == QUOTE then
      at = end_of_string(text, at)
    else
      depth = depth + (DEPTH[char] or 0)
    end
  end
  return at
end

-- The members of the object that begins at `at`, in their order, and by name; where it ends. An error where
-- one name stands twice, in capitals too, or has letters that could be read in two ways.
local function members(text, at)
  local order, named = {}, {}
  local stop = match(text, "^{[ \t\r\n]*}()", at)
  at = assert(match(text, "^{[ \t\r\n]*()", at))
  while not stop do
    local name, from = match(text, '^"([%w_.-]+)"[ \t\r\n]*:[ \t\r\n]*()', at)
    local plain = string.lower(assert(name))
    assert(not named[plain] and (plain == name or not READ[plain]))
    local to = end_of_value(text, from)
    local member = {name = name, from = from, to = to}
    named[plain] = member
    order[#order + 1] = member
    local separator, after = match(text, "^[ \t\r\n]*([,}])[ \t\r\n]*()", to + 1)
    at = after
    stop = assert(separator) == "}" and after
  end
  return order, named, stop
end

local function value(text, member)
  return member and sub(text, member.from, member.to)
end

-- Whether a stream is asked for its usage already; what else its options say is left to the client then.
local function asks_usage(text, options)
  if not options or byte(text, options.from) ~= 123 then
    return false
  end
  local _, named = members(text, options.from)
  return value(text, named.include_usage) == "true"
end

-- Sets the fields that bound an answer's length: those above `most` to it, and where there is none, `default`.
local function shorten(text, named, changes, most, default)
  local bounded = false
  for _, name in ipairs({"max_completion_tokens", "max_tokens"}) do
    local said = value(text, named[name]) or "null"
    if said ~= "null" then
      bounded = true
      local number = tonumber(match(said, '^"?(.-)"?$'))
      if not (number and number >= 0 and number <= most) then
        changes[name] = tostring(most)
      end
    end
  end
  if not bounded then
    changes[default] = tostring(most)
  end
end

local function changed(text, order, stop, changes)
  local pieces, after = {}, 1
  for _, member in ipairs(order) do
    local new = changes[member.name]
    if new then
      pieces[#pieces + 1] = sub(text, after, member.from - 1)
      pieces[#pieces + 1] = new
      after = member.to + 1
      changes[member.name] = nil
    end
  end
  local close = stop - 1
  while byte(text, close) ~= 125 do
    close = close - 1
  end
  pieces[#pieces + 1] = sub(text, after, close - 1)
  local comma = #order > 0 and ", " or ""
  for name, new in pairs(changes) do
    pieces[#pieces + 1] = comma .. '"' .. name .. '": ' .. new
    comma = ", "
  end
  pieces[#pieces + 1] = sub(text, close)
  return table.concat(pieces)
end

-- How many tokens a request has, rather too many: nobody tells if its client leaves before the answer's end.
local function estimated(text)
  local size, pictures = #text, 0
  if find(text, ";base64,", 1, true) then
    for from, to in gmatch(text, ';base64,()[^"]*()') do
      size, pictures = size - (to - from), pictures + 1
    end
  end
  return math.ceil(size / BYTES_PER_TOKEN) + pictures * PICTURE
end

-- The refusal of a body, or nothing.
local function change(request, body)
  local path, context = request:headers():get(":path"), request:filterContext()
  local text = body:getBytes(0, body:length())
  local order, named, stop = members(text, assert(match(text, "^[ \t\r\n]*()")))
  assert(stop == #text + 1)
  local stream = value(text, named.stream) or "null"
  if stream ~= "true" and stream ~= "false" and stream ~= "null" then
    return BAD_STREAM
  end
  local changes, most = context:get("set") or {}, context:get("most")
  if not context:get("set") then
    request:streamInfo():dynamicMetadata():set("aistack", "estimated_prompt", estimated(text))
  end
  if context:get("usage") and not asks_usage(text, named.stream_options) then
    changes.stream_options = '{"include_usage": true}'
  end
  if most then
    local chat = sub(path, 1, 9) == "/v1/chat/"
    shorten(text, named, changes, most, chat and "max_completion_tokens" or "max_tokens")
  end
  if next(changes) then
    body:setBytes(changed(text, order, stop, changes))
  end
end

function envoy_on_request(request)
  if not request:filterContext():get("read") then
    return
  end
  local body = request:body(true) -- waits; what was read before can't be used any more
  local done, refusal = pcall(change, request, body)
  if body:length() > LARGE then
    collectgarbage() -- or many of them would be held until the next time
  end
  if not done or refusal then
    local headers = {[":status"] = "400", ["content-type"] = "application/json"}
    request:respond(headers, done and refusal or UNCLEAR)
  end
end
