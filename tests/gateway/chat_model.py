"""A stand-in that answers in OpenAI's form, each time something new, so that an old answer is known by it."""

import asyncio
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.gateway.stand_in import USAGE, StandIn


@dataclass
class ChatModel(StandIn):
    """Says `answer <number>`, or `words` if it has any; a stream says five letters at a time."""

    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    beside: dict[str, Any] = field(default_factory=dict)
    """What a chat's message has beside its words."""

    def recover(self) -> None:
        super().recover()
        self.beside = {}

    @property
    def heard(self) -> list[Any]:
        """The last message of each request."""
        return [asked.body["messages"][-1]["content"] for asked in self.asked]

    async def _whole(self, body: dict[str, Any]) -> web.Response:
        text = self._text()
        message = {"role": "assistant", "content": text, **self.beside}
        said = {"text": text} if "prompt" in body else {"message": message}
        return web.json_response({**_answer(body, {**said, "finish_reason": "stop"}), "usage": USAGE})

    async def _stream(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        text = self._text()
        if self.beside:
            await response.write(_event(_answer(body, {"delta": self.beside}, chunk=True)))
        for piece in [*(text[i : i + 5] for i in range(0, len(text), 5)), ""]:
            said = {"text": piece} if "prompt" in body else {"delta": {"content": piece} if piece else {}}
            choice = {**said, "finish_reason": None if piece else "stop"}
            await response.write(_event(_answer(body, choice, chunk=True)))
            await asyncio.sleep(self.seconds_between_tokens)
        if body.get("stream_options", {}).get("include_usage"):
            await response.write(_event({**_answer(body, chunk=True), "usage": USAGE}))
        await response.write_eof(b"data: [DONE]\n\n")
        return response

    def _text(self) -> str:
        return self.words or f"answer {next(self.numbers)}"


def _answer(body: dict[str, Any], *choices: dict[str, Any], chunk: bool = False) -> dict[str, Any]:
    sort = "text_completion" if "prompt" in body else f"chat.completion{'.chunk' if chunk else ''}"
    numbered = [{"index": number, **choice} for number, choice in enumerate(choices)]
    return {"id": "one", "object": sort, "created": 1, "model": body["model"], "choices": numbered}


def _event(event: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(event)}\n\n".encode()
