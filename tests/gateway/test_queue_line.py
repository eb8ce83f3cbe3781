"""The line that the queue's pods stand in: whose turn it is, step by step, on a real Redis."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from aistack.render.gateway.redis_pod import COUNTERS
from queueing.line import Bounds, Line, News, Turns, Unknown
from tests.gateway.front import HOST
from tests.gateway.intercepted import Memory

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOBODY = Turns([], [])
LONG = 60.0
"""Seconds: longer than a busy machine takes for a test."""


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LEASE_SECONDS", "FIRST_REST_SECONDS"):
        monkeypatch.setattr(f"queueing.line.{name}", LONG)
    monkeypatch.setattr("queueing.line.LONGEST_REST_SECONDS", 10 * LONG)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def memory(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Memory]:
    memory = Memory(Path(tmp_path_factory.mktemp("line")), COUNTERS)
    await memory.start()
    yield memory
    await memory.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def redis(memory: Memory) -> AsyncIterator[Redis]:
    async with Redis(host=HOST, port=memory.port) as redis:
        await redis.flushall()
        yield redis


class Pod:
    """One pod's part of the line; a ticket's number is when it arrived."""

    def __init__(self, redis: Redis, name: str, *, depth: int = 100, least: int = 1, most: int = 1) -> None:
        self.line, self.anew = Line(redis, name, Bounds(depth, least, most)), True

    async def step(self, routes: str = "chat", **news: list[object]) -> Turns:
        turns = await self.line.step(News(**news), routes.split(), anew=self.anew)  # type: ignore[arg-type]
        self.anew = False
        return turns

    async def enters(self, *arrived: int, route: str = "chat", out: bool = False) -> Turns:
        return await self.step(route, enter=[(f"{self.line.pod}{n}", route, n, out) for n in arrived])


async def wide(pod: Pod, width: int) -> None:
    """Lets as many be out at once, as so many answers do."""
    await pod.step(works=["chat"] * width)


async def test_who_came_first_is_first_whichever_pod_holds_it(redis: Redis) -> None:
    one, other = Pod(redis, "a"), Pod(redis, "b")
    assert await one.enters(10, out=True) == NOBODY
    assert await one.enters(3, 1) == NOBODY
    assert await other.enters(2) == NOBODY
    assert (await one.step(gone=["a10"])).turns == ["a1"]
    assert await one.step(gone=["a1"]) == NOBODY
    assert (await other.step()).turns == ["b2"]
    assert await other.step(gone=["b2"]) == NOBODY
    assert (await one.step()).turns == ["a3"]


async def test_there_is_room_for_so_many_in_all_pods_together(redis: Redis) -> None:
    one, other = Pod(redis, "a", depth=3), Pod(redis, "b", depth=3)
    await one.enters(1, 2)
    assert (await other.enters(3, 4)).full == ["b4"]
    await one.step(gone=["a1"])
    assert (await other.enters(4)).full == []


async def test_a_pod_that_says_nothing_any_more_is_forgotten_with_all_that_it_held(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("queueing.line.LEASE_SECONDS", 0.05)
    lost = Pod(redis, "a")
    assert (await lost.enters(1, 2)).turns == ["a1"]
    monkeypatch.setattr("queueing.line.LEASE_SECONDS", LONG)
    stays = Pod(redis, "b")
    await asyncio.sleep(0.1)
    assert (await stays.enters(3)).turns == ["b3"]
    with pytest.raises(Unknown):
        await lost.step()


async def test_a_pod_that_was_forgotten_tells_all_anew_and_counts_once(redis: Redis) -> None:
    pod = Pod(redis, "a", depth=2)
    assert (await pod.enters(1, 2)).turns == ["a1"]
    await redis.flushall()
    with pytest.raises(Unknown):
        await pod.step()
    for _ in range(2):
        pod.anew = True
        told = [("a1", "chat", 1, True), ("a2", "chat", 2, False)]
        assert await pod.step(enter=[*told]) == NOBODY
    assert (await pod.step(gone=["a1"])).turns == ["a2"]


async def test_more_are_out_at_once_with_each_answer_and_half_as_many_after_a_failure(redis: Redis) -> None:
    pod = Pod(redis, "a", least=2, most=5)
    assert len((await pod.enters(*range(20))).turns) == 2
    assert len((await pod.step(works=["chat"])).turns) == 1
    assert len((await pod.step(works=["chat"] * 9)).turns) == 2, "there are no more than may be"
    out = [f"a{number}" for number in range(5)]
    await pod.step(failed=[(ticket, "chat") for ticket in out])
    await redis.delete("rest:chat")
    assert len((await pod.step()).turns) == 2, "what failed together counts once"


async def test_a_route_rests_after_a_failure_and_others_go_on(redis: Redis) -> None:
    pod = Pod(redis, "a", most=4)
    await wide(pod, 4)
    assert (await pod.enters(1)).turns == ["a1"]
    failed: list[object] = [("a1", "chat")]
    entries: list[object] = [("a1", "chat", 1, False), ("a9", "other", 9, False)]
    assert (await pod.step("chat other", failed=failed, enter=entries)).turns == ["a9"]
    assert await redis.pttl("rest:chat") <= 1000 * LONG
    await redis.delete("rest:chat")
    assert (await pod.step("chat other")).turns == ["a1"]
    await pod.step("chat other", failed=failed)
    assert await redis.pttl("rest:chat") > 1000 * LONG, "it rests longer each time"
    await pod.step("chat other", works=["chat"])
    assert await redis.exists("rest:chat", "failures:chat") == 0


async def test_who_failed_has_its_place_again(redis: Redis) -> None:
    pod = Pod(redis, "a")
    assert (await pod.enters(1, 2)).turns == ["a1"]
    await pod.step(failed=[("a1", "chat")], enter=[("a1", "chat", 1, False)])
    assert await pod.step() == NOBODY
    await redis.delete("rest:chat")
    assert (await pod.step()).turns == ["a1"]


async def test_nothing_is_left_of_those_that_have_gone(redis: Redis) -> None:
    pod = Pod(redis, "a", most=5)
    await wide(pod, 5)
    turns = (await pod.enters(1, 2, 3)).turns
    await pod.step(gone=list(turns))
    assert {key async for key in redis.scan_iter()} == {b"pods", b"width"}
