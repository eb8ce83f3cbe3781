"""What a front counts of its answers' times becomes the mean of each target of a route."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from aiohttp import web

from aistack.api.stack import RouteStatus, TargetShare
from aistack.labels import COMPONENT_LABEL, NAME_LABEL, STACK_LABEL
from aistack.latency import ENOUGH, MOST, Timing, between, faded, measured, read_timings, together
from aistack.observed import Latency
from aistack.runtime.latencies import Latencies
from aistack.runtime.store import Key, Store
from tests.metered import serving

KEY = ("care", "support")
NOW = datetime(2026, 11, 10, 12, tzinfo=UTC)
CHAT, FAST, SLOW = "chat", ("chat", "fast"), ("chat", "slow")


def row(fast: int, slow: int) -> RouteStatus:
    targets = TargetShare(model="fast", percent=fast), TargetShare(model="slow", percent=slow)
    return RouteStatus(name=CHAT, targets=targets, since="2026-11-10T11:00:00Z")


ROWS = (row(50, 50),)


def text(**targets: tuple[float, int]) -> str:
    """A front's metrics: by target the milliseconds and the answers of the route chat."""
    lines = ['aistack_requests_total{client="a",route="chat",target="fast",status="200"} 7']
    for target, (milliseconds, answers) in targets.items():
        labels = f'route="chat",target="{target}"'
        lines += [
            f'aistack_request_milliseconds_sum{{client="a",{labels}}} 1e9',
            f'aistack_answer_milliseconds_bucket{{{labels},le="+Inf"}} {answers}',
            f"aistack_answer_milliseconds_sum{{{labels}}} {milliseconds}",
            f"aistack_answer_milliseconds_count{{{labels}}} {answers}",
        ]
    return "\n".join(lines) + "\n"


def test_sums_and_counts_of_answers_are_read() -> None:
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
    assert measured(several, CHAT, ("fast", "slow")) == {"fast": Timing(1000, ENOUGH)}


def test_what_came_long_ago_counts_less_and_less() -> None:
    few = {FAST: Timing(500, 10), SLOW: Timing(500, 10), ("other", "fast"): Timing()}
    assert faded(few) == few
    many = faded({**few, FAST: Timing(6 * MOST, 3 * MOST), SLOW: Timing(4 * MOST, MOST)})
    assert many == {**few, FAST: Timing(1.5 * MOST, 0.75 * MOST), SLOW: Timing(MOST, 0.25 * MOST)}


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
    world.latencies.follow(KEY, ROWS)
    assert await world.looks(text(fast=(9e6, 900), slow=(9e6, 900))) == {}, "who knows how old that is"
    assert await world.looks(text(fast=(9e6, 900), slow=(9e6, 900))) == {}
    found = await world.looks(text(fast=(9e6 + 10_000, 1000), slow=(9e6 + 80_000, 1100)))
    assert found == {CHAT: Latency(NOW, {"fast": Timing(10_000, 100), "slow": Timing(80_000, 200)})}
    assert world.told == [KEY]


async def test_answers_are_gathered_until_the_shares_are_moved(world: World) -> None:
    world.latencies.follow(KEY, ROWS)
    await world.looks(text(fast=(0, 0), slow=(0, 0)))
    assert await world.looks(text(fast=(50_000, 500), slow=(24_000, 60))) == {}, "too few"
    known = {CHAT: Latency(NOW, {"fast": Timing(100_000, 1000), "slow": Timing(48_000, 120)})}
    assert await world.looks(text(fast=(100_000, 1000), slow=(48_000, 120))) == known
    world.latencies.follow(KEY, ROWS)
    known = {CHAT: Latency(NOW, {"fast": Timing(110_000, 1100), "slow": Timing(88_000, 220)})}
    assert await world.looks(text(fast=(110_000, 1100), slow=(88_000, 220))) == known
    world.latencies.follow(KEY, (row(60, 40),))
    now = text(fast=(120_000, 1200), slow=(128_000, 320))
    known = {CHAT: Latency(NOW, {"fast": Timing(10_000, 100), "slow": Timing(40_000, 100)})}
    assert await world.looks(now) == known, "with other shares they take another time"


async def test_a_stack_that_is_not_followed_any_more_is_forgotten(world: World) -> None:
    world.latencies.follow(KEY, ROWS)
    await world.looks(text(fast=(0, 0), slow=(0, 0)))
    await world.looks(text(fast=(50_000, 500), slow=(40_000, 100)))
    assert world.latencies.known(KEY)
    world.latencies.follow(KEY, ())
    assert await world.looks(text(fast=(90_000, 900), slow=(90_000, 200))) == {}
