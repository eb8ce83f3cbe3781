"""Limits that hold over all replicas: two fronts, the real rate-limit service, a real Redis."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from aistack.render.gateway import shared_limits
from tests.gateway.front import Front
from tests.gateway.limiter import Limiter, limiter
from tests.gateway.stand_in import USAGE, StandIn
from tests.stacks import hosted

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEYS = {f"clients/{name}": f"key-of-{name}" for name in ("web", "batch", "free", "guest")}
AN_ANSWER = USAGE["prompt_tokens"] + USAGE["completion_tokens"]
"""Tokens."""
SPEC: dict[str, Any] = {
    "models": [hosted("llama"), hosted("mistral")],
    "gateway": {
        "limitScope": "Global",
        "routes": [
            {"name": "many", "targets": [{"model": "llama"}]},
            {"name": "few", "targets": [{"model": "llama"}], "limits": {"requestsPerMinute": 4}},
            {"name": "short", "targets": [{"model": "llama"}], "limits": {"tokensPerMinute": AN_ANSWER}},
        ],
        "clients": [
            {"name": "web", "secretKeyRef": {"name": "keys", "key": "web"}, "requestsPerMinute": 3},
            {"name": "batch", "secretKeyRef": {"name": "keys", "key": "batch"}, "tokensPerMinute": AN_ANSWER},
            {"name": "free", "secretKeyRef": {"name": "keys", "key": "free"}},
            {"name": "guest", "secretKeyRef": {"name": "keys", "key": "guest"}, "routes": ["many"]},
        ],
    },
}


@pytest_asyncio.fixture(loop_scope="session")
async def counting() -> AsyncIterator[Limiter]:
    """Counters at zero."""
    async with limiter(SPEC) as running:
        yield running


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy this machine is, no request goes through uncounted because the service was slow."""
    monkeypatch.setattr(shared_limits, "PATIENCE", "10s")


@pytest_asyncio.fixture(loop_scope="session")
async def fronts(counting: Limiter, ports: dict[str, int]) -> AsyncIterator[tuple[Front, Front]]:
    """With enough of the clock's minute left for a test: with it counters begin anew."""
    one, other = (Front(ports, KEYS, ratelimit_port=counting.port) for _ in range(2))
    async with one, other:
        await asyncio.gather(one.start(SPEC), other.start(SPEC))
        left = 60 - time.time() % 60
        if left < 20:
            await asyncio.sleep(left)
        yield one, other


async def ask_in_turn(fronts: tuple[Front, Front], count: int, model: str, **options: Any) -> Counter[int]:
    """Statuses of requests to one replica after the other."""
    return Counter([(await fronts[turn % 2].ask(model, **options)).status for turn in range(count)])


async def charged(front: Front, counting: Limiter, model: str, **options: Any) -> int:
    """The status of an answer whose tokens are counted by now."""
    before = await counting.tokens()
    status = (await front.ask(model, **options)).status

    async def counted() -> bool:
        return await counting.tokens() == before + AN_ANSWER

    if status == 200:
        await front.eventually(counted, f"{before} tokens and those of an answer are counted")
    return status


@pytest.mark.usefixtures("patient")
async def test_replicas_share_a_clients_and_a_routes_requests(fronts: tuple[Front, Front]) -> None:
    assert await ask_in_turn(fronts, 6, "many", key="key-of-web") == {200: 3, 429: 3}
    assert await ask_in_turn(fronts, 6, "few", key="key-of-free") == {200: 4, 429: 2}
    assert await ask_in_turn(fronts, 6, "many", key="key-of-free") == {200: 6}


@pytest.mark.usefixtures("patient")
async def test_who_is_not_let_through_uses_up_nothing_of_a_route(fronts: tuple[Front, Front]) -> None:
    assert await ask_in_turn(fronts, 4, "few", key="key-of-guest") == {403: 4}
    assert await ask_in_turn(fronts, 3, "many", key="key-of-web") == {200: 3}
    assert await ask_in_turn(fronts, 4, "few", key="key-of-web") == {429: 4}
    assert await ask_in_turn(fronts, 4, "few", key="key-of-free") == {200: 4}


@pytest.mark.usefixtures("patient")
async def test_who_is_over_the_limit_is_told_when_to_come_again(fronts: tuple[Front, Front]) -> None:
    await ask_in_turn(fronts, 3, "many", key="key-of-web")
    reply = await fronts[0].ask("many", key="key-of-web")
    assert (reply.status, reply.json["error"]["code"]) == (429, "rate_limit_exceeded")
    assert 0 < int(reply.headers["retry-after"]) <= 60


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(
    ("model", "key"), [("short", "key-of-free"), ("many", "key-of-batch")], ids=["route", "client"]
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_tokens_of_answers_are_counted_over_replicas(
    fronts: tuple[Front, Front], counting: Limiter, model: str, key: str, stream: bool
) -> None:
    """A minute that holds one answer's tokens has none left once a second one has begun."""
    first = await charged(fronts[0], counting, model, key=key, stream=stream)
    second = await charged(fronts[1], counting, model, key=key, stream=stream)
    third = await charged(fronts[0], counting, model, key=key, stream=stream)
    assert [first, second, third] == [200, 200, 429]
    assert (await fronts[0].ask("many", key="key-of-free")).status == 200


@pytest.mark.usefixtures("patient")
async def test_who_leaves_a_stream_has_used_up_what_was_written(
    fronts: tuple[Front, Front], counting: Limiter, llama: StandIn
) -> None:
    llama.events = ('{"choices": [{"delta": {"content": "y"}}]}',)
    await fronts[0].leave("short", after=1, key="key-of-free")
    await fronts[0].eventually(counting.tokens, "tokens are counted")
    llama.recover()
    assert await counting.tokens() > AN_ANSWER, "its request alone is estimated at more"
    assert (await fronts[1].ask("short", key="key-of-free")).status == 429


@pytest.mark.usefixtures("patient")
async def test_an_answer_without_usage_is_charged_nothing(
    fronts: tuple[Front, Front], counting: Limiter, llama: StandIn
) -> None:
    llama.status = 400
    for _ in range(3):
        assert (await fronts[0].ask("short", key="key-of-free")).status == 400
    llama.status = 200
    assert await charged(fronts[1], counting, "short", key="key-of-free") == 200
    assert await counting.tokens() == AN_ANSWER


@pytest.mark.parametrize("away", ["redis", "service"])
async def test_while_nobody_counts_a_replica_lets_through_no_more_than_twice_the_limit(
    fronts: tuple[Front, Front], counting: Limiter, away: str
) -> None:
    await counting.stop(away)
    assert await ask_in_turn(fronts, 12, "few", key="key-of-free") == {200: 12}
    assert (await fronts[0].ask("few", key="key-of-free")).status == 200
    assert (await fronts[0].ask("few", key="key-of-free")).status == 200
    assert (await fronts[0].ask("few", key="key-of-free")).status == 429
    assert (await fronts[0].ask("short", key="key-of-free")).status == 200


@pytest.mark.parametrize("away", ["redis", "service"])
async def test_what_comes_back_counts_again(
    fronts: tuple[Front, Front], counting: Limiter, away: str
) -> None:
    await counting.stop(away)
    assert (await fronts[0].ask("many", key="key-of-web")).status == 200
    await (counting.start_redis() if away == "redis" else counting.start_service())

    async def refused() -> bool:
        return (await fronts[1].ask("many", key="key-of-web")).status == 429

    await fronts[0].eventually(refused, "the fourth request of a minute is refused")
