"""vLLM's replicas are asked how much they serve; what a restart, a gap or other replicas make of it."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from aiohttp import web

from aistack.runtime import engines
from tests.metered import Front, World, serving
from tests.stacks import hosted, stack
from tests.unit.test_spending_throughput import METRICS


class VLLM:
    """The vLLM of every replica: for each look after the first it has served 1,000 tokens a second."""

    def __init__(self) -> None:
        self.tokens = 0
        self.waiting = 2
        self.silent = False
        self.asked = 0

    async def metrics(self, _: web.Request) -> web.Response:
        self.asked += 1
        counted = METRICS.replace("4096.0", f"{self.tokens}.0").replace(" 3.0", f" {self.waiting}.0")
        return web.Response(status=503 if self.silent else 200, text=counted)


@pytest.fixture
async def vllm(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[VLLM]:
    found = VLLM()
    async with serving(found.metrics, monkeypatch, engines):
        yield found


async def busy(world: World, vllm: VLLM, looks: int, after: float = 1) -> int | None:
    """What is said of llama after so many looks, a minute apart."""
    for _ in range(looks):
        vllm.tokens += int(60_000 * after)
        await world.looks(after)
    return measured(world)


def measured(world: World) -> int | None:
    metered = world.metering.metered("uid-of-the-stack")
    rows = metered.throughput if metered else ()
    return next((row.tokens_per_second for row in rows if row.model == "llama"), None)


@pytest.fixture
async def world(front: Front, vllm: VLLM) -> World:  # noqa: ARG001  they answer
    found = World()
    found.has_pod("model", "llama", ready=True)
    return found


async def test_what_a_replica_serves_while_requests_wait_is_said_and_survives_a_restart(
    world: World, vllm: VLLM
) -> None:
    assert await busy(world, vllm, looks=5) is None, "the first look only begins a time"
    assert await busy(world, vllm, looks=1) == 1000
    assert world.told[-1] == ("care", "support"), "its status is to say so"
    world.restarts()
    vllm.silent = True
    await world.looks()
    assert measured(world) == 1000
    assert '"llama": 1000' in world.cluster.maps["care", "support-spending"]["data"]["spending.json"]


async def test_a_replica_that_nobody_waits_for_says_nothing(world: World, vllm: VLLM) -> None:
    vllm.waiting = 0
    assert await busy(world, vllm, looks=8) is None


async def test_times_over_a_gap_or_a_restart_of_vllm_or_of_the_controller_are_left_out(
    world: World, vllm: VLLM
) -> None:
    await busy(world, vllm, looks=4)
    await busy(world, vllm, looks=3, after=10)
    vllm.tokens = 0
    await world.looks()
    world.restarts()
    assert await busy(world, vllm, looks=2) is None, "four times are known"
    assert await busy(world, vllm, looks=1) == 1000


async def test_two_replicas_are_each_measured(world: World, vllm: VLLM) -> None:
    world.has_pod("model", "llama", ready=True, name="support-llama-1-y", uid="uid-y")
    assert await busy(world, vllm, looks=4) == 1000, "three times of either"


async def test_a_replica_that_is_not_ready_or_is_being_replaced_is_not_asked(
    world: World, vllm: VLLM
) -> None:
    world.has_pod(
        "model", "llama", name="support-llama-2-x", uid="uid-x", creationTimestamp="2026-11-11T00:00:00Z"
    )
    await busy(world, vllm, looks=8)
    assert (vllm.asked, measured(world)) == (0, None)


async def test_a_model_that_is_gone_is_forgotten(world: World, vllm: VLLM) -> None:
    await busy(world, vllm, looks=6)
    made: Mapping[str, Any] = stack(models=[hosted("other")])
    world.has({**made, "metadata": {**made["metadata"], "generation": 2}})
    await world.looks()
    assert measured(world) is None
