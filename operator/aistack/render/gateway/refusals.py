"""What a refusal becomes, by scripts in Lua at the egress listener.

Where it is the gateway's own failure the next target is tried, and no client sees a provider's words, which
may quote our key. Of the adapter clients see nothing.
"""

import json

from aistack.kinds import Manifest
from aistack.render.gateway.envoy import extension, typed
from aistack.render.gateway.interception import CACHE_HEADER
from aistack.render.gateway.replies import (
    CONTENT_FILTER,
    MODEL_MISSING,
    MODELS_DOWN,
    MONEY_SPENT,
    NOT_TRANSLATED,
    OWN,
    PROVIDER_FAILED,
    PROVIDER_REFUSED,
    QUOTA,
    as_text,
)

FILTER = "lua"
UNKNOWN_HEADER = "x-aistack-unknown-model"
"""On an answer of an adapter that doesn't know the model, until the next one was tried."""
BECOMES = f"""\
local function becomes(answer, body)
  answer:headers():replace(":status", "503")
  answer:headers():replace("content-type", "application/json")
  answer:headers():replace("{OWN}", "true")
  answer:body(true):setBytes(body)
end
"""


def refusals() -> Manifest:
    """The filter in the egress listener's chain: a provider that refuses our key has failed."""
    return extension(
        FILTER, "filters.http.lua.v3.Lua", default_source_code={"inline_string": _script(_refused_key())}
    )


def refusals_of_adapter(unknown_model: str) -> Manifest:
    """A host's configuration of it, for the adapter.

    While its pods are renewed, some don't know a model that is new, or one that an older route still names.
    That is a 400 with the words `unknown_model`, which no client is to blame for.
    """
    unknown = _if_unknown(unknown_model, _becomes(MODEL_MISSING))
    script = _script(_of_adapter(), _refused_key(), unknown, _no_answer(PROVIDER_FAILED), _in_words())
    return {
        FILTER: typed("extensions.filters.http.lua.v3.LuaPerRoute", source_code={"inline_string": script})
    }


def refusals_of_interception(unknown_model: str) -> Manifest:
    """The same where the adapter asks this gateway again: it says what was given before, nothing of itself,
    and what the models could not answer in the gateway's words.
    """
    unknown = _if_unknown(unknown_model, _becomes(MODEL_MISSING))
    cases = (_given_before(), _of_adapter(), _refused_key(), unknown, _refused(), _spent())
    script = _script(*cases, _no_answer(MODELS_DOWN), _in_words())
    return {
        FILTER: typed("extensions.filters.http.lua.v3.LuaPerRoute", source_code={"inline_string": script})
    }


def marked_unknown(unknown_model: str) -> Manifest:
    """A filter where another attempt may follow, which the headers decide, before the hosts' scripts run. It
    has a name of its own: by the same one it would be configured with theirs.
    """
    mark = f'answer:headers():replace("{UNKNOWN_HEADER}", "true")'
    script = _script(_if_unknown(unknown_model, mark))
    return extension("unknown", "filters.http.lua.v3.Lua", default_source_code={"inline_string": script})


def _script(*cases: str) -> str:
    begin = 'function envoy_on_response(answer)\n  local status = answer:headers():get(":status")\n'
    return f"{BECOMES}{begin}{''.join(cases)}end\n"


def _given_before() -> str:
    return f"""\
  if answer:headers():get("x-litellm-cache-key") then
    answer:headers():replace("{CACHE_HEADER}", "hit")
  end
"""


def _of_adapter() -> str:
    """Its headers name providers' addresses and say what it believes an answer to cost."""
    return f"""\
  local headers, own = answer:headers(), {{}}
  for name in pairs(headers) do
    if string.sub(name, 1, 10) == "x-litellm-" or string.sub(name, 1, 13) == "llm_provider-" then
      table.insert(own, name)
    end
  end
  for _, name in ipairs(own) do
    headers:remove(name)
  end
  headers:remove("{UNKNOWN_HEADER}")
"""


def _refused() -> str:
    """LiteLLM names the guardrail and what it found, which is nobody's business."""
    return f"""\
  if status == "400" then
    local body = answer:body(true)
    if string.find(tostring(body:getBytes(0, body:length())), "guardrail_name", 1, true) then
      answer:body(true):setBytes([[{as_text(CONTENT_FILTER)}]])
    end
  end
"""


def _spent() -> str:
    """LiteLLM quotes what it was told; a provider says so, too, where the gateway's own account is empty."""
    return f"""\
  if status == "402" then
    local body = answer:body(true)
    if string.find(tostring(body:getBytes(0, body:length())), "{QUOTA}", 1, true) then
      answer:headers():replace("{OWN}", "true")
      answer:body(true):setBytes([[{as_text(MONEY_SPENT)}]])
    else
      {_becomes(MODELS_DOWN)}
    end
  end
"""


def _no_answer(error: Manifest) -> str:
    """LiteLLM says 408 where its own patience has ended."""
    return f"""\
  if status == "408" or status >= "500" then
    {_becomes(error)}
  end
"""


def _in_words() -> str:
    """Of what else LiteLLM says, the provider's words alone; it writes `AzureException - ` before them."""
    return f"""\
  if status >= "400" and status < "500" then
    local body = answer:body(true)
    local said = tostring(body:getBytes(0, body:length()))
    local _, start = string.find(said, "%a+Exception[ %a]* %- ")
    if not string.find(said, "litellm", 1, true) then
      return
    elseif not start or string.find(said, "Traceback", 1, true) then
      said = [[{as_text(NOT_TRANSLATED)}]]
    else
      said = '{{"error":{{"message":"' .. string.sub(said, start + 1)
    end
    body:setBytes(said)
  end
"""


def _refused_key() -> str:
    return f"""\
  if status == "401" or status == "403" then
    {_becomes(PROVIDER_REFUSED)}
  end
"""


def _if_unknown(words: str, then: str) -> str:
    return f"""\
  if status == "400" then
    local body = answer:body(true)
    if string.find(tostring(body:getBytes(0, body:length())), {json.dumps(words)}, 1, true) then
      {then}
    end
  end
"""


def _becomes(error: Manifest) -> str:
    return f"becomes(answer, [[{as_text(error)}]])"
