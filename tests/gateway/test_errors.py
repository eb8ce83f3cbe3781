"""Every error is one that OpenAI's clients read, and says nothing of a provider's account."""

import asyncio
import json
from typing import Any

import pytest

from tests.gateway.front import HOST, Front, Reply
from tests.gateway.stand_in import StandIn

pytestmark = pytest.mark.asyncio(loop_scope="session")

ACCOUNT = "organization org-4711 of Acme has no money"


def refusal(reply: Reply) -> tuple[int, str]:
    error = reply.json["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert "x-aistack-own" not in reply.headers
    return reply.status, error["code"]


@pytest.mark.parametrize("route", ["provider", "in-order"])
@pytest.mark.parametrize(
    ("status", "code"),
    [
        (402, "upstream_refused"),
        (404, "model_not_found"),
        (429, "rate_limit_exceeded"),
        (500, "upstream_unavailable"),
        (503, "upstream_unavailable"),
        (529, "upstream_unavailable"),
    ],
)
async def test_what_a_model_says_of_its_own_failure_is_not_passed_on(
    front: Front, stand_ins: dict[str, StandIn], route: str, status: int, code: str
) -> None:
    for server in stand_ins.values():
        server.status, server.words = status, ACCOUNT
    for stream in (False, True):
        reply = await front.ask(route, stream=stream)
        assert refusal(reply) == (status, code)
        assert f"'{route}'" in reply.json["error"]["message"]
        assert "org-4711" not in reply.text
        assert reply.headers["retry-after"] == "7"


@pytest.mark.parametrize("status", [400, 409, 422])
async def test_what_it_says_of_a_request_is(front: Front, claude: StandIn, status: int) -> None:
    claude.status, claude.words = status, "messages: at least one is needed"
    reply = await front.ask("provider")
    assert (reply.status, reply.json) == (status, {"error": {"message": "messages: at least one is needed"}})


@pytest.mark.parametrize("route", ["provider", "in-order"])
@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "refused_by_model"),
        (404, "model_not_found"),
        (413, "refused_by_model"),
        (500, "upstream_unavailable"),
        (502, "upstream_unavailable"),
    ],
)
async def test_a_page_is_no_answer(
    front: Front, stand_ins: dict[str, StandIn], route: str, status: int, code: str
) -> None:
    for server in stand_ins.values():
        server.status, server.words, server.error_type = status, f"<h1>{ACCOUNT}</h1>", "text/html"
    reply = await front.ask(route)
    assert refusal(reply) == (status, code)
    assert "org-4711" not in reply.text


async def test_what_a_provider_writes_is_never_the_gateways_word(front: Front, claude: StandIn) -> None:
    claude.status, claude.words = 429, ACCOUNT
    claude.error_headers = {"x-aistack-own": "true"}
    assert "org-4711" not in (await front.ask("provider")).text


async def exchanged(front: Front, *lines: str) -> tuple[int, dict[str, Any], str]:
    """Status, error and head of the answer to a request that no client library would write."""
    reader, writer = await asyncio.open_connection(HOST, front.listen)
    writer.write("\r\n".join((*lines, "", "")).encode())
    async with asyncio.timeout(20):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        body = json.loads(await reader.readexactly(length))
    writer.close()
    await writer.wait_closed()
    return int(head.split()[1]), body["error"], head


@pytest.mark.parametrize(
    ("lines", "status", "code"),
    [
        pytest.param(
            ("POST /v1/chat%2fcompletions HTTP/1.1", "host: h"), 400, "bad_request", id="an escaped slash"
        ),
        pytest.param(("GET /v1/models HTTP/1.1",), 400, "bad_request", id="no host"),
        pytest.param(
            ("GET /v1/chat/completions HTTP/1.1", "host: h", "connection: upgrade", "upgrade: websocket"),
            400,
            "upgrade_refused",
            id="a WebSocket",
        ),
        pytest.param(
            ("GET /v1/nothing HTTP/1.1", "host: h"), 404, "unknown_url", id="a path that is not there"
        ),
    ],
)
async def test_what_is_no_request_gets_an_error_too(
    front: Front, lines: tuple[str, ...], status: int, code: str
) -> None:
    found, error, head = await exchanged(front, *lines)
    assert (found, error["code"]) == (status, code)
    assert "content-type: application/json" in head
    assert "x-aistack-own" not in head


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "PATCH", "OPTIONS"])
@pytest.mark.parametrize(("model", "path"), [("alone", "chat/completions"), ("embed", "embeddings")])
async def test_models_are_asked_by_post_only(
    front: Front, stand_ins: dict[str, StandIn], method: str, model: str, path: str
) -> None:
    async with front.session.request(method, f"/v1/{path}", json={"model": model}) as answer:
        assert (answer.status, answer.headers["allow"]) == (405, "POST")
        assert (await answer.json())["error"]["code"] == "method_not_allowed"
    assert not [server for server in stand_ins.values() if server.asked]


async def test_a_model_can_be_looked_up_by_its_name(front: Front) -> None:
    async with front.session.get("/v1/models") as answer:
        listed = (await answer.json())["data"]
    for model in listed:
        async with front.session.get(f"/v1/models/{model['id']}") as answer:
            assert (answer.content_type, await answer.json()) == ("application/json", model)
    async with front.session.get("/v1/models/llama") as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (404, "model_not_found")
