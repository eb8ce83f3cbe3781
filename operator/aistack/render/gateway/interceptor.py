"""Runs inside LiteLLM, in the adapter's pod: does with a request what the front ordered, and nothing else.

Where there is no order, a provider is to be asked: what OpenAI's API knows goes on, and nothing else.

The order is a header that the front writes and no client reaches: the model that LiteLLM is to call, the
guardrails, and how long the answer is kept and for whom. Whatever a client wrote to steer LiteLLM with is
taken out. The rest of the request is the key of its answer, so requests that differ never share one; unless
the order says how similar two questions may be, and the requests differ in the words of these alone.
"""

import asyncio
import hashlib
import json
import logging
import struct
from pathlib import Path
from typing import Any

import litellm
from litellm.integrations.custom_logger import CustomLogger
from litellm.proxy import proxy_server
from litellm.types.utils import is_litellm_owned_kwarg

ORDER = "x-aistack-order"
CLIENT = "x-aistack-for"
EMBEDDING = "x-aistack-embedding"
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
TRANSLATED = {
    "audio",
    "best_of",
    "dimensions",
    "documents",
    "echo",
    "encoding_format",
    "frequency_penalty",
    "function_call",
    "functions",
    "input",
    "input_type",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "modalities",
    "model",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "prompt",
    "prompt_cache_key",
    "prompt_cache_retention",
    "query",
    "rank_fields",
    "reasoning_effort",
    "response_format",
    "return_documents",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "suffix",
    "temperature",
    "thinking",
    "tool_choice",
    "tools",
    "top_k",
    "top_logprobs",
    "top_n",
    "top_p",
    "user",
    "verbosity",
    "web_search_options",
}
"""What a client may say to a provider: fields of OpenAI's API and of rerankers, `thinking` and `top_k`.

LiteLLM takes many others for where and as whom a provider is asked, and no list of those would be whole.
"""
DROPPED_OF_CHATS = {"thinking", "user", "verbosity"}
"""What LiteLLM would not hand on."""
READ_OF_COMPLETIONS = {"model", "prompt", "stream", "stream_options"}
"""What LiteLLM has to see; some of the others it would drop, with some it would fail."""
MOST_QUESTIONS = 10_000
"""That are compared with one another: those of equal requests for one client."""
SEARCH = Path(__file__).with_name("similar.lua").read_text()
log = logging.getLogger(__name__)


class Interceptor(CustomLogger):  # type: ignore[misc] # LiteLLM is in its own image and no dependency here
    async def async_pre_call_hook(
        self,
        user_api_key_dict: object,  # noqa: ARG002 - LiteLLM calls it with these names
        cache: object,  # noqa: ARG002 - the same
        data: dict[str, Any],
        call_type: str,
    ) -> dict[str, Any]:
        """Stands first among LiteLLM's callbacks: its guardrails read what is written here."""
        headers = data["proxy_server_request"]["headers"]
        if ORDER not in headers:
            return _for_provider(data)
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
            "extra_headers": {
                name: headers[name] for name in (CLIENT, order.get("session")) if headers.get(name)
            },
            "disable_fallbacks": True,
            "num_retries": 0,
        }

    async def async_pre_call_deployment_hook(
        self,
        kwargs: dict[str, Any],
        call_type: object,  # noqa: ARG002 - the same
    ) -> dict[str, Any]:
        """Stands behind the guardrails: what is compared is what a model would read, without what was masked,
        and nothing that was refused.
        """
        similar = (kwargs.get("cache") or {}).get("similar")
        question = _question(kwargs, similar["longest"]) if similar else ""
        if not similar or not question:
            return kwargs
        try:
            async with asyncio.timeout(similar["patience"]):
                key = await _key_of_similar(question, kwargs, similar)
        except Exception as error:  # noqa: BLE001 - whatever it is, the request is answered without it
            log.warning("%s found no similar question: %s", similar["model"], type(error).__name__)
            return kwargs
        if key == kwargs["cache_key"]:
            return kwargs
        # What is there no more by now is not replaced by what was not asked.
        return {**kwargs, "cache_key": key, "cache": {**kwargs["cache"], "no-store": True}}


def _for_provider(data: dict[str, Any]) -> dict[str, Any]:
    """The front alone decides who is asked, how often, and who comes next."""
    said = {name: value for name, value in data.items() if name in TRANSLATED | WRITTEN_BY_LITELLM}
    said["metadata"]["guardrails"] = []
    return {**said, "cache": {}, "disable_fallbacks": True, "num_retries": 0}


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
    found_by = [called, keep["epoch"], whose]
    cache = {"use-cache": True, "ttl": keep["seconds"], "s-maxage": keep["seconds"]}
    similar = keep.get("similar")
    if similar and _question(asked, similar["longest"]):
        around = [*found_by, keep["seconds"], similar["measure"], _without_question(asked)]
        cache["similar"] = {**similar, "set": f"similar:{_digest(around)}", "seconds": keep["seconds"]}
    return {"cache_key": _digest([*found_by, asked]), "cache": cache}


def _digest(content: list[Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _question(asked: dict[str, Any], longest: int) -> str:
    """The words of the last message; empty where it is no user's, has more than words or too many."""
    match asked.get("messages"):
        case [*_, {"role": "user", "content": str(words)}]:
            return words if len(words.encode(errors="surrogatepass")) <= longest else ""
        case _:
            return ""


def _without_question(asked: dict[str, Any]) -> dict[str, Any]:
    *earlier, last = asked["messages"]
    return {**asked, "messages": [*earlier, {**last, "content": ""}]}


async def _key_of_similar(question: str, kwargs: dict[str, Any], similar: dict[str, Any]) -> str:
    """The key of the answer to the most similar question; the request's own where it has an answer, or no
    question is similar enough.
    """
    own = str(kwargs["cache_key"])
    redis = litellm.cache.cache.init_async_client()
    if await redis.exists(own):
        return own
    headers = {**kwargs["extra_headers"], EMBEDDING: similar["route"]}
    answer = await proxy_server.llm_router.aembedding(
        model=similar["model"], input=[question], encoding_format="float", extra_headers=headers
    )
    vector = answer.data[0]["embedding"]
    packed = struct.pack(f"<{len(vector)}f", *vector)
    wanted = (packed, similar["similarity"], similar["seconds"], MOST_QUESTIONS)
    return str(await redis.eval(SEARCH, 2, similar["set"], own, *wanted), "ascii")


interceptor = Interceptor()
