"""A small server that answers as vLLM or a provider would, remembers what it was asked, and can fail."""

import asyncio
import json
import ssl
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

USAGE = {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}
"""What every answer says at least that it took; a stream only when it's asked to."""


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    text: str = ""


@dataclass
class StandIn:
    """Answers `{"answered_by": name}` and its usage; a stream says the first three times."""

    name: str
    port: int = 0
    host: str = "127.0.0.1"
    asked: list[Asked] = field(default_factory=list)
    status: int = 200
    """What requests are answered with; /health is well as long as the server runs."""
    words: str = ""
    """What an answer with another status says."""
    error_type: str = "application/json; charset=utf-8"
    """What it says that such an answer is."""
    error_headers: dict[str, str] = field(default_factory=dict)
    seconds_to_answer: float = 0
    """Before the headers of a whole answer."""
    seconds_to_first_token: float = 0
    """Between the headers of a stream and its first token, as in vLLM."""
    seconds_between_tokens: float = 0
    breaks_after_first_token: bool = False
    events: tuple[str, ...] = ()
    """What a stream says instead, and then nothing more until its client leaves."""
    cached_tokens: int | None = None
    """How many of a prompt's tokens it says it had in its cache."""
    bytes_of_padding: int = 0
    """What makes a whole answer longer, as a large batch of embeddings does."""
    tls: ssl.SSLContext | None = None
    _runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listens on a free port, or again on the one that it had."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_get("/health", self._health)
        app.router.add_post("/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port, ssl_context=self.tls, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """As if killed: connections are closed, nothing listens any more."""
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    def recover(self) -> None:
        """Forgets what it was asked, and every failure."""
        self.asked.clear()
        self.status, self.words = 200, ""
        self.error_type, self.error_headers = "application/json; charset=utf-8", {}
        self.seconds_to_answer = self.seconds_to_first_token = self.seconds_between_tokens = 0
        self.breaks_after_first_token, self.events = False, ()
        self.bytes_of_padding = 0
        self.cached_tokens = None

    @property
    def usage(self) -> dict[str, Any]:
        cached = None if self.cached_tokens is None else {"cached_tokens": self.cached_tokens}
        return {**USAGE, "prompt_tokens_details": cached}

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        body = json.loads(text)
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append(Asked(request.path, headers, body, text))
        if self.status != 200:
            return self._error()
        if body.get("stream"):
            return await self._stream(request, body)
        await asyncio.sleep(self.seconds_to_answer)
        return await self._whole(body)

    def _error(self) -> web.Response:
        said = json.dumps({"error": {"message": self.words or f"from {self.name}"}})
        headers = {"content-type": self.error_type, "retry-after": "7", **self.error_headers}
        return web.Response(text=said, status=self.status, headers=headers)

    async def _whole(self, body: dict[str, Any]) -> web.Response:
        padding = "x" * self.bytes_of_padding
        answer = {"answered_by": self.name, "model": body["model"], "padding": padding, "usage": self.usage}
        return web.json_response(answer)

    async def _stream(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        if self.events:
            return await self._unfinished(request, response)
        try:
            await asyncio.sleep(self.seconds_to_first_token)
            for _ in range(3):
                await response.write(f'data: {{"answered_by": "{self.name}"}}\n\n'.encode())
                if self.breaks_after_first_token and request.transport:
                    request.transport.abort()
                await asyncio.sleep(self.seconds_between_tokens)
            if body.get("stream_options", {}).get("include_usage"):
                await response.write(
                    f'data: {{"choices": [], "usage": {json.dumps(self.usage)}}}\n\n'.encode()
                )
            await response.write_eof(b"data: [DONE]\n\n")
        except ConnectionError:
            pass  # the gateway turned to another target
        return response

    async def _unfinished(self, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        for event in self.events:
            await response.write(f"data: {event}\n\n".encode())
        while request.transport and not request.transport.is_closing():  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.01)
        return response
