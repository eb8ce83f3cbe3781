"""Runs inside LiteLLM behind the interceptor, for routes with guardrails: what these don't look at.

They read the messages of a chat, the words of a prompt, and the content of an answer. What else a request
says is given to them here; what else an answer says is taken out, and refused is what nobody can read.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import litellm
from fastapi import HTTPException
from litellm.constants import RETURN_RAW_MODEL_NAME_METADATA_KEY
from litellm.integrations.custom_guardrail import CustomGuardrail
from litellm.integrations.custom_logger import CustomLogger
from litellm.proxy._types import ProxyException
from litellm.types.guardrails import GuardrailEventHooks

NOT_OF_CLIENTS = {
    "cache",
    "cache_key",
    "extra_headers",
    "litellm_call_id",
    "litellm_logging_obj",
    "litellm_metadata",
    "metadata",
    "model",
    "proxy_server_request",
    "secret_fields",
}
"""The fields of a request that LiteLLM or the interceptor has written by now."""
READ = {"messages", "prompt"}
READ_OF_MESSAGES = {"content", "role", "tool_calls"}
REPEATING = {
    "logprobs",
    "prompt_embeds",
    "prompt_logprobs",
    "return_token_ids",
    "return_tokens_as_token_ids",
    "top_logprobs",
}
"""What says a prompt in numbers, or asks for words a second time."""
GIVEN = ("content", "function_call", "role", "tool_calls")
"""What is left of an answer's message."""


class Unseen(CustomLogger):  # type: ignore[misc] # LiteLLM is in its own image and no dependency here
    async def async_pre_call_hook(
        self,
        user_api_key_dict: object,  # noqa: ARG002 - LiteLLM calls it with these names
        cache: object,  # noqa: ARG002 - the same
        data: dict[str, Any],
        call_type: str,
    ) -> dict[str, Any]:
        if not _is_checked(data):
            return data
        _demand_words(data)
        if call_type == "atext_completion" and data.get("stream") and any(_guardrails(data, "post_call")):
            raise _refusal(
                "stream", "Streams of plain completions can't be checked; ask a chat, or leave it out."
            )
        for said in (data, data["extra_body"]):
            for name in REPEATING & said.keys():
                del said[name]
        unread = _unread(data)
        words = list(_words(unread))
        for guardrail in _guardrails(data, "pre_call"):
            words = await _checked(guardrail, words)
        data["metadata"][RETURN_RAW_MODEL_NAME_METADATA_KEY] = True  # else LiteLLM writes the interception's
        return _merged(data, _replaced(unread, iter(words)))

    async def async_post_call_success_hook(
        self,
        data: dict[str, Any],
        user_api_key_dict: object,  # noqa: ARG002 - LiteLLM calls it with these names
        response: Any,
    ) -> Any:
        return _withheld(response, data)

    async def async_post_call_streaming_iterator_hook(
        self,
        user_api_key_dict: object,  # noqa: ARG002 - LiteLLM calls it with these names
        response: AsyncIterator[Any],
        request_data: dict[str, Any],
    ) -> AsyncIterator[Any]:
        async for chunk in response:
            yield _withheld(chunk, request_data)


def _is_checked(data: dict[str, Any]) -> bool:
    return bool(data["metadata"].get("guardrails"))


def _demand_words(data: dict[str, Any]) -> None:
    match data:
        case {"messages": messages} if not _are_all(dict, messages):
            raise _refusal("messages", "The field messages has to be a list of objects.")
        case {"prompt": prompt} if not isinstance(prompt, str) and not _are_all(str, prompt):
            raise _refusal(
                "prompt", "The field prompt has to be a text or a list of texts: tokens can't be checked."
            )


def _are_all(kind: type, found: object) -> bool:
    return isinstance(found, list) and all(isinstance(each, kind) for each in found)


def _refusal(field: str, words: str) -> Exception:
    error: Exception = ProxyException(words, "invalid_request_error", field, 400)
    return error


def _guardrails(data: dict[str, Any], when: str) -> Iterator[CustomGuardrail]:
    """Those that the front has ordered."""
    event = GuardrailEventHooks(when)
    for callback in litellm.callbacks:
        if isinstance(callback, CustomGuardrail) and callback.should_run_guardrail(data, event):
            yield callback


async def _checked(guardrail: CustomGuardrail, words: list[str]) -> list[str]:
    try:
        found = await guardrail.apply_guardrail({"texts": words}, {"metadata": {}}, "request")
    except HTTPException as refusal:
        detail = {"error": "refused", "guardrail_name": guardrail.guardrail_name}
        raise HTTPException(refusal.status_code, detail) from refusal
    return list(found["texts"])


def _unread(data: dict[str, Any]) -> dict[str, Any]:
    """What a client says beside what guardrails read; of each message, too."""
    messages = [
        {name: value for name, value in message.items() if name not in READ_OF_MESSAGES}
        for message in data.get("messages", ())
    ]
    said = {name: value for name, value in data.items() if name not in READ | NOT_OF_CLIENTS}
    return {**said, "messages": messages}


def _merged(data: dict[str, Any], unread: dict[str, Any]) -> dict[str, Any]:
    pairs = zip(data.get("messages", ()), unread["messages"], strict=True)
    messages = {"messages": [read | rest for read, rest in pairs]} if "messages" in data else {}
    return {**data, **{name: value for name, value in unread.items() if name != "messages"}, **messages}


def _words(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for each in value:
                yield from _words(each)
        case dict():
            for each in value.values():
                yield from _words(each)


def _replaced(value: Any, words: Iterator[str]) -> Any:
    """The same with other words, in the order of `_words`."""
    match value:
        case str():
            return next(words)
        case list():
            return [_replaced(each, words) for each in value]
        case dict():
            return {name: _replaced(each, words) for name, each in value.items()}
        case _:
            return value


def _withheld(answer: Any, request: dict[str, Any]) -> Any:
    """An answer, or an event of a stream, without what no guardrail reads, and by the name of its route."""
    if not _is_checked(request):
        return answer
    answer.model, _, _ = request["model"].partition(".")
    for choice in answer.choices:
        for name in ("logprobs", "provider_specific_fields", "reasoning_content"):
            if hasattr(choice, name):
                setattr(choice, name, None)
        for name in ("message", "delta"):
            if said := getattr(choice, name, None):
                given = {each: getattr(said, each, None) for each in GIVEN}
                setattr(
                    choice, name, type(said)(**{each: it for each, it in given.items() if it is not None})
                )
    return answer


unseen = Unseen()
