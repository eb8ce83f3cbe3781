"""Errors in the form that OpenAI's clients read."""

import json

from aistack.kinds import Manifest
from aistack.render.gateway.envoy import METADATA

MODEL = f"%DYNAMIC_METADATA({METADATA}:model):128%"
"""The requested model in a format string, cut to 128 characters."""


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
MODELS_DOWN = error("No target of the model could answer.", "api_error", "upstream_unavailable")
PROVIDER_FAILED = error("The model's provider could not answer.", "api_error", "upstream_unavailable")
PROVIDER_BUSY = error(
    "The model's provider takes no more requests at the moment; try again a little later.",
    "requests",
    "rate_limit_exceeded",
)
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
    spent = {
        **_mapper("EQ", CLIENT_SPENT, client_money_spent("the month turns")),
        "status_code": 429,
        "headers_to_add": [NEVER_AGAIN],
    }
    return {
        "mappers": [
            _mapper("EQ", 401, WRONG_KEY),
            _mapper("EQ", 403, FORBIDDEN),
            _mapper("EQ", 408, TOO_SLOW),
            _mapper("EQ", 413, TOO_LARGE),
            _mapper("EQ", 429, TOO_MANY),
            {"filter": _status("EQ", SPENT), "status_code": 429},
            *([spent] if counts_money else []),
            _mapper("EQ", 431, HEADERS_TOO_LARGE),
            {**_mapper("GE", 500, NO_ANSWER), "status_code": 503},
        ]
    }


def egress_replies(*, counts_money: bool) -> Manifest:
    """The same on the way out to a provider."""
    spent = [_mapper("EQ", MODEL_SPENT, MONEY_SPENT)] if counts_money else []
    return {"mappers": [*spent, {**_mapper("GE", 400, PROVIDER_DOWN), "status_code": 503}]}


def _mapper(operator: str, status: int, body: Manifest) -> Manifest:
    return {"filter": _status(operator, status), "body_format_override": body}


def _status(operator: str, status: int) -> Manifest:
    value = {"default_value": status, "runtime_key": "aistack.unused"}  # Envoy demands a key
    return {"status_code_filter": {"comparison": {"op": operator, "value": value}}}
