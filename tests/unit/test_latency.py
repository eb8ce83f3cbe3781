"""What a front counts of its answers' times becomes the mean of each target of a route."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from aiohttp import web

from aistack.labels import COMPONENT_LABEL, NAME_LABEL, STACK_LABEL
from aistack.latency import ENOUGH, Timing, between, means, read_timings, together
from aistack.observed import Latency
from aistack.runtime.latencies import Latencies
from aistack.runtime.store import Key, Store
from tests.metered import serving

KEY = ("care", "support")
NOW = datetime(2026, 11, 10, 12, tzinfo=UTC)
CHAT, FAST, SLOW = "chat", ("chat", "fast"), ("chat", "slow")


def text(**targets: tuple[float, int]) -> str:
    """A front's metrics: by target the milliseconds and the requests of the route chat, of two clients."""
    lines = ['aistack_requests_total{client="a",route="chat",target="fast",status="200"} 7']
    for target, (milliseconds, requests) in targets.items():
        for client, part in (("a", 1), ("b", 0)):
            labels = f'{{client="{client}",route="chat",target="{target}"}}'
            lines += [
                f'aistack_request_milliseconds_bucket{{route="chat",target="{target}",le="+Inf"}} {requests}',
                f"aistack_request_milliseconds_sum{labels} {milliseconds * part}",
                f"aistack_request_milliseconds_count{labels} {requests * part}",
            ]
    return "\n".join(lines) + "\n"


def test_sums_and_counts_are_read_over_all_clients() -> None:
    assert read_timings(text(fast=(1234.5, 12), slow=(1.5e6, 3))) == {
        FAST: Timing(1234.5, 12),
        SLOW: Timing(1.5e6, 3),
    }


def test_what_came_since_is_counted_also_of_a_front_that_began_again() -> None:
    before = {FAST: Timing(1000, 10), SLOW: Timing(900, 3)}
    now = {FAST: Timing(1500, 15), SLOW: Timing(200, 1)}
    assert between(before, now) == {FAST: Timing(500, 5), SLOW: Timing(200, 1)}


def test_a_mean_needs_enough_answers() -> None:
    several = together([{FAST: Timing(500, ENOUGH - 1)}, {FAST: Timing(500, 1), SLOW: Timing(900, 9)}])
    assert means(several, CHAT, ("fast", "slow")) == {"fast": 1000 / ENOUGH}


class World:
    """A stack with one front, which says what a test has it say."""

    def __init__(self) -> None:
        self.said = text()
        self.told: list[Key] = []
        self.store = Store()
        self.latencies = Latencies(self.store, self.told.extend)
        labels = {STACK_LABEL: "support", COMPONENT_LABEL: "gateway", NAME_LABEL: "gateway"}
        meta = {"name": "front", "namespace": "care", "uid": "uid", "resourceVersion": "1", "labels": labels}
        status = {"podIP": "127.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]}
        self.store.update({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "status": status})

    async def metrics(self, _: web.Request) -> web.Response:
        return web.Response(text=self.said)

    async def looks(self, said: str) -> dict[str, Latency]:
        self.said = said
        async with self.latencies._fronts:
            await self.latencies.look(NOW)
        return dict(self.latencies.known(KEY))


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    found = World()
    async with serving(found.metrics, monkeypatch):
        yield found


async def test_a_route_is_measured_from_one_look_to_the_next(world: World) -> None:
    world.latencies.follow(KEY, {CHAT: ("fast", "slow")})
    assert await world.looks(text(fast=(9e6, 900), slow=(9e6, 900))) == {}, "who knows how old that is"
    assert await world.looks(text(fast=(9e6, 900), slow=(9e6, 900))) == {}
    measured = await world.looks(text(fast=(9e6 + 1000, 910), slow=(9e6 + 8000, 920)))
    assert measured == {CHAT: Latency(NOW, {"fast": 100, "slow": 400})}
    assert world.told == [KEY]


async def test_few_answers_are_gathered_until_they_are_enough(world: World) -> None:
    world.latencies.follow(KEY, {CHAT: ("fast", "slow")})
    await world.looks(text(fast=(0, 0), slow=(0, 0)))
    assert await world.looks(text(fast=(5000, 50), slow=(2400, 6))) == {}
    measured = await world.looks(text(fast=(10_000, 100), slow=(4800, 12)))
    assert measured == {CHAT: Latency(NOW, {"fast": 100, "slow": 400})}


async def test_a_stack_that_is_not_followed_any_more_is_forgotten(world: World) -> None:
    world.latencies.follow(KEY, {CHAT: ("fast", "slow")})
    await world.looks(text(fast=(0, 0), slow=(0, 0)))
    await world.looks(text(fast=(5000, 50), slow=(4000, 10)))
    assert world.latencies.known(KEY)
    world.latencies.follow(KEY, {})
    assert await world.looks(text(fast=(9000, 90), slow=(9000, 20))) == {}
