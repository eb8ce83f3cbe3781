"""Requests go to the target that answers sooner, by what a real front has counted."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aistack.balance import balanced
from aistack.latency import Timing, measured, read_timings
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
            {"name": "chat", "strategy": "lowestLatency", "targets": [{"model": name} for name in MODELS]},
            {"name": "alone", "targets": [{"model": "mistral"}]},
            {"name": "late", "strategy": "ordered", "targets": [{"model": name} for name in MODELS]},
        ]
    },
}


async def asked(front: Front, count: int) -> Counter[str]:
    return Counter(await asyncio.gather(*(front.answered_by("chat") for _ in range(count))))


async def timings(front: Front) -> dict[tuple[str, str], Timing]:
    _, text = await front.status("/metrics")
    return dict(read_timings(text))


async def test_a_slow_target_gets_fewer_requests_and_never_none(
    ports: dict[str, int], llama: StandIn
) -> None:
    llama.seconds_to_answer = 0.2
    stack = resolved(**SPEC)
    async with Front(ports) as front:
        front.shares = balanced(stack, (), {}, NOW)
        await front.start(SPEC)
        for _ in range(6):
            await asked(front, 50)

        async def both() -> dict[str, Timing] | None:
            found = measured(await timings(front), "chat", MODELS)
            return found if found.keys() == set(MODELS) else None

        took = await front.eventually(both, "both targets are measured")
        assert took["mistral"].mean < took["llama"].mean
        for minute in range(1, 6):
            at = NOW + timedelta(minutes=minute)
            front.shares = balanced(stack, front.shares, {"chat": Latency(at, took)}, at)
        await front.change(SPEC)
        llama.seconds_to_answer = 0
        answers = await asked(front, 200)
    assert 0 < answers["llama"] < answers["mistral"], answers


async def test_who_fails_at_once_is_not_fast_and_who_is_asked_late_not_slow(
    ports: dict[str, int], llama: StandIn, mistral: StandIn
) -> None:
    async with Front(ports) as front:
        await front.start(SPEC)
        mistral.status = 404
        assert (await front.ask("alone")).status == 404
        mistral.recover()
        llama.status = 503
        assert await front.answered_by("late") == "mistral"
        llama.recover()
        assert await front.answered_by("late") == "llama"
        assert await front.answered_by("alone") == "mistral"

        async def counts() -> dict[tuple[str, str], float]:
            found = {key: timing.answers for key, timing in (await timings(front)).items()}
            return found if sum(found.values()) > 1 else {}

        counted = await front.eventually(counts, "the last two are counted")
    assert counted == {("late", "llama"): 1, ("alone", "mistral"): 1}
