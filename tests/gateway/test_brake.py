"""Monthly limits over all replicas: two fronts, the real rate-limit service, a real Redis.

Nobody meters here, so whatever is stopped is stopped by the gateway itself.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
import pytest_asyncio

from aistack.cost.prices import index
from aistack.render.gateway import shared_limits
from aistack.render.gateway.brake import unit_of
from aistack.spending.counters import read_counters
from aistack.spending.meter import Use
from aistack.spending.rates import costs, rates_of
from aistack.spending.tally import EMPTY
from tests.costs import CLUSTER, GPT, book
from tests.gateway.front import HOST, ZONE, Front, managed
from tests.gateway.limiter import Limiter, limiter
from tests.gateway.stand_in import StandIn
from tests.stacks import hosted, resolved

pytestmark = pytest.mark.asyncio(loop_scope="session")

DEAR, CHEAP = (
    {**GPT, "provider": "openaiCompatible", "model": f"acme/{name}-large"} for name in ("claude", "gpt")
)
DEAR = {**DEAR, "inputPerMillion": "4", "cachedInputPerMillion": "1", "outputPerMillion": "20"}
PRICES = index({"cluster": book(**CLUSTER, tokens=[DEAR, CHEAP])})
AN_ANSWER = Decimal("0.000104")
"""Dollars that claude takes for 11 tokens read and 3 written; what was sent to it comes on top."""
LEFT = Decimal("0.00002")
"""Dollars at the least for the first event of a stream that its client leaves: one token."""
THREE_ANSWERS = "0.0003"
LIMITS = {
    **{f"client/{name}": THREE_ANSWERS for name in ("web", "told", "late", "lost")},
    "client/batch": "5",
    "model/claude": "1500",
    "model/gpt": "0.00005",
}
CLIENTS = ("web", "told", "late", "lost", "batch", "free")
KEYS = {f"clients/{name}": f"key-of-{name}" for name in CLIENTS}


def limited(part: str) -> dict[str, Any]:
    return {"monthlyLimit": {"amount": LIMITS[part]}} if part in LIMITS else {}


def client(name: str) -> dict[str, Any]:
    return {"name": name, "secretKeyRef": {"name": "keys", "key": name}, **limited(f"client/{name}")}


SPEC: dict[str, Any] = {
    "models": [
        hosted("llama"),
        managed("claude", "http://claude.example/v1", **limited("model/claude")),
        managed("gpt", "http://gpt.example/v1", **limited("model/gpt")),
    ],
    "gateway": {
        "limitScope": "Global",
        "routes": [
            {"name": "chat", "targets": [{"model": "claude"}], "fallbacks": ["llama"]},
            {"name": "checked", "targets": [{"model": "claude"}], "deniedWords": ["tuna"]},
            {"name": "both", "targets": [{"model": "gpt"}], "fallbacks": ["llama"]},
            {"name": "lone", "targets": [{"model": "gpt"}]},
        ],
        "clients": [client(name) for name in CLIENTS],
    },
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def counting() -> AsyncIterator[Limiter]:
    async with limiter(SPEC, PRICES) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def fronts(
    counting: Limiter, ports: dict[str, int], stand_ins: dict[str, StandIn]
) -> AsyncIterator[tuple[Front, Front]]:
    """However busy this machine is, no request goes through uncounted because the service was slow."""
    hosts = {**ports, "gpt.example": stand_ins["mistral"].port}
    one, other = (Front(hosts, KEYS, ratelimit_port=counting.port, prices=PRICES) for _ in range(2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared_limits, "PATIENCE", "10s")
        async with one, other:
            await asyncio.gather(one.start(SPEC), other.start(SPEC))
            yield one, other


async def money(counting: Limiter, part: str) -> Decimal:
    """Dollars that are counted of a part's limit, over all months."""
    unit = unit_of(Decimal(LIMITS[part]))
    found = await counting.counters(f"gateway_month_*_{part.replace('/', '_')}_*")
    return sum(found.values()) * unit


async def counted(fronts: tuple[Front, Front], counting: Limiter, part: str, least: Decimal) -> None:
    """Answers are charged when they have ended, which may be a little after their clients have them."""

    async def enough() -> bool:
        return await money(counting, part) >= least

    await fronts[0].eventually(enough, f"{least} dollars of {part} are counted")


async def statuses(fronts: tuple[Front, Front], count: int, model: str, **options: Any) -> Counter[int]:
    """Of as many requests at once, to one replica and the other."""
    replies = await asyncio.gather(*(fronts[n % 2].ask(model, **options) for n in range(count)))
    return Counter(reply.status for reply in replies)


async def test_a_burst_of_a_client_ends_with_its_money_and_nobody_elses(
    fronts: tuple[Front, Front], counting: Limiter
) -> None:
    burst = await statuses(fronts, 12, "chat", key="key-of-web")
    assert burst[200] >= 3, "so many answers its money is worth"
    assert burst.keys() <= {200, 429}
    await counted(fronts, counting, "client/web", 3 * AN_ANSWER)
    assert await statuses(fronts, 6, "chat", key="key-of-web") == {429: 6}
    assert await statuses(fronts, 6, "chat", key="key-of-free") == {200: 6}


async def test_a_spent_client_is_told_so_as_when_it_was_metered(
    fronts: tuple[Front, Front], counting: Limiter
) -> None:
    for front, stream in zip(fronts * 2, (False, False, True, True), strict=True):
        await front.ask("chat", key="key-of-told", stream=stream)
    await counted(fronts, counting, "client/told", 3 * AN_ANSWER)
    for front, stream in zip(fronts * 2, (False, False, True, True), strict=True):
        reply = await front.ask("chat", key="key-of-told", stream=stream)
        assert (reply.status, reply.json["error"]["code"]) == (429, "insufficient_quota")
        assert "is spent until the month turns" in reply.json["error"]["message"]
        assert reply.headers["x-should-retry"] == "false"
        assert "retry-after" not in reply.headers
    headers = {"authorization": "Bearer key-of-told"}
    async with fronts[0].session.get("/v1/models", headers=headers) as models:
        assert models.status == 200, "what costs nothing is answered"


async def test_a_spent_model_is_passed_over_on_all_replicas(
    fronts: tuple[Front, Front], counting: Limiter, mistral: StandIn
) -> None:
    """mistral's stand-in answers for gpt."""
    assert [await fronts[turn].answered_by("both", key="key-of-free") for turn in (0, 1)] == ["mistral"] * 2
    await counted(fronts, counting, "model/gpt", 2 * Decimal("0.000046"))
    asked = len(mistral.asked)
    assert [await fronts[turn].answered_by("both", key="key-of-free") for turn in (0, 1)] == ["llama"] * 2
    for stream in (False, True):
        reply = await fronts[0].ask("lone", key="key-of-free", stream=stream)
        assert (reply.status, reply.json["error"]["code"]) == (402, "insufficient_quota")
        assert "is spent until the month turns" in reply.json["error"]["message"]
    assert len(mistral.asked) == asked


async def test_what_is_counted_is_what_is_metered(
    fronts: tuple[Front, Front], counting: Limiter, claude: StandIn
) -> None:
    """To the rounding of each answer: whole ones and streams, what a provider had cached, fallbacks, what the
    adapter asks for, and what is estimated because its client has left."""
    front = fronts[0]
    for stream in (False, True, False):
        assert (await front.ask("chat", key="key-of-batch", stream=stream)).status == 200
    claude.cached_tokens = 7
    assert (await front.ask("chat", key="key-of-batch", user="x" * 100_000)).status == 200
    claude.status = 500
    assert await front.answered_by("chat", key="key-of-batch") == "llama"
    claude.recover()
    url = f"http://{HOST}:{front.inner}/v1/chat/completions"
    body = {"model": "checked", "messages": [{"role": "user", "content": "Hi"}]}
    async with front.session.post(url, json=body, headers={"x-aistack-for": "batch"}) as answer:
        assert answer.status == 200
    claude.events = ('{"choices": [{"delta": {"content": "y"}}]}',) * 1000
    for asked in (front, fronts[1]):
        await asked.leave("chat", after=1000, key="key-of-batch")
    claude.seconds_to_answer = 60
    left = asyncio.create_task(front.ask("chat", key="key-of-batch"))
    count = len(claude.asked)
    await front.eventually(lambda: len(claude.asked) > count, "the provider is asked")
    left.cancel()
    rates, parts = rates_of(resolved(**SPEC), PRICES), ("client/batch", "model/claude")

    async def metered() -> Mapping[str, Decimal]:
        used = [read_counters((await each.status("/metrics"))[1]) for each in fronts]
        tally = EMPTY
        for counters in used:
            tally = tally.plus(costs(Use(1, counted=counters), rates), 0)
        return {part: Decimal(pico).scaleb(-12) for part, pico in tally.limited(parts).items()}

    async def is_counted(part: str) -> bool:
        lost = (await metered())[part] - await money(counting, part)
        return 0 <= lost <= 50 * unit_of(Decimal(LIMITS[part]))

    for part in parts:
        await front.eventually(partial(is_counted, part), f"{part} is counted as it is metered")
    assert (await metered())["client/batch"] > 5 * AN_ANSWER + 2 * LEFT


async def test_a_month_begins_anew(fronts: tuple[Front, Front], counting: Limiter) -> None:
    """By another name: what was counted by that of last month is nothing to this one."""
    for turn in range(3):
        await fronts[turn % 2].ask("chat", key="key-of-late")
    await counted(fronts, counting, "client/late", 3 * AN_ANSWER)
    assert await statuses(fronts, 2, "chat", key="key-of-late") == {429: 2}
    [name] = await counting.counters("*_client_late_*")
    month = f"{datetime.now(ZONE):%Y%m}"
    assert name.startswith(f"gateway_month_{month}_unit_1E-12 USD_client_late_")
    async with counting.redis() as redis:
        await redis.rename(name, name.replace(month, "199912"))
    assert await statuses(fronts, 2, "chat", key="key-of-late") == {200: 2}


async def test_while_redis_is_away_nobody_is_stopped_here_and_what_it_knew_is_lost(
    fronts: tuple[Front, Front], counting: Limiter
) -> None:
    for turn in range(3):
        await fronts[turn % 2].ask("chat", key="key-of-lost")
    await counted(fronts, counting, "client/lost", 3 * AN_ANSWER)
    assert await statuses(fronts, 2, "chat", key="key-of-lost") == {429: 2}
    await counting.stop("redis")
    assert await statuses(fronts, 4, "chat", key="key-of-lost") == {200: 4}
    await counting.start_redis()

    async def refused() -> bool:
        return (await fronts[1].ask("chat", key="key-of-lost")).status == 429

    await fronts[0].eventually(refused, "it counts again")
