"""A request for a model that is at zero waits at the front until the model has started."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import pytest
import pytest_asyncio

from aistack.observed import Want
from aistack.render.gateway.demand import sleepers
from aistack.waking import Interest, looked
from tests.gateway.conftest import RESTING
from tests.gateway.front import Front, free_ports
from tests.gateway.stand_in import StandIn
from tests.stacks import hosted, resolved

pytestmark = pytest.mark.asyncio(loop_scope="session")

PATIENCE = 15.0
"""Seconds that a route waits for the model, where it waits."""
IDLE_AFTER = 300.0
"""Seconds without a request until the model goes to zero."""
TARGET: dict[str, Any] = {"targets": [{"model": "sleepy"}]}
SPEC: dict[str, Any] = {
    "models": [hosted("sleepy", scaling={"min": 0, "toZeroAfter": f"{IDLE_AFTER:g}s"}), hosted("mistral")],
    "gateway": {
        "routes": [
            {"name": "patient", **TARGET, "timeout": f"{PATIENCE:g}s"},
            {"name": "hasty", **TARGET, "retries": 0, "timeout": "500ms"},
            {"name": "resting", **TARGET, "timeout": "500ms", "whenDown": {"message": RESTING}},
            {"name": "covered", **TARGET, "fallbacks": ["mistral"], "timeout": f"{PATIENCE:g}s"},
            {
                "name": "session",
                **TARGET,
                "fallbacks": ["mistral"],
                "affinity": {"by": "Session"},
                "timeout": f"{PATIENCE:g}s",
            },
            {"name": "reserve", "targets": [{"model": "mistral"}], "fallbacks": ["sleepy"]},
        ]
    },
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sleepy() -> AsyncIterator[StandIn]:
    """Where the model will listen; nobody does at first."""
    [port] = free_ports(1)
    server = StandIn("sleepy", port=port)
    yield server
    await server.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def front(sleepy: StandIn, ports: dict[str, int]) -> AsyncIterator[Front]:
    async with Front({**ports, "sleepy": sleepy.port}) as front:
        await front.start(SPEC)
        yield front


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def at_zero(sleepy: StandIn) -> None:
    await sleepy.stop()
    sleepy.recover()


class Listener:
    """What the controller learns of those who ask for the model, from one look to the next."""

    def __init__(self, front: Front) -> None:
        self.front = front
        [self.sleeper] = sleepers(resolved(**SPEC).gateway)
        self.interest: Interest | None = None

    async def look(self, now: float = 0) -> Want | None:
        _, said = await self.front.status("/demand")
        self.interest = looked(self.interest, self.sleeper, {"front": said}, silent=0, now=now)
        return self.interest.want


async def waits(front: Front) -> bool:
    _, text = await front.status("/metrics")
    return bool(re.search(r'^aistack_waiting_requests\{model="sleepy"\} 1$', text, re.MULTILINE))


@pytest.mark.parametrize("stream", [False, True])
async def test_a_request_waits_and_is_answered_when_the_model_has_started(
    front: Front, sleepy: StandIn, stream: bool
) -> None:
    listener = Listener(front)
    await listener.look()
    asking = asyncio.create_task(front.ask("patient", stream=stream))
    await front.eventually(lambda: waits(front), "the request waits")
    assert await listener.look() is Want.ASKED
    await sleepy.start()
    reply = await asking
    assert reply.status == 200
    assert '"answered_by": "sleepy"' in reply.text
    assert (await front.logged(model="patient", stream=stream))["target"] == "sleepy"
    assert [asked.body["messages"] for asked in sleepy.asked] == [[{"role": "user", "content": "Hi"}]]


async def test_who_waits_for_too_long_gets_an_error_that_clients_know(front: Front) -> None:
    begin = time.monotonic()
    reply = await front.ask("hasty")
    assert 0.4 < time.monotonic() - begin < PATIENCE
    assert (reply.status, reply.json["error"]["code"]) == (503, "upstream_unavailable")


async def test_after_the_wait_comes_the_last_answer(front: Front) -> None:
    reply = await front.ask("resting")
    assert reply.json["choices"][0]["message"]["content"] == RESTING


async def test_a_client_that_leaves_is_not_served(front: Front, sleepy: StandIn) -> None:
    asking = asyncio.create_task(front.ask("patient"))
    await front.eventually(lambda: waits(front), "the request waits")
    asking.cancel()

    async def nobody_waits() -> bool:
        return not await waits(front)

    await front.eventually(nobody_waits, "nobody waits any more")
    await sleepy.start()
    assert await front.answered_by("patient", user="the next one") == "sleepy"
    assert [asked.body.get("user") for asked in sleepy.asked] == ["the next one"]


@pytest.mark.parametrize("route", ["covered", "session"])
async def test_a_fallback_answers_at_once_and_the_model_is_asked_for_all_the_same(
    front: Front, route: str
) -> None:
    listener = Listener(front)
    assert await listener.look() is None
    begin = time.monotonic()
    assert await front.answered_by(route, headers={"x-session-id": "one"}) == "mistral"
    assert time.monotonic() - begin < PATIENCE

    async def asked_for() -> bool:
        return await listener.look() is Want.ASKED

    await front.eventually(asked_for, "the model is asked for")


async def test_a_fallback_that_nobody_needs_is_not_asked_for(front: Front) -> None:
    listener = Listener(front)
    await listener.look()
    assert await front.answered_by("reserve") == "mistral"
    assert await listener.look() is None


async def test_a_fallback_at_zero_is_waited_for_when_all_else_fails(
    front: Front, sleepy: StandIn, mistral: StandIn
) -> None:
    mistral.status = 503
    listener = Listener(front)
    await listener.look()
    asking = asyncio.create_task(front.answered_by("reserve"))
    await front.eventually(lambda: waits(front), "the request waits")
    assert await listener.look() is Want.ASKED
    await sleepy.start()
    assert await asking == "sleepy"


async def test_a_model_that_runs_is_asked_as_any_other(front: Front, sleepy: StandIn) -> None:
    await sleepy.start()

    async def found() -> bool:
        return await front.answered_by("covered") == "sleepy"

    await front.eventually(found, "it is found")
    listener = Listener(front)
    await listener.look()
    sleepy.asked.clear()
    sleepy.seconds_to_answer = PATIENCE
    asking = asyncio.create_task(front.ask("patient"))
    await front.eventually(lambda: bool(sleepy.asked), "it is asked")
    assert await listener.look() is Want.ASKED
    assert await listener.look(now=IDLE_AFTER) is Want.ASKED, "an answer under way holds it awake"
    asking.cancel()
    later = count(2)

    async def rests() -> bool:
        return await listener.look(now=next(later) * IDLE_AFTER) is Want.IDLE

    await front.eventually(rests, "nobody asks any more")
