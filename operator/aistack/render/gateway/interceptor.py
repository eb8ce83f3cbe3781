"""Runs inside LiteLLM, in the adapter's pod: does with a request what the front ordered, and nothing else.

The order is a header that the front writes and no client reaches: the model that LiteLLM is to call, the
guardrails, and how long the answer is kept and for whom. Whatever a client wrote to steer LiteLLM with is
taken out. The rest of the request is the key of its answer, so requests that differ never share one.
"""

import hashlib
import json
from typing import Any

from litellm.integrations.custom_logger import CustomLogger
from litellm.types.utils import is_litellm_owned_kwarg

ORDER = "x-aistack-order"
CLIENT = "x-aistack-for"
WRITTEN_BY_LITELLM = {
    "litellm_call_id",
    "litellm_logging_obj",
    "litellm_metadata",
    "metadata",
    "proxy_server_request",
    "secret_fields",
}
"""The fields of a request that LiteLLM itself has added by now."""
STEERING = {
    "additional_drop_params",
    "base_url",
    "content_policy_fallbacks",
    "context_window_fallbacks",
    "default_fallbacks",
    "default_headers",
    "deployment_id",
    "disable_fallbacks",
    "drop_params",
    "extra_body",
    "extra_headers",
    "extra_query",
    "guardrail_config",
    "litellm_params",
    "model_group_retry_policy",
    "models",
    "organization",
    "policies",
    "router_settings_override",
    "routing_groups",
    "routing_strategy_args",
    "specific_deployment",
    "standard_callback_dynamic_params",
    "timeout",
    "user_config",
}
"""What LiteLLM obeys besides the fields that it calls its own."""
DROPPED_OF_CHATS = {"thinking", "user", "verbosity"}
"""What LiteLLM would not hand on."""
READ_OF_COMPLETIONS = {"model", "prompt", "stream", "stream_options"}
"""What LiteLLM has to see; some of the others it would drop, with some it would fail."""


class Interceptor(CustomLogger):  # type: ignore[misc]
    async def async_pre_call_hook(
        self,
        user_api_key_dict: object,  # noqa: ARG002 - LiteLLM calls it with these names
        cache: object,  # noqa: ARG002
        data: dict[str, Any],
        call_type: str,
    ) -> dict[str, Any]:
        """Stands first among LiteLLM's callbacks: its guardrails read what is written here."""
        headers = data["proxy_server_request"]["headers"]
        if ORDER not in headers:  # a model that is only translated for
            return data | {"cache": {}}
        order = json.loads(headers[ORDER])
        client = headers.get(CLIENT, "")
        is_text = call_type == "atext_completion"
        # LiteLLM gives what it kept of a plain completion's stream again without its words.
        keep = {} if is_text and data.get("stream") else order.get("cache", {})
        asked = {name: value for name, value in data.items() if not _steers(name)}
        added = {name: value for name, value in data.items() if name in WRITTEN_BY_LITELLM}
        added["metadata"].pop("guardrail_config", None)
        added["metadata"]["guardrails"] = order["guardrails"]
        beside = {name: value for name, value in asked.items() if _is_beside(name, is_text=is_text)}
        return {
            **{name: value for name, value in asked.items() if name not in beside},
            **added,
            **_keeping(keep, [order["model"], call_type], client, asked),
            "model": f"{order['model']}.text" if is_text else order["model"],
            "extra_body": beside,
            "extra_headers": {CLIENT: client} if client else {},
            "disable_fallbacks": True,
            "num_retries": 0,
        }


def _steers(name: str) -> bool:
    return name in STEERING or name in WRITTEN_BY_LITELLM or is_litellm_owned_kwarg(name)


def _is_beside(name: str, *, is_text: bool) -> bool:
    """Whether a field goes on as it is, unread."""
    return name not in READ_OF_COMPLETIONS if is_text else name in DROPPED_OF_CHATS


def _keeping(keep: dict[str, Any], called: list[str], client: str, asked: dict[str, Any]) -> dict[str, Any]:
    """The cache's controls. A newer epoch finds nothing of an older one; entries end by themselves.

    An age is asked for with the time to live: a replica's memory would keep what it read from Redis longer.
    """
    if not keep:
        return {"cache": {}}
    whose = [] if keep["shared"] else [client, keep["epochs"].get(client, "")]
    request = json.dumps([called, keep["epoch"], whose, asked], sort_keys=True)
    return {
        "cache_key": hashlib.sha256(request.encode()).hexdigest(),
        "cache": {"use-cache": True, "ttl": keep["seconds"], "s-maxage": keep["seconds"]},
    }


interceptor = Interceptor()
