"""Answers that are given again: by the front, a real LiteLLM and a real Redis, on what is rendered."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from aistack.labels import purge_annotation
from tests.gateway.adapter import adapter
from tests.gateway.chat_model import ChatModel
from tests.gateway.front import HOST, Front, Reply, free_ports
from tests.gateway.intercepted import Memory, content, events, say, was_kept
from tests.gateway.test_telemetry import counted
from tests.stacks import hosted

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEYS = {"clients/web": "web-key", "clients/batch": "batch-key"}
CLIENTS = [{"name": name, "secretKeyRef": {"name": "keys", "key": name}} for name in ("web", "batch")]


def route(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "targets": [{"model": "llama"}], "retries": 0, "timeout": "5s", **fields}


SPEC: dict[str, Any] = {
    "models": [hosted("llama"), hosted("mistral")],
    "gateway": {
        "clients": CLIENTS,
        "routes": [
            route("own", cache={"mode": "Exact"}),
            route("shared", cache={"mode": "Exact", "scope": "Shared"}),
            route("brief", cache={"mode": "Exact", "ttl": "3s"}),
            route("falls-back", fallbacks=["mistral"], cache={"mode": "Exact"}),
            route("resting", cache={"mode": "Exact"}, whenDown={"message": "resting"}),
            route("fresh"),
            route("session", cache={"mode": "Exact"}, affinity={"by": "Session", "header": "x-talk"}),
        ],
    },
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def memory(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Memory]:
    memory = Memory(Path(tmp_path_factory.mktemp("memory")))
    await memory.start()
    yield memory
    await memory.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def front(
    models: dict[str, ChatModel], memory: Memory, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Front]:
    folder = Path(tmp_path_factory.mktemp("adapter"))
    ports = {name: model.port for name, model in models.items()}
    async with (
        Front(ports, KEYS, cache_port=memory.port) as front,
        adapter(SPEC, folder, site=front.site) as front.adapter_port,
    ):
        await front.start(SPEC)
        yield front


@pytest.fixture
def llama(models: dict[str, ChatModel]) -> ChatModel:
    for model in models.values():
        model.recover()
    return models["llama"]


async def twice(front: Front, route: str, text: str, **options: Any) -> tuple[Reply, Reply]:
    """Asked again when the first answer is kept, which is after it was given."""
    first = await say(front, route, text, **options)
    return first, await front.eventually(
        lambda: kept(front, route, text, **options), "the answer is given again"
    )


async def kept(front: Front, route: str, text: str, **options: Any) -> Reply | None:
    reply = await say(front, route, text, **options)
    return reply if was_kept(reply) else None


@pytest.mark.parametrize("stream", [False, True])
async def test_the_same_request_gets_the_same_answer_and_no_model_is_asked(
    front: Front, llama: ChatModel, stream: bool
) -> None:
    first, again = await twice(front, "own", f"once {stream}", stream=stream)
    asked = len(llama.asked)
    third = await say(front, "own", f"once {stream}", stream=stream)
    assert not was_kept(first)
    assert was_kept(third)
    assert content(third) == content(again)
    assert len(llama.asked) == asked


@pytest.mark.parametrize(
    ("named", "headers"),
    [({}, {"x-talk": "one"}), ({"prompt_cache_key": "one"}, {})],
    ids=["in a header", "in the body"],
)
async def test_a_session_is_known_again_behind_the_adapter(
    front: Front, llama: ChatModel, named: dict[str, Any], headers: dict[str, str]
) -> None:
    await say(front, "session", f"a turn {named}", headers=headers, **named)
    [asked] = llama.asked
    await front.logged(route="session.affine", client="web", bytesIn=len(asked.text))
    assert asked.headers.get("x-talk") == headers.get("x-talk")


async def test_a_stream_that_is_given_again_is_a_stream_and_says_its_usage(front: Front) -> None:
    _, again = await twice(front, "own", "a stream", stream=True)
    assert again.headers["content-type"].startswith("text/event-stream")
    *_, end, usage = events(again)
    assert end["choices"][0]["finish_reason"] == "stop"
    assert (usage["usage"]["prompt_tokens"], usage["usage"]["completion_tokens"]) == (11, 3)


async def test_plain_completions_are_kept_too_but_not_their_streams(front: Front, llama: ChatModel) -> None:
    """LiteLLM would give a stream again without its words."""
    path = "/v1/completions"

    async def complete(*, stream: bool) -> Reply:
        asked = {"model": "own", "prompt": "Once upon", "stream": stream}
        return await front.ask(None, path=path, key="web-key", raw=json.dumps(asked))

    async def kept_answer() -> Reply | None:
        reply = await complete(stream=False)
        return reply if was_kept(reply) else None

    again = await front.eventually(kept_answer, "the answer is given again")
    assert again.json["choices"][0]["text"].startswith("answer")
    for _ in range(2):
        streamed = await complete(stream=True)
        choices = [choice for event in events(streamed) for choice in event["choices"]]
        assert "".join(choice.get("text") or "" for choice in choices).startswith("answer")
        assert not was_kept(streamed)
    assert {asked.path for asked in llama.asked} == {path}


async def test_the_model_gets_what_a_client_wrote_also_what_litellm_does_not_know(
    front: Front, llama: ChatModel
) -> None:
    common: dict[str, Any] = {
        "user": "amy",
        "verbosity": "low",
        "service_tier": "auto",
        "store": True,
        "seed": 7,
        "top_k": 3,
    }
    shape = {
        "response_format": {"type": "json_object"},
        "tools": [{"type": "function", "function": {"name": "f"}}],
    }
    await say(front, "own", "as it is", thinking={"type": "enabled", "budget_tokens": 5}, **common)
    plain = json.dumps({"model": "own", "prompt": "as it is", **common, **shape})
    assert (await front.ask(None, path="/v1/completions", key="web-key", raw=plain)).status == 200
    chat, completion = (asked.body for asked in llama.asked)
    assert common.items() <= chat.items()
    assert chat["thinking"] == {"type": "enabled", "budget_tokens": 5}
    assert {**common, **shape}.items() <= completion.items()
    assert (chat["model"], completion["model"]) == ("own", "own")


async def test_what_differs_in_any_field_is_another_request(front: Front) -> None:
    """Also in one that only vLLM knows."""
    await twice(front, "own", "differs")
    assert was_kept(await say(front, "own", "differs"))
    for other in ({"seed": 1}, {"top_k": 3}, {"chat_template": "{{ x }}"}, {"stream": True}, {"user": "me"}):
        assert not was_kept(await say(front, "own", "differs", **other)), other


async def test_a_client_gets_no_other_clients_answer(front: Front) -> None:
    await twice(front, "own", "whose")
    others = await say(front, "own", "whose", key="batch-key")
    assert not was_kept(others)


async def test_a_shared_answer_is_given_to_every_client(front: Front) -> None:
    _, again = await twice(front, "shared", "whose")
    others = await say(front, "shared", "whose", key="batch-key")
    assert was_kept(others)
    assert content(others) == content(again)


async def test_a_route_gives_no_other_routes_answer(front: Front) -> None:
    await twice(front, "shared", "where")
    assert not was_kept(await say(front, "falls-back", "where"))


async def test_answers_are_in_redis_for_every_adapter_and_end_there(front: Front, memory: Memory) -> None:
    async with Redis(host=HOST, port=memory.port) as redis:
        said = content(await say(front, "own", "in redis")).encode()

        async def holding() -> list[bytes | str]:
            return [key for key in await redis.keys() if said in (await redis.get(key) or b"")]

        [key] = await front.eventually(holding, "the answer is there")
        assert 0 < await redis.ttl(key) <= 3600


async def test_an_answer_ends_with_its_time_to_live(front: Front) -> None:
    """In Redis, and in the memory of the adapter that read it there."""
    _, again = await twice(front, "brief", "how long")

    async def another() -> bool:
        return content(await say(front, "brief", "how long")) != content(again)

    await front.eventually(another, "a new answer is made")


@pytest.mark.parametrize(
    "forged",
    [
        {"cache": {"no-cache": True}},
        {"cache": {"no-store": True, "namespace": "mine"}},
        {"cache_key": "mine"},
        {"caching": False},
        {"litellm_params": {"preset_cache_key": "mine"}},
        {"router_settings_override": {"model_group_retry_policy": {}}, "specific_deployment": True},
        {"headers": {"cache-control": "no-cache, no-store"}},
        {"headers": {"x-aistack-for": "batch", "x-aistack-order": "{}"}},
        {"extra_headers": {"x-aistack-for": "batch"}},
        {"extra_body": {"messages": [{"role": "user", "content": "something else"}]}},
    ],
    ids=str,
)
async def test_a_client_can_neither_go_past_a_cache_nor_put_anything_into_it(
    front: Front, llama: ChatModel, forged: dict[str, Any]
) -> None:
    """What it writes to steer the adapter with counts for nothing: the request is the same as without it."""
    text = f"steered {forged}"
    _, again = await twice(front, "shared", text, **forged)
    plain = await say(front, "shared", text)
    assert was_kept(plain)
    assert content(plain) == content(again)
    assert set(llama.heard) == {text}


async def test_a_client_reaches_no_other_model_through_the_adapter(front: Front, llama: ChatModel) -> None:
    await say(front, "own", "steered", extra_body={"model": "fresh"}, custom_llm_provider="anthropic")
    assert [asked.body["model"] for asked in llama.asked] == ["own"]


async def test_a_failure_is_not_kept(front: Front, llama: ChatModel) -> None:
    llama.status = 500
    reply = await front.ask("own", key="web-key", messages=[{"role": "user", "content": "fails"}])
    assert (reply.status, reply.json["error"]["code"]) == (503, "upstream_unavailable")
    assert "litellm" not in reply.text.lower()
    llama.recover()
    await say(front, "own", "fails")


async def test_a_clients_own_mistake_is_told_to_the_client(front: Front, llama: ChatModel) -> None:
    llama.status, llama.words = 400, "that is too warm"
    reply = await front.ask("own", key="web-key", temperature=17)
    assert (reply.status, reply.json["error"]["type"]) == (400, "invalid_request_error")
    assert "that is too warm" in reply.text


async def test_the_next_model_answers_behind_a_cache_too(
    front: Front, llama: ChatModel, models: dict[str, ChatModel]
) -> None:
    llama.status = 500
    await say(front, "falls-back", "who is there")
    assert models["mistral"].heard == ["who is there"]


@pytest.mark.parametrize("stream", [False, True])
async def test_the_last_answer_is_not_kept(front: Front, llama: ChatModel, stream: bool) -> None:
    llama.status = 500
    for _ in range(2):
        reply = await say(front, "resting", "are you there", stream=stream)
        assert content(reply) == "resting"
        assert not was_kept(reply)
    llama.recover()
    assert content(await say(front, "resting", "are you there", stream=stream)).startswith("answer")


async def test_a_route_without_a_cache_asks_each_time(front: Front, llama: ChatModel) -> None:
    replies = [await say(front, "fresh", "again") for _ in range(2)]
    assert len({content(reply) for reply in replies}) == len(llama.asked) == 2
    assert "x-aistack-order" not in llama.asked[0].headers


async def test_an_answer_that_is_given_again_is_counted_and_its_tokens_are_not(front: Front) -> None:
    labels = {"client": "web", "route": "own"}
    read, hits, asked = (
        "aistack_prompt_tokens_total",
        "aistack_cached_answers_total",
        "aistack_requests_total",
    )
    await twice(front, "own", "counted")
    before = [await counted(front, name, **labels) for name in (read, hits, asked)]
    await say(front, "own", "counted")
    await say(front, "own", "counted anew")
    after = [await counted(front, name, **labels) for name in (read, hits, asked)]
    assert [now - then for now, then in zip(after, before, strict=True)] == [11, 1, 2]


async def test_what_a_model_took_is_measured_behind_the_adapter(front: Front) -> None:
    name = "aistack_answer_milliseconds_count"
    await twice(front, "own", "measured")
    await front.eventually(lambda: counted(front, name, route="own", target="llama"), "it is measured")
    assert not await counted(front, name, target="adapter")


async def test_no_header_of_a_clients_keeps_tokens_from_being_counted(front: Front) -> None:
    labels = {"client": "web", "route": "fresh", "target": "llama"}
    before = await counted(front, "aistack_completion_tokens_total", **labels)
    await say(front, "fresh", "for nothing", headers={"x-aistack-order": "{}", "x-aistack-for": "batch"})
    assert await counted(front, "aistack_completion_tokens_total", **labels) == before + 3


async def test_the_log_says_which_model_answered_whom_behind_the_cache(front: Front) -> None:
    await say(front, "own", "logged", key="batch-key")
    outer = await front.logged(route="own.intercepted", client="batch")
    inner = await front.logged(route="own", client="batch")
    assert (outer["target"], inner["target"]) == ("adapter", "llama")


@pytest.mark.parametrize(
    ("route", "client", "purged"),
    [
        ("", "", {"own web", "own batch", "shared web"}),
        ("own", "", {"own web", "own batch"}),
        ("", "web", {"own web"}),
        ("own", "batch", {"own batch"}),
        ("shared", "", {"shared web"}),
    ],
)
async def test_what_was_kept_before_a_purge_is_given_to_nobody_any_more(
    front: Front, route: str, client: str, purged: set[str]
) -> None:
    text = f"purged {route} {client}"
    kept_for = ("own web", "own batch", "shared web")
    for each in kept_for:
        name, key = each.split()
        await twice(front, name, text, key=f"{key}-key")
    front.annotations[purge_annotation(route, client)] = text
    await front.change(SPEC)
    again = {each: await say(front, each.split()[0], text, key=f"{each.split()[1]}-key") for each in kept_for}
    assert {each for each, reply in again.items() if not was_kept(reply)} == purged


async def test_without_its_redis_a_route_answers_on(front: Front, llama: ChatModel, memory: Memory) -> None:
    await memory.stop()
    try:
        for number in range(3):
            assert not was_kept(await say(front, "own", f"without memory {number}"))
    finally:
        await memory.start()
    assert len(llama.asked) == 3


async def test_without_an_adapter_the_models_are_asked_at_once(models: dict[str, ChatModel]) -> None:
    """So nothing is lost while it starts for a route's first cache."""
    [nothing] = free_ports(1)
    ports = {name: model.port for name, model in models.items()}
    async with Front(ports, KEYS, adapter_port=nothing) as front:
        await front.start(SPEC)
        assert content(await say(front, "own", "directly")).startswith("answer")
        inner = await front.logged(route="own", client="web")
        assert (inner["target"], inner["inputTokens"]) == ("llama", 11)


async def test_a_route_that_the_adapter_does_not_know_yet_answers_without_it_if_it_may(
    front: Front, llama: ChatModel
) -> None:
    """The front has a new route within seconds, the adapter when its pods are renewed."""
    new = [
        route("next", cache={"mode": "Exact"}),
        route("patient", cache={"mode": "Exact"}, whenDown={"message": "resting"}),
        route("guarded", cache={"mode": "Exact"}, guardrails=["PIIMask"]),
    ]
    gateway = SPEC["gateway"]
    await front.change({**SPEC, "gateway": {**gateway, "routes": [*gateway["routes"], *new]}})
    for name in ("next", "patient"):
        for stream in (False, True):
            reply = await say(front, name, f"so soon {stream}", stream=stream)
            assert content(reply).startswith("answer")
            assert "x-aistack-unknown-model" not in reply.headers
    asked = len(llama.asked)
    guarded = await front.ask("guarded", key="web-key")
    assert (guarded.status, guarded.json["error"]["code"]) == (503, "upstream_unavailable")
    assert "x-aistack-unknown-model" not in guarded.headers
    assert len(llama.asked) == asked == 4
    await front.change(SPEC)
