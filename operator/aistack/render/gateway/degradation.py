"""The last answer of a route: what clients get when none of its models can answer.

It comes from the egress listener of the same Envoy, so it is the last member of a list of attempts like any
other; it is a valid completion, whole or as a stream, with the header x-aistack-degraded.
"""

import json
from collections.abc import Iterator

from aistack.kinds import Manifest
from aistack.render.gateway.envoy import literal
from aistack.render.gateway.neutral import NeutralRoute

DEGRADED_HEADER = "x-aistack-degraded"
CHAT_ID = "chatcmpl-%UNIQUE_ID%"
TEXT_ID = "cmpl-%UNIQUE_ID%"


def last_answer_name(route: NeutralRoute, *, stream: bool) -> str:
    """The cluster of a route's last answer, and its host name at the egress listener."""
    return f"{route.name}.{'stream' if stream else 'whole'}.down"


def last_answers(route: NeutralRoute) -> Iterator[Manifest]:
    """The egress listener's virtual hosts: by the host it is known whether a stream was asked for."""
    if route.when_down is None:
        return
    text = literal(route.when_down)
    yield _host(
        last_answer_name(route, stream=False),
        "application/json",
        chat=json.dumps(_whole_chat(route.name, text)),
        completion=json.dumps(_whole_completion(route.name, text)),
    )
    yield _host(
        last_answer_name(route, stream=True),
        "text/event-stream",
        chat=_events(*_chat_chunks(route.name, text)),
        completion=_events(_completion(route.name, text)),
    )


def _host(name: str, content_type: str, *, chat: str, completion: str) -> Manifest:
    return {
        "name": name,
        "domains": [name],
        "routes": [
            _answer("/v1/chat/completions", content_type, chat),
            _answer("/v1/completions", content_type, completion),
        ],
    }


def _answer(path: str, content_type: str, body: str) -> Manifest:
    return {
        "match": {"path": path},
        "direct_response": {
            "status": 200,
            "body_format": {"content_type": content_type, "text_format_source": {"inline_string": body}},
        },
        "response_headers_to_add": [
            {
                "header": {"key": DEGRADED_HEADER, "value": "true"},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }
        ],
    }


def _whole_chat(model: str, text: str) -> Manifest:
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return {**_head(CHAT_ID, "chat.completion", model), "choices": [choice], "usage": _no_usage()}


def _whole_completion(model: str, text: str) -> Manifest:
    return {**_completion(model, text), "usage": _no_usage()}


def _completion(model: str, text: str) -> Manifest:
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": "stop"}
    return {**_head(TEXT_ID, "text_completion", model), "choices": [choice]}


def _chat_chunks(model: str, text: str) -> Iterator[Manifest]:
    for delta, reason in (({"role": "assistant", "content": text}, None), ({}, "stop")):
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        yield {**_head(CHAT_ID, "chat.completion.chunk", model), "choices": [choice]}


def _head(identity: str, sort: str, model: str) -> Manifest:
    return {"id": identity, "object": sort, "created": 0, "model": model}


def _no_usage() -> Manifest:
    return {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


def _events(*events: Manifest) -> str:
    return "".join(f"data: {text}\n\n" for text in (*map(json.dumps, events), "[DONE]"))
