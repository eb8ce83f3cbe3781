"""Requests go to the target that answers sooner, by what a real front has counted."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aistack.balance import balanced
from aistack.latency import means, read_timings
from aistack.observed import Latency
from tests.gateway.front import Front
from tests.gateway.stand_in import StandIn
from tests.stacks import hosted, resolved

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOW = datetime(2026, 11, 10, 12, tzinfo=UTC)
MODELS = ("llama", "mistral")
SPEC: dict[str, Any] = {
    "models": [hosted(name) for name in MODELS],
    "gateway": {
        "routes": [
            {"name": "chat", "strategy": "lowestLatency", "targets": [{"model": name} for name in MODELS]}
        ]
    },
}


async def asked(front: Front, count: int) -> Counter[str]:
    return Counter(await asyncio.gather(*(front.answered_by("chat") for _ in range(count))))


async def test_a_slow_target_gets_fewer_requests_and_never_none(
    ports: dict[str, int], llama: StandIn
) -> None:
    llama.seconds_to_answer = 0.5
    stack = resolved(**SPEC)
    async with Front(ports) as front:
        front.shares = balanced(stack, (), {}, NOW)
        await front.start(SPEC)
        for _ in range(4):
            await asked(front, 20)

        async def measured() -> dict[str, float] | None:
            _, text = await front.status("/metrics")
            found = means(read_timings(text), "chat", MODELS)
            return found if found.keys() == set(MODELS) else None

        took = await front.eventually(measured, "both targets are measured")
        assert took["mistral"] < took["llama"]
        for minute in range(1, 6):
            at = NOW + timedelta(minutes=minute)
            front.shares = balanced(stack, front.shares, {"chat": Latency(at, took)}, at)
        await front.change(SPEC)
        llama.seconds_to_answer = 0
        answers = await asked(front, 200)
    assert 0 < answers["llama"] < answers["mistral"], answers
