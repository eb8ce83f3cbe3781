"""Errors in the form that OpenAI's clients read."""

import json

from aistack.kinds import Manifest
from aistack.render.gateway.envoy import METADATA, extension, meeting, script

MODEL = f"%DYNAMIC_METADATA({METADATA}:model):128%"
"""The requested model in a format string, cut to 128 characters."""

OWN = "x-aistack-own"
"""On an error that the gateway says itself, until the client's listener: what models say of their own failure
is not passed on."""
SAID_HERE = {"header": {"key": OWN, "value": "true"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}

WITH_WORDS = ["direct_response", "lua_response"]
"""What Envoy calls replies that routes and scripts have worded."""


def error(message: str, kind: str, code: str, param: str | None = None) -> Manifest:
    """A body format; `message` is a format string."""
    return {"json_format": {"error": {"message": message, "type": kind, "param": param, "code": code}}}


def as_text(found: Manifest) -> str:
    """An error without formats, for a script in Lua."""
    return json.dumps(found["json_format"])


NOT_JSON = error("The body of the request is not JSON.", "invalid_request_error", "invalid_json")
NO_MODEL = error(
    "The request names no model; write one in the field model.",
    "invalid_request_error",
    "missing_model",
    "model",
)
UNCLEAR = error(
    "The body of the request can be read in two ways: no field of it may be named twice, and names "
    "have letters, digits, '_', '-' and '.' only.",
    "invalid_request_error",
    "unclear_body",
)
BAD_STREAM = error(
    "The field stream has to be true or false.", "invalid_request_error", "invalid_stream", "stream"
)
UNKNOWN_MODEL = error(
    f"The model '{MODEL}' is not here, or does not answer this path; GET /v1/models lists the models.",
    "invalid_request_error",
    "model_not_found",
    "model",
)
UNKNOWN_NAME = error(
    "No model has this name; GET /v1/models lists the models.",
    "invalid_request_error",
    "model_not_found",
    "model",
)
UNKNOWN_PATH = error(
    "This gateway has no such path; it speaks OpenAI's API under /v1.",
    "invalid_request_error",
    "unknown_url",
)
WRONG_KEY = error("The API key is missing or wrong.", "invalid_request_error", "invalid_api_key")
FORBIDDEN = error(
    f"This API key may not use the model '{MODEL}'.", "permission_error", "model_not_allowed", "model"
)
TOO_MANY = error(
    f"There were too many requests for the model '{MODEL}' or of this client; try again a little later.",
    "requests",
    "rate_limit_exceeded",
)
QUOTA = "insufficient_quota"
MONEY_SPENT = error(
    "The money for this model is spent until the month turns; ask who runs this gateway.", QUOTA, QUOTA
)


MODEL_SPENT = 402
SPENT, CLIENT_SPENT = 430, 423
"""Nobody's statuses: they become 429, the first with its own words and the second, a counter's, with those of
spent money, where 429 itself gets those of limits a minute."""
NEVER_AGAIN = {
    "header": {"key": "x-should-retry", "value": "false"},
    "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
}
"""OpenAI's own libraries try a 429 again, unless they are told not to."""


def client_money_spent(until: str) -> Manifest:
    return error(f"The money of this client is spent until {until}; ask who runs this gateway.", QUOTA, QUOTA)


NO_UPGRADE = error(
    "This gateway serves plain HTTP requests; no WebSocket and no other upgrade.",
    "invalid_request_error",
    "upgrade_refused",
)
NOT_HTTP = error(
    "The request can't be read: it has to name a host, and its path has no escaped slashes.",
    "invalid_request_error",
    "bad_request",
)
WRONG_METHOD = error("This path takes POST only.", "invalid_request_error", "method_not_allowed")
TOO_SLOW = error("The request did not arrive in time.", "invalid_request_error", "request_timeout")
TOO_LARGE = error(
    "The request is larger than the gateway accepts.", "invalid_request_error", "request_too_large"
)
HEADERS_TOO_LARGE = error(
    "The headers are larger than the gateway accepts.", "invalid_request_error", "headers_too_large"
)
NO_ANSWER = error(
    f"No target of the model '{MODEL}' could answer (%RESPONSE_FLAGS%).", "api_error", "upstream_unavailable"
)
PROVIDER_DOWN = error(
    "The model's provider could not be reached (%RESPONSE_FLAGS%).", "api_error", "upstream_unavailable"
)
MODEL_MISSING = error(
    "The model is not there at the moment; try again a little later.", "api_error", "upstream_unavailable"
)
CONTENT_FILTER = error(
    "A guardrail of the model refused what the request or its answer contains.",
    "invalid_request_error",
    "content_filter",
)
SAID_OF_MODELS = {
    400: error(
        "The model '%MODEL%' refused the request, with no reason that can be passed on.",
        "invalid_request_error",
        "refused_by_model",
    ),
    402: error(
        "The model '%MODEL%' can't be asked; tell who runs this gateway.", "api_error", "upstream_refused"
    ),
    404: error(
        "The model '%MODEL%' is not available, or does not do what the request asks of it.",
        "invalid_request_error",
        "model_not_found",
        "model",
    ),
    429: error(
        "The model '%MODEL%' or its provider takes no more requests at the moment; try again a little later.",
        "requests",
        "rate_limit_exceeded",
    ),
    500: error("The model '%MODEL%' could not answer.", "api_error", "upstream_unavailable"),
}
"""What is said for a model, by its status: 400 is for all others below 500, and 500 for all above."""
MODELS_DOWN = error("No target of the model could answer.", "api_error", "upstream_unavailable")
PROVIDER_FAILED = error("The model's provider could not answer.", "api_error", "upstream_unavailable")
NOT_TRANSLATED = error(
    "The request can't be handed on to the model: it has a field with a value that the model does not take.",
    "invalid_request_error",
    "invalid_request",
)
PROVIDER_REFUSED = error(
    "The model's provider refused the gateway's credentials.", "api_error", "upstream_refused"
)


def front_replies(*, counts_money: bool) -> Manifest:
    """What becomes of the errors that Envoy answers itself on the way in; every failed target is a 503."""
    nothing_left = client_money_spent("the month turns")
    spent = _mapper(_status("EQ", CLIENT_SPENT), nothing_left, 429, NEVER_AGAIN)
    return {
        "mappers": [
            _mapper(meeting("response.code_details == 'upgrade_failed'"), NO_UPGRADE, 400),
            _mapper(_status("EQ", 401), WRONG_KEY),
            _mapper(_status("EQ", 403), FORBIDDEN),
            _mapper(_status("EQ", 408), TOO_SLOW),
            _mapper(_status("EQ", 413), TOO_LARGE),
            _mapper(_status("EQ", 429), TOO_MANY),
            {"filter": _status("EQ", SPENT), "status_code": 429, "headers_to_add": [SAID_HERE]},
            *([spent] if counts_money else []),
            _mapper(_status("EQ", 431), HEADERS_TOO_LARGE),
            _mapper(_status("GE", 500), NO_ANSWER, 503),
            _mapper(meeting(f"!(response.code_details in {WITH_WORDS})"), NOT_HTTP),
            {"filter": _status("GE", 400), "headers_to_add": [SAID_HERE]},
        ]
    }


def egress_replies(*, counts_money: bool) -> Manifest:
    """The same on the way out to a provider."""
    spent = [_mapper(_status("EQ", MODEL_SPENT), MONEY_SPENT)] if counts_money else []
    return {"mappers": [*spent, _mapper(_status("GE", 400), PROVIDER_DOWN, 503)]}


def own_words() -> Manifest:
    """The filter that gives what failed the gateway's words: errors.lua."""
    texts = ", ".join(f'["{status}"] = [[{as_text(said)}]]' for status, said in SAID_OF_MODELS.items())
    source = f'local OWN, OWN_WORDS = "{OWN}", {{{texts}}}\n{script("errors.lua")}'
    return extension("errors", "filters.http.lua.v3.Lua", default_source_code={"inline_string": source})


def _mapper(where: Manifest, body: Manifest, status: int | None = None, *headers: Manifest) -> Manifest:
    changed = {"status_code": status} if status else {}
    return {
        "filter": where,
        "body_format_override": body,
        "headers_to_add": [SAID_HERE, *headers],
        **changed,
    }


def _status(operator: str, status: int) -> Manifest:
    value = {"default_value": status, "runtime_key": "aistack.unused"}  # Envoy demands a key
    return {"status_code_filter": {"comparison": {"op": operator, "value": value}}}
