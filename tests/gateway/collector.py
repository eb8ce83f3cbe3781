"""A small OpenTelemetry collector: what is sent to it by OTLP over HTTP, read from the wire.

The message's shape: https://github.com/open-telemetry/opentelemetry-proto, trace.proto; the wire's:
https://protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from aiohttp import web

Field = tuple[int, int | bytes]
"""The number of a field, and its value."""
BITS_64, LENGTH, BITS_32 = 1, 2, 5


@dataclass(frozen=True)
class Span:
    name: str
    trace: str
    """In hexadecimal, as in a traceparent."""
    id: str
    parent: str
    kind: int
    """2 is a server's, 3 a client's."""
    attributes: dict[str, str]


@dataclass
class Collector:
    """Remembers the bodies that it was sent."""

    bodies: list[bytes] = field(default_factory=list)
    port: int = 0
    _runner: web.AppRunner | None = None

    @property
    def spans(self) -> list[Span]:
        return [span for body in self.bodies for span in _spans(body)]

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/v1/traces", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        return web.Response(content_type="application/x-protobuf")


def _spans(body: bytes) -> Iterator[Span]:
    """Resources hold scopes, and these hold spans."""
    for resource in _messages(body, 1):
        for scope in _messages(resource, 2):
            yield from map(_span, _messages(scope, 2))


def _span(message: bytes) -> Span:
    found = dict(_fields(message))
    texts = {number: value for number, value in found.items() if isinstance(value, bytes)}
    return Span(
        name=texts[5].decode(),
        trace=texts[1].hex(),
        id=texts[2].hex(),
        parent=texts.get(4, b"").hex(),
        kind=int(found.get(6, 0)),
        attributes=dict(map(_attribute, _messages(message, 9))),
    )


def _attribute(message: bytes) -> tuple[str, str]:
    [key], [value] = _messages(message, 1), _messages(message, 2)
    texts = (text.decode() for text in _messages(value, 1))
    return key.decode(), next(texts, "")


def _messages(message: bytes, number: int) -> list[bytes]:
    return [value for each, value in _fields(message) if each == number and isinstance(value, bytes)]


def _fields(message: bytes) -> Iterator[Field]:
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == LENGTH:
            length, at = _varint(message, at)
            yield number, message[at : at + length]
            at += length
        elif kind in {BITS_64, BITS_32}:
            size = 8 if kind == BITS_64 else 4
            yield number, int.from_bytes(message[at : at + size], "little")
            at += size
        else:
            value, at = _varint(message, at)
            yield number, value


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """The number that begins at `at`, and where it ends."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
