"""The internet as a stack sees it: the model hub and two providers, on 443, under their own names.

    python -m tests.e2e.internet ADDRESS CERTIFICATE KEY

The node's DNS leads their names here, and the images of the tests trust the authority that signed the
certificate. So what is rendered for the real ones, NetworkPolicies included, runs as it stands.
"""

import hashlib
import json
import logging
import re
import ssl
import sys
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from aiohttp import web

from tests.e2e.models import chat_model, embedding_model

HUB, OPENAI, ANTHROPIC = "huggingface.co", "api.openai.com", "api.anthropic.com"
NAMES = (HUB, OPENAI, ANTHROPIC)
GATED = "meta-llama/"
"""Models that the hub shows only to those with a token."""
TOKEN, PROVIDER_KEY = "hf-for-tests", "key-for-tests"
ANSWER = ("I ", "am ", "a ", "provider.")


def main(address: str, certificate: str, key: str) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    web.run_app(application(), host=address, port=443, ssl_context=context, access_log_format="%t %r %s")


def application() -> web.Application:
    app = web.Application()
    app.router.add_get(r"/api/models/{repository:[^/]+/[^/]+}/revision/{revision}", _describe)
    app.router.add_get(r"/api/models/{repository:[^/]+/[^/]+}", _describe)
    app.router.add_get(r"/api/models/{repository:[^/]+/[^/]+}/tree/{revision}{folder:.*}", _list)
    app.router.add_get(r"/{repository:[^/]+/[^/]+}/resolve/{revision}/{file:.+}", _download)
    app.router.add_post("/v1/chat/completions", _openai)
    app.router.add_post("/v1/messages", _anthropic)
    app[MODELS] = {"chat": chat_model(), "embedding": embedding_model()}
    return app


MODELS = web.AppKey("models", dict[str, dict[str, bytes]])


# The hub


def _files(request: web.Request) -> Mapping[str, bytes]:
    """The model of this name: one of each task has all names. 401 as the hub says it."""
    repository = request.match_info["repository"]
    known = request.headers.get("authorization") == f"Bearer {TOKEN}"
    if repository.startswith(GATED) and not known:
        headers = {"X-Error-Code": "GatedRepo", "X-Error-Message": f"Access to {repository} is restricted."}
        raise web.HTTPUnauthorized(headers=headers)
    if re.search("missing", repository, re.IGNORECASE):
        raise web.HTTPUnauthorized(headers={"X-Error-Code": "RepoNotFound"})
    return request.app[MODELS]["embedding" if "MiniLM" in repository else "chat"]


def _commit(request: web.Request) -> str:
    """A full commit stays what it is; a branch has one."""
    revision = request.match_info.get("revision", "main")
    return revision if re.fullmatch("[0-9a-f]{40}", revision) else hashlib.sha1(b"main").hexdigest()  # noqa: S324 - git's


async def _describe(request: web.Request) -> web.Response:
    siblings = [{"rfilename": name} for name in _files(request)]
    name = request.match_info["repository"]
    return web.json_response({"id": name, "modelId": name, "sha": _commit(request), "siblings": siblings})


async def _list(request: web.Request) -> web.Response:
    folder = request.match_info["folder"].strip("/")
    listed = [
        {"type": "file", "path": name, "size": len(content), "oid": _etag(content)}
        for name, content in _files(request).items()
        if not folder or name.startswith(f"{folder}/")
    ]
    if not listed:
        raise web.HTTPNotFound(headers={"X-Error-Code": "EntryNotFound"})
    return web.json_response(listed)


async def _download(request: web.Request) -> web.Response:
    content = _files(request).get(request.match_info["file"])
    commit = {"X-Repo-Commit": _commit(request)}
    if content is None:
        raise web.HTTPNotFound(headers={"X-Error-Code": "EntryNotFound", **commit})
    return web.Response(body=content, headers={"ETag": f'"{_etag(content)}"', **commit})


def _etag(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()  # noqa: S324 - git's


# The providers


async def _openai(request: web.Request) -> web.StreamResponse:
    _refuse_strangers(request.headers.get("authorization", "").removeprefix("Bearer "))
    body = await request.json()
    common = {"id": "chatcmpl-1", "created": int(time.time()), "model": body["model"]}
    usage = {"prompt_tokens": 9, "completion_tokens": len(ANSWER), "total_tokens": 9 + len(ANSWER)}
    if not body.get("stream"):
        message = {"role": "assistant", "content": "".join(ANSWER)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        whole = {**common, "object": "chat.completion", "choices": [choice], "usage": usage}
        return web.json_response(whole)

    async def events() -> AsyncIterator[tuple[str, Any]]:
        for word in ANSWER:
            choice = {"index": 0, "delta": {"content": word}, "finish_reason": None}
            yield "", {**common, "object": "chat.completion.chunk", "choices": [choice]}
        end = {"index": 0, "delta": {}, "finish_reason": "stop"}
        yield "", {**common, "object": "chat.completion.chunk", "choices": [end], "usage": usage}

    return await _stream(request, events(), end=b"data: [DONE]\n\n")


async def _anthropic(request: web.Request) -> web.StreamResponse:
    _refuse_strangers(request.headers.get("x-api-key", ""))
    body = await request.json()
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"]}
    usage = {"input_tokens": 9, "output_tokens": len(ANSWER)}
    if not body.get("stream"):
        content = [{"type": "text", "text": "".join(ANSWER)}]
        whole = {**message, "content": content, "stop_reason": "end_turn", "usage": usage}
        return web.json_response(whole)

    async def events() -> AsyncIterator[tuple[str, Any]]:
        begin = {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
        yield "message_start", {"message": begin}
        yield "content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}
        for word in ANSWER:
            yield "content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": word}}
        yield "content_block_stop", {"index": 0}
        yield "message_delta", {"delta": {"stop_reason": "end_turn"}, "usage": usage}
        yield "message_stop", {}

    return await _stream(request, events(), end=b"")


def _refuse_strangers(key: str) -> None:
    if key != PROVIDER_KEY:
        text = json.dumps({"error": {"type": "authentication_error", "message": "invalid API key"}})
        raise web.HTTPUnauthorized(text=text, content_type="application/json")


async def _stream(
    request: web.Request, events: AsyncIterator[tuple[str, Any]], end: bytes
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    async for name, data in events:
        head = f"event: {name}\n" if name else ""
        typed = {"type": name, **data} if name else data
        await response.write(f"{head}data: {json.dumps(typed)}\n\n".encode())
    await response.write_eof(end)
    return response


if __name__ == "__main__":
    main(*sys.argv[1:4])
