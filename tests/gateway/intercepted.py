"""What tests of intercepted routes share: the cache's Redis, and how an answer is asked for and read."""

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp

from aistack.render.gateway.redis_pod import ANSWERS, redis_arguments
from aistack.render.gateway.redis_pod import Memory as Use
from tests.gateway.front import HOST, Front, Reply, free_ports
from tests.gateway.limiter import redis_server, until_listening


class Memory:
    """The cache's Redis, or another use's, as a stack's pod runs it."""

    def __init__(self, folder: Path, use: Use = ANSWERS) -> None:
        self.folder, self.use = folder, use
        [self.port] = free_ports(1)
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        here = ["--port", str(self.port), "--bind", HOST, "--dir", str(self.folder)]
        with (self.folder / "redis.log").open("a") as log:
            self._process = await asyncio.create_subprocess_exec(
                str(redis_server()), *here, *redis_arguments(self.use), stdout=log, stderr=log
            )
        await until_listening(self.port)

    async def stop(self) -> None:
        if self._process:
            self._process.kill()
            await self._process.wait()
            self._process = None


async def say(front: Front, route: str, text: str, *, key: str = "web-key", **options: Any) -> Reply:
    messages = [{"role": "user", "content": text}]
    reply = await front.ask(route, key=key, messages=messages, **options)
    assert reply.status == 200, (reply.status, reply.text)
    return reply


def was_kept(reply: Reply) -> bool:
    return reply.headers.get("x-aistack-cache") == "hit"


def events(reply: Reply) -> list[Any]:
    *said, last = [line.removeprefix("data: ") for line in reply.text.splitlines() if line]
    assert last == "[DONE]"
    return [json.loads(event) for event in said]


def content(reply: Reply) -> str:
    """What was said, whole or as a stream."""
    if reply.json:
        return str(reply.json["choices"][0]["message"]["content"])
    deltas = (choice["delta"] for event in events(reply) for choice in event["choices"])
    return "".join(delta.get("content") or "" for delta in deltas)


async def ask(front: Front, route: str, text: Any, **options: Any) -> Reply:
    return await front.ask(route, messages=[{"role": "user", "content": text}], **options)


async def until_it_breaks(front: Front, route: str, text: str) -> bytes:
    """What comes of a stream, whole or not."""
    body = {"model": route, "stream": True, "messages": [{"role": "user", "content": text}]}
    said = b""
    async with front.session.post("/v1/chat/completions", json=body) as answer:
        with suppress(aiohttp.ClientPayloadError):
            async for piece in answer.content.iter_any():
                said += piece
    return said


def is_refused(reply: Reply) -> bool:
    return reply.status == 400 and reply.json["error"]["code"] == "content_filter"
