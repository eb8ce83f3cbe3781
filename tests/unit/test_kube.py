"""The client against a server that answers as it is told to, or not at all."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import orjson
import pytest
from aiohttp import web

from aistack.connection import Connection, Credentials, connect
from aistack.errors import ApiError, Conflict, Gone, NotFound, NotLeader, Refused, SettingsError, Unavailable
from aistack.kinds import AISTACK, CONFIG_MAP, Manifest
from aistack.kube import Kube, WatchEvent

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CONFIG: Manifest = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "front", "namespace": "care"},
    "data": {"a": "1"},
}


@asynccontextmanager
async def server(handler: Handler) -> AsyncIterator[Connection]:
    """A server whose every path is `handler`, and the way to it with the token `first`, later `second`."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    credentials = Credentials(host=f"http://{host}:{port}", api_key={"BearerToken": "bearer first"})

    async def reload() -> None:
        credentials.api_key["BearerToken"] = "bearer second"

    try:
        yield Connection(credentials, reload)
    finally:
        await runner.cleanup()


def answering(status: int, body: object, **headers: str) -> Handler:
    async def handler(_request: web.Request) -> web.Response:
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        return web.Response(status=status, body=data, headers=headers)

    return handler


def streaming(*chunks: bytes, breaks: bool = False) -> Handler:
    """A watch of these pieces of text, which need not be whole lines."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
            await asyncio.sleep(0.01)
        if breaks:
            assert request.transport is not None
            request.transport.abort()
        return response

    return handler


def line(sort: str, obj: Manifest) -> bytes:
    return orjson.dumps({"type": sort, "object": obj}) + b"\n"


async def error_of(handler: Handler) -> ApiError:
    """What a read raises."""
    async with server(handler) as connection, Kube(connection) as kube:
        with pytest.raises(ApiError) as error:
            await kube.get(CONFIG_MAP, "care", "front")
    return error.value


async def watched(handler: Handler) -> list[WatchEvent]:
    async with (
        server(handler) as connection,
        Kube(connection) as kube,
        aclosing(kube.watch(CONFIG_MAP, "1")) as events,
    ):
        return [event async for event in events]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (400, Refused),
        (401, Unavailable),
        (403, Refused),
        (404, NotFound),
        (409, Conflict),
        (410, Gone),
        (422, Refused),
        (429, Unavailable),
        (500, Unavailable),
        (503, Unavailable),
        (504, Unavailable),
    ],
)
async def test_a_refusal_becomes_the_error_that_says_whether_to_try_again(
    code: int, expected: type[ApiError]
) -> None:
    error = await error_of(answering(code, {"kind": "Status", "reason": "Why", "message": "in its words"}))
    assert type(error) is expected
    assert (error.status, error.reason, str(error)) == (code, "Why", "in its words")


async def test_the_time_that_the_server_asks_to_wait_is_kept() -> None:
    error = await error_of(answering(429, {"message": "busy"}, **{"Retry-After": "7"}))
    assert error.retry_after == 7.0


@pytest.mark.parametrize("body", [b"upstream connect error", b"", b"[1]", b"\xff"])
async def test_a_proxy_that_answers_in_its_own_way_is_understood(body: bytes) -> None:
    error = await error_of(answering(503, body, **{"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}))
    assert isinstance(error, Unavailable)
    assert error.retry_after is None
    assert str(error)


async def test_an_answer_that_is_no_json_is_worth_another_try() -> None:
    assert isinstance(await error_of(answering(200, b"<html>")), Unavailable)


async def test_half_an_answer_is_worth_another_try() -> None:
    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b'{"kind":')
        assert request.transport is not None
        request.transport.close()
        return response

    assert isinstance(await error_of(half), Unavailable)


async def test_a_server_that_is_not_there_is_worth_another_try_and_is_counted() -> None:
    async with server(answering(200, {})) as connection:
        pass
    counted: list[tuple[str, int]] = []
    async with Kube(connection, on_request=lambda verb, code, _: counted.append((verb, code))) as kube:
        with pytest.raises(Unavailable):
            await kube.get(CONFIG_MAP, "care", "front")
    assert counted == [("get", 0)]


async def test_nothing_is_sent_by_one_who_may_not_write() -> None:
    received: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        received.append(request.method)
        return web.json_response({})

    def refuse() -> None:
        raise NotLeader("another one leads")

    async with server(handler) as connection, Kube(connection, before_write=refuse) as kube:
        await kube.get(CONFIG_MAP, "care", "front")
        for write in (
            kube.apply(CONFIG, uid=None),
            kube.create(CONFIG_MAP, CONFIG),
            kube.replace(CONFIG_MAP, CONFIG),
            kube.delete(CONFIG_MAP, "care", "front", uid="1"),
            kube.replace_status(CONFIG_MAP, "care", "front", uid="1", status={}),
        ):
            with pytest.raises(NotLeader):
                await write
    assert received == ["GET"]


async def test_a_token_that_is_refused_is_read_again_for_the_next_request() -> None:
    async def handler(request: web.Request) -> web.Response:
        fresh = request.headers["Authorization"] == "bearer second"
        return web.json_response({} if fresh else {"message": "who?"}, status=200 if fresh else 401)

    async with server(handler) as connection, Kube(connection) as kube:
        with pytest.raises(Unavailable):
            await kube.get(CONFIG_MAP, "care", "front")
        assert await kube.get(CONFIG_MAP, "care", "front") == {}


async def test_requests_are_counted_with_verb_and_code() -> None:
    counted: list[tuple[str, int]] = []

    def count(verb: str, code: int, seconds: float) -> None:
        assert 0 <= seconds < 30
        counted.append((verb, code))

    async with server(answering(200, {})) as connection, Kube(connection, on_request=count) as kube:
        await kube.apply(CONFIG, uid=None)
        await kube.get(CONFIG_MAP, "care", "front")
    assert counted == [("apply", 200), ("get", 200)]


async def test_what_was_written_is_told_as_the_server_answered() -> None:
    told: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        return web.json_response({"metadata": {"name": request.method}})

    def take(written: Manifest) -> None:
        told.append(written["metadata"]["name"])

    async with server(handler) as connection, Kube(connection, on_written=take) as kube:
        await kube.get(CONFIG_MAP, "care", "front")
        await kube.apply(CONFIG, uid=None)
        await kube.replace_status(AISTACK, "care", "support", uid="1", status={})
    assert told == ["PATCH", "PATCH"]


async def test_events_are_whole_whatever_the_pieces_that_they_arrive_in() -> None:
    bookmark = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"resourceVersion": "9"}}
    text = line("ADDED", CONFIG) + line("BOOKMARK", bookmark)
    events = await watched(streaming(text[:10], text[10:-5], text[-5:]))
    assert events == [WatchEvent("ADDED", CONFIG), WatchEvent("BOOKMARK", bookmark)]


async def test_an_event_may_be_larger_than_every_buffer() -> None:
    large = {**CONFIG, "data": {"a": "x" * 3_000_000}}
    assert await watched(streaming(line("ADDED", large))) == [WatchEvent("ADDED", large)]


async def test_a_watch_that_fell_behind_says_so() -> None:
    status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
    with pytest.raises(Gone, match="too old"):
        await watched(streaming(line("ADDED", CONFIG), line("ERROR", status)))


async def test_a_stream_that_breaks_is_worth_another_try() -> None:
    with pytest.raises(Unavailable):
        await watched(streaming(line("ADDED", CONFIG)[:30], breaks=True))


async def test_pages_are_asked_for_until_the_last_and_their_items_say_what_they_are() -> None:
    async def handler(request: web.Request) -> web.Response:
        first = "continue" not in request.query
        assert request.query["limit"] == "1"
        items = [{"metadata": {"name": "a" if first else "b"}}]
        metadata = {"resourceVersion": "7", **({"continue": "more"} if first else {})}
        return web.json_response({"metadata": metadata, "items": items})

    async with server(handler) as connection, Kube(connection) as kube:
        pages = [page async for page in kube.pages(CONFIG_MAP, limit=1)]
    assert [page.items[0]["metadata"]["name"] for page in pages] == ["a", "b"]
    assert {page.items[0]["kind"] for page in pages} == {"ConfigMap"}
    assert {page.resource_version for page in pages} == {"7"}


@pytest.mark.parametrize(
    "text", ["", "[]", "no: {kubeconfig", "apiVersion: v1\nkind: Config\n", "just words"]
)
async def test_a_kubeconfig_that_describes_no_server_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config"
    file.write_text(text)
    with pytest.raises(SettingsError, match=f"{file} leads to no API server: .*set KUBECONFIG"):
        await connect(str(file))


async def test_a_kubeconfig_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="nowhere"):
        await connect(str(tmp_path / "nowhere"))
