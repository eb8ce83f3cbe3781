"""A request that nobody can answer waits in the queue, behind a real Envoy and with a real Redis."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from tests.gateway.chat_model import ChatModel
from tests.gateway.front import HOST, Front, Reply, free_ports
from tests.gateway.intercepted import content, events
from tests.gateway.queue_pods import Pod, QueuePods
from tests.gateway.test_telemetry import counted
from tests.stacks import hosted

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEYS = {f"clients/{name}": f"{name}-key" for name in ("web", "batch", "scarce")}
CLIENTS: list[dict[str, Any]] = [
    {"name": "web", "secretKeyRef": {"name": "keys", "key": "web"}},
    {"name": "batch", "secretKeyRef": {"name": "keys", "key": "batch"}, "routes": ["chat"]},
    {"name": "scarce", "secretKeyRef": {"name": "keys", "key": "scarce"}, "requestsPerMinute": 1},
]


def route(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "targets": [{"model": "llama"}], "retries": 0, "timeout": "10s", **fields}


def spec(**queue: Any) -> dict[str, Any]:
    """A stack with such a queue."""
    routes = [
        route("chat"),
        route("resting", whenDown={"message": "The assistant is resting."}),
        route("other", targets=[{"model": "mistral"}]),
        route("checked", guardrails=["PIIMask"]),
        route("session", affinity={"by": "Session"}),
    ]
    models = [hosted("llama"), hosted("mistral")]
    return {"models": models, "gateway": {"clients": CLIENTS, "routes": routes, "queue": queue}}


PATIENT = spec(maxWait="2m", maxDepth=100, workers={"min": 1, "max": 1})
LONG_ANSWER = "and so on " * 1000
"""A minute's, unless it is hurried up."""
BUSY = 429
"""What a model says that is no reason to leave it out for a while."""


@pytest.fixture
def llama(models: dict[str, ChatModel]) -> ChatModel:
    """Busy, as at the beginning of every test."""
    for model in models.values():
        model.recover()
    models["llama"].status = BUSY
    return models["llama"]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def queue(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[QueuePods]:
    async with QueuePods(Path(tmp_path_factory.mktemp("queue"))) as queue:
        yield queue


@dataclass
class Adapter:
    """Asks the front again for what it is asked, as LiteLLM does for an intercepted route."""

    front: Front
    asked: int = 0

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        assert json.loads(request.headers["x-aistack-order"])["guardrails"]
        body = {**await request.json(), "model": "checked"}
        client = {"x-aistack-for": request.headers["x-aistack-for"]}
        url = f"http://{HOST}:{self.front.inner}{request.path}"
        async with self.front.session.post(url, json=body, headers=client) as said:
            return web.Response(status=said.status, body=await said.read(), content_type=said.content_type)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def front(models: dict[str, ChatModel], queue: QueuePods) -> AsyncIterator[Front]:
    ports = {name: model.port for name, model in models.items()}
    async with Front(ports, KEYS, queue_port=queue.port, redis_port=queue.memory.port) as front:
        [front.adapter_port] = free_ports(1)
        await front.start(PATIENT)
        yield front


@pytest_asyncio.fixture(loop_scope="session")
async def adapter(front: Front) -> AsyncIterator[Adapter]:
    adapter, app = Adapter(front), web.Application()
    app.router.add_post("/v1/chat/completions", adapter.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, HOST, front.adapter_port).start()
    yield adapter
    await runner.cleanup()


class Asker:
    """Asks through the front, and can wait until the queue holds so many requests."""

    def __init__(self, front: Front, queue: QueuePods) -> None:
        self.front, self.queue = front, queue

    async def sent(self, text: str = "Hi", model: str = "chat", **options: Any) -> "asyncio.Task[Reply]":
        """A request that the queue holds by now."""
        held = await self.queue.held()
        messages = [{"role": "user", "content": text}]
        asking = asyncio.create_task(
            self.front.ask(model, messages=messages, **{"key": "web-key", **options})
        )
        await self.holds(held + 1)
        return asking

    async def holds(self, count: int) -> None:
        async def held() -> bool:
            return await self.queue.held() == count

        await self.front.eventually(held, f"the queue holds {count}")


@pytest.fixture
def asker(front: Front, queue: QueuePods) -> Asker:
    return Asker(front, queue)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_request_that_nobody_can_answer_waits_and_is_answered_once(
    asker: Asker, llama: ChatModel, stream: bool
) -> None:
    await asker.queue.start(PATIENT, asker.front.site)
    asking = await asker.sent(stream=stream)
    llama.recover()
    reply = await asking
    assert reply.status == 200
    assert content(reply).startswith("answer")
    if stream:
        assert events(reply)[-1]["usage"]["prompt_tokens"] == 11
    assert len(llama.asked) == 1
    await asker.holds(0)


async def test_a_session_is_known_again_behind_the_queue(asker: Asker, llama: ChatModel) -> None:
    await asker.queue.start(PATIENT, asker.front.site)
    asking = await asker.sent(model="session", headers={"x-session-id": "one"})
    llama.recover()
    assert (await asking).status == 200
    await asker.front.logged(route="session.affine", client="web", status=BUSY)
    await asker.front.logged(route="session.affine", client="web", status=200)


async def test_models_that_nobody_reaches_are_waited_for(asker: Asker, llama: ChatModel) -> None:
    await asker.queue.start(PATIENT, asker.front.site)
    llama.recover()
    await llama.stop()
    try:
        asking = await asker.sent()
    finally:
        await llama.start()
    assert (await asking).status == 200


async def test_what_a_model_can_answer_does_not_pass_through_the_queue(
    asker: Asker, llama: ChatModel
) -> None:
    [pod] = await asker.queue.start(PATIENT, asker.front.site)
    before = await pod.metrics()
    llama.recover()
    assert (await asker.front.ask("chat", key="web-key")).status == 200
    assert await pod.metrics() == before


@pytest.mark.parametrize("status", [400, 500])
async def test_what_a_model_says_of_a_request_is_the_answer(
    asker: Asker, llama: ChatModel, status: int
) -> None:
    await asker.queue.start(PATIENT, asker.front.site)
    llama.status = status
    reply = await asker.front.ask("chat", key="web-key")
    assert reply.status == status


async def test_requests_wait_while_redis_is_away_and_come_in_their_order(
    asker: Asker, llama: ChatModel
) -> None:
    await asker.queue.start(PATIENT, asker.front.site)
    await asker.queue.memory.stop()
    texts = [f"request {number}" for number in range(4)]
    asking = [await asker.sent(text) for text in texts]
    llama.recover()
    await asker.queue.memory.start()
    assert [reply.status for reply in await asyncio.gather(*asking)] == [200] * 4
    assert llama.heard == texts


async def test_no_more_wait_than_may(asker: Asker, llama: ChatModel) -> None:
    await asker.queue.start(spec(maxDepth=2), asker.front.site)
    waiting = [await asker.sent() for _ in range(2)]
    refused = await asker.front.ask("chat", key="web-key")
    assert refused.status == 429
    assert refused.json["error"]["code"] == "queue_full"
    assert int(refused.headers["retry-after"]) > 0
    llama.recover()
    assert {(await each).status for each in waiting} == {200}


async def test_a_request_that_has_waited_too_long_fails(asker: Asker, llama: ChatModel) -> None:
    [pod] = await asker.queue.start(spec(maxWait="300ms"), asker.front.site)
    reply = await asker.front.ask("chat", key="web-key")
    assert (reply.status, reply.json["error"]["code"]) == (503, "queue_timeout")
    assert 'aistack_queue_ends_total{route="chat",end="expired"}' in await pod.metrics()
    assert llama.asked


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("limit", [{"maxWait": "300ms"}, {"maxDepth": 1}])
async def test_after_the_queue_comes_the_last_answer(
    asker: Asker, llama: ChatModel, limit: dict[str, Any], stream: bool
) -> None:
    await asker.queue.start(spec(**limit), asker.front.site)
    waiting = [await asker.sent("first")] if "maxDepth" in limit else []
    reply = await asker.front.ask("resting", key="web-key", stream=stream)
    assert (reply.status, content(reply)) == (200, "The assistant is resting.")
    assert reply.headers["x-aistack-degraded"] == "true"
    llama.recover()
    assert all([(await each).status == 200 for each in waiting])


async def test_who_leaves_is_not_served(asker: Asker, llama: ChatModel) -> None:
    await asker.queue.start(PATIENT, asker.front.site)
    gone, stays = await asker.sent("gone"), await asker.sent("stays")
    gone.cancel()
    await asker.holds(1)
    llama.recover()
    assert (await stays).status == 200
    assert llama.heard == ["stays"]


async def test_a_model_that_fails_keeps_nobody_of_another_route_waiting(
    asker: Asker, models: dict[str, ChatModel], llama: ChatModel
) -> None:
    await asker.queue.start(PATIENT, asker.front.site)
    models["mistral"].status = BUSY
    stuck, other = await asker.sent(), await asker.sent(model="other")
    models["mistral"].recover()
    assert (await other).status == 200
    assert not stuck.done()
    llama.recover()
    assert (await stuck).status == 200


async def holder(asker: Asker) -> Pod:
    [found] = [pod for pod in asker.queue.pods if pod.runs and await pod.held()]
    return found


async def test_a_pod_that_is_killed_loses_no_request(asker: Asker, llama: ChatModel) -> None:
    await asker.queue.start(PATIENT, asker.front.site, count=2)
    asking = await asker.sent()
    await (await holder(asker)).kill()
    await asker.holds(1)
    llama.recover()
    assert (await asking).status == 200
    assert len(llama.asked) == 1


async def test_neither_does_one_that_is_killed_while_a_model_answers(asker: Asker, llama: ChatModel) -> None:
    await asker.queue.start(PATIENT, asker.front.site, count=2)
    asking = await asker.sent()
    llama.recover()
    llama.seconds_to_answer = 8
    await asker.front.eventually(lambda: llama.asked, "the model is asked")
    await (await holder(asker)).kill()
    llama.seconds_to_answer = 0
    assert (await asking).status == 200
    assert len(llama.asked) == 2


async def test_one_that_ends_sends_on_who_waits_and_finishes_what_has_begun(
    asker: Asker, llama: ChatModel
) -> None:
    """One worker: while it is at a stream, the other request waits."""
    [pod] = await asker.queue.start(PATIENT, asker.front.site)
    streaming, waiting = await asker.sent("streaming", stream=True), await asker.sent("waiting")
    llama.recover()
    llama.words, llama.seconds_between_tokens = LONG_ANSWER, 0.02
    await asker.front.eventually(lambda: llama.asked, "the model is asked")
    other = await asker.queue.add()
    ended = asyncio.create_task(pod.end())
    await asker.front.eventually(other.held, "the other pod holds who waits")
    assert pod.runs
    llama.seconds_between_tokens = 0
    assert content(await streaming) == LONG_ANSWER
    assert await ended == 0
    assert (await waiting).status == 200
    assert llama.heard == ["streaming", "waiting"]


async def test_a_stream_that_breaks_off_is_cut(asker: Asker, llama: ChatModel) -> None:
    await asker.queue.start(PATIENT, asker.front.site)
    asking = await asker.sent(stream=True)
    llama.recover()
    llama.words, llama.seconds_between_tokens = LONG_ANSWER, 0.02
    await asker.front.eventually(lambda: llama.asked, "the model is asked")
    await llama.stop()
    try:
        with pytest.raises(aiohttp.ClientPayloadError):
            await asking
    finally:
        await llama.start()


async def test_the_answer_is_counted_once_for_the_client_that_asked(asker: Asker, llama: ChatModel) -> None:
    """Whatever it says of itself, also behind the clients."""
    await asker.queue.start(PATIENT, asker.front.site)
    name, labels = "aistack_prompt_tokens_total", {"route": "chat", "target": "llama"}
    before = [await counted(asker.front, name, client=each, **labels) for each in ("web", "batch")]
    forged = {"x-aistack-queued": "other", "x-aistack-for": "batch", "x-aistack-arrived": "1"}
    asking = await asker.sent(headers=forged)
    llama.recover()
    assert (await asking).status == 200
    [asked] = llama.asked
    assert asked.headers["x-aistack-queued"] == "chat"
    assert int(asked.headers["x-aistack-arrived"]) > 10**12
    await asker.front.logged(client="web", route="chat.queued", status=200)
    after = [await counted(asker.front, name, client=each, **labels) for each in ("web", "batch")]
    assert [b - a for a, b in zip(before, after, strict=True)] == [11, 0]


async def test_what_is_checked_is_checked_anew_with_each_try_and_counted_once(
    asker: Asker, llama: ChatModel, adapter: Adapter
) -> None:
    await asker.queue.start(PATIENT, asker.front.site)
    name, labels = "aistack_prompt_tokens_total", {"route": "checked", "client": "web"}
    asking = await asker.sent(model="checked")
    tries = adapter.asked
    llama.recover()
    assert (await asking).status == 200
    assert adapter.asked > tries
    assert len(llama.asked) == 1
    await asker.front.logged(client="web", route="checked.queued", status=200)
    assert await counted(asker.front, name, **labels) == 11


async def test_who_says_that_it_was_queued_is_queued_all_the_same(asker: Asker, llama: ChatModel) -> None:
    await asker.queue.start(spec(maxWait="300ms"), asker.front.site)
    reply = await asker.front.ask("chat", key="web-key", headers={"x-aistack-queued": "chat"})
    assert llama.asked
    assert reply.json["error"]["code"] == "queue_timeout"


async def test_tries_from_the_queue_use_up_no_limit_and_a_limit_is_no_reason_to_wait(
    asker: Asker, llama: ChatModel
) -> None:
    await asker.queue.start(PATIENT, asker.front.site)
    asking = await asker.sent(key="scarce-key")
    await asker.front.eventually(lambda: len(llama.asked) > 2, "it has been tried several times")
    llama.recover()
    assert (await asking).status == 200
    refused = await asker.front.ask("chat", key="scarce-key")
    assert (refused.status, refused.json["error"]["code"]) == (429, "rate_limit_exceeded")


async def test_who_may_not_use_a_route_does_not_wait_for_it(asker: Asker, llama: ChatModel) -> None:
    await asker.queue.start(PATIENT, asker.front.site)
    assert (await asker.front.ask("resting", key="batch-key")).status == 403
    assert not llama.asked


async def test_prompts_and_answers_are_never_in_redis(asker: Asker, llama: ChatModel) -> None:
    await asker.queue.start(PATIENT, asker.front.site)
    asking = await asker.sent("a secret of the client's")
    written = await asker.queue.written()
    llama.recover()
    llama.words = "a secret of the model's"
    assert (await asking).status == 200
    written += await asker.queue.written()
    assert b"line:chat" in written or b"tickets:" in written
    assert b"secret" not in written


async def test_a_request_larger_than_most_comes_through_whole(asker: Asker, llama: ChatModel) -> None:
    await asker.queue.start(PATIENT, asker.front.site)
    text = "x" * 5_000_000
    body = {"model": "chat", "messages": [{"role": "user", "content": text}]}
    asking = await asker.sent(raw=io.BytesIO(json.dumps(body).encode()))
    llama.recover()
    assert (await asking).status == 200
    assert llama.heard == [text]
