"""A small OpenTelemetry collector: what is sent to it by OTLP over HTTP, read from the wire.

The messages' shape: https://github.com/open-telemetry/opentelemetry-proto, trace.proto and logs.proto; the
wire's: https://protobuf.dev/programming-guides/encoding.
"""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field

from aiohttp import web
from multidict import CIMultiDictProxy

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


@dataclass(frozen=True)
class Record:
    """One of a log."""

    nanoseconds: int
    """When, since 1970."""
    attributes: dict[str, str]
    resource: dict[str, str]
    """Whose log it is."""


@dataclass
class Collector:
    """Remembers what it was sent."""

    tls: ssl.SSLContext | None = None
    bodies: list[bytes] = field(default_factory=list)
    headers: list[CIMultiDictProxy[str]] = field(default_factory=list)
    port: int = 0
    _runner: web.AppRunner | None = None

    @property
    def spans(self) -> list[Span]:
        return [span for body in self.bodies for span in _spans(body)]

    @property
    def records(self) -> list[Record]:
        return [record for body in self.bodies for record in _records(body)]

    async def start(self) -> None:
        """Another time on the same port."""
        app = web.Application()
        app.router.add_post("/v1/traces", self._take)
        app.router.add_post("/v1/logs", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self.tls).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        self.headers.append(request.headers)
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


def _records(body: bytes) -> Iterator[Record]:
    """Resources hold scopes, and these hold records."""
    for resource_logs in _messages(body, 1):
        [resource] = _messages(resource_logs, 1)
        about = dict(map(_attribute, _messages(resource, 1)))
        for scope in _messages(resource_logs, 2):
            for message in _messages(scope, 2):
                nanoseconds = next(int(value) for number, value in _fields(message) if number == 1)
                yield Record(nanoseconds, dict(map(_attribute, _messages(message, 6))), about)


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
