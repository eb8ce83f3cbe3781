"""The controller asks fronts who asks for models at zero, and tells when one is to start or to end."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from aistack.labels import COMPONENT_LABEL, NAME_LABEL, STACK_LABEL
from aistack.observed import Want
from aistack.render.gateway.demand import sleepers
from aistack.runtime import fronts
from aistack.runtime.demand import OVERDUE, Demand
from aistack.runtime.store import Key, Store
from aistack.units import timestamp
from tests.stacks import hosted, resolved

KEY = ("care", "support")
SLEEPERS = sleepers(resolved(models=[hosted(scaling={"min": 0})]).gateway)
WAITS = "cluster.waiting-llama.upstream_rq_active"


class World:
    """A stack with one front, which says what a test has it say."""

    def __init__(self) -> None:
        self.said: Any = {}
        self.asked = 0
        self.told: list[Key] = []
        self.store = Store()
        self.demand = Demand(self.store, self.told.extend)
        self.has_pod(ready="True")

    async def answer(self, _: web.Request) -> web.Response:
        self.asked += 1
        return web.json_response(self.said)

    def has_pod(self, ready: str, version: str = "1", **meta: str) -> None:
        labels = {STACK_LABEL: "support", COMPONENT_LABEL: "gateway", NAME_LABEL: "gateway"}
        named = {
            "name": "front",
            "namespace": "care",
            "uid": "uid",
            "resourceVersion": version,
            "labels": labels,
        }
        status = {"podIP": "127.0.0.1", "conditions": [{"type": "Ready", "status": ready}]}
        self.store.update(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {**named, **meta}, "status": status}
        )

    async def looks(self) -> int:
        async with self.demand._fronts:
            return await self.demand.look()


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    found = World()
    app = web.Application()
    app.router.add_get("/demand", found.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    monkeypatch.setattr(fronts, "PORT", runner.addresses[0][1])
    yield found
    await runner.cleanup()


async def test_nobody_is_asked_for_a_stack_whose_models_always_run(world: World) -> None:
    assert await world.looks() == 0
    assert not world.asked


async def test_a_request_that_waits_is_told_once(world: World) -> None:
    world.demand.follow(KEY, SLEEPERS)
    assert await world.looks() == 1
    assert world.demand.wants(KEY) == {}
    world.said = {WAITS: 1}
    for _ in range(3):
        await world.looks()
    assert world.demand.wants(KEY) == {"llama": Want.ASKED}
    assert world.told == [KEY]


async def test_what_is_not_followed_any_more_is_forgotten(world: World) -> None:
    world.said = {WAITS: 1}
    world.demand.follow(KEY, SLEEPERS)
    await world.looks()
    world.demand.follow(KEY, ())
    assert world.demand.wants(KEY) == {}
    world.said = {}
    world.demand.follow(KEY, SLEEPERS)
    await world.looks()
    assert world.demand.wants(KEY) == {}


@pytest.mark.parametrize("nonsense", [[], {WAITS: "many"}, "none"])
async def test_nonsense_counts_as_silence(world: World, nonsense: Any) -> None:
    world.said = nonsense
    world.demand.follow(KEY, SLEEPERS)
    await world.looks()
    assert world.demand.wants(KEY) == {}


async def test_a_front_that_leaves_is_asked_and_one_that_is_not_ready_is_not(world: World) -> None:
    world.demand.follow(KEY, SLEEPERS)
    world.has_pod(ready="False", version="2")
    assert await world.looks() == 0
    world.has_pod(ready="False", version="3", deletionTimestamp=within(timedelta(hours=1)))
    assert await world.looks() == 1


@pytest.mark.parametrize("ready", ["True", "False"])
async def test_a_front_that_never_leaves_a_lost_node_keeps_no_model_awake(world: World, ready: str) -> None:
    world.demand.follow(KEY, SLEEPERS)
    world.has_pod(ready=ready, version="2", deletionTimestamp=within(-OVERDUE))
    assert await world.looks() == 0


def within(time: timedelta) -> str:
    return timestamp(datetime.now(UTC) + time)
