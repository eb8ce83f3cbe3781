"""Which question Redis finds for another one: similar.lua alone, in a real Redis 8."""

import math
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from tests.gateway.front import HOST
from tests.gateway.intercepted import Memory

pytestmark = pytest.mark.asyncio(loop_scope="session")

PROGRAM = Path(__file__).parents[2].joinpath("operator/aistack/render/gateway/similar.lua").read_text()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Memory]:
    memory = Memory(Path(tmp_path_factory.mktemp("similar-lua")))
    await memory.start()
    yield memory
    await memory.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def redis(server: Memory) -> AsyncIterator[Redis]:
    async with Redis(host=HOST, port=server.port, decode_responses=True) as redis:
        await redis.flushall()
        yield redis


async def found(
    redis: Redis, key: str, cosine: float, *, similarity: float = 0.9, seconds: int = 60, most: int = 100
) -> str:
    """Whose answer the question `key` gets, which has this cosine with the direction of the first axis."""
    direction = struct.pack("<2f", cosine, math.sqrt(1 - cosine**2))
    return str(await redis.eval(PROGRAM, 2, "set", key, direction, similarity, seconds, most))


async def answered(redis: Redis, key: str, cosine: float) -> None:
    assert await found(redis, key, cosine) == key
    await redis.set(key, "an answer")


@pytest.mark.parametrize(
    ("cosine", "similarity", "near"),
    [(1, 1, True), (0.91, 0.9, True), (0.89, 0.9, False), (0.3, 0.29, True), (-1, 0, False)],
)
async def test_a_question_is_near_enough_by_the_cosine(
    redis: Redis, cosine: float, similarity: float, near: bool
) -> None:
    await answered(redis, "first", 1)
    assert await found(redis, "second", cosine, similarity=similarity) == ("first" if near else "second")


async def test_the_nearest_question_counts_that_has_its_answer(redis: Redis) -> None:
    await answered(redis, "far", 0.95)
    await redis.eval(PROGRAM, 2, "set", "near", struct.pack("<2f", 1, 0), 1, 60, 100)
    assert await found(redis, "asked", 0.99) == "far"
    await redis.set("near", "an answer")
    assert await redis.vset().vcard("set") == 1, "without an answer it was taken out"


async def test_what_is_found_is_not_added(redis: Redis) -> None:
    await answered(redis, "first", 1)
    for number in range(3):
        assert await found(redis, f"{number}", 1) == "first"
    assert await redis.vset().vcard("set") == 1


async def test_questions_whose_time_is_over_are_taken_out_as_others_are_added(redis: Redis) -> None:
    await answered(redis, "old", 1)
    await redis.vset().vsetattr("set", "old", "0")
    assert await found(redis, "new", 0) == "new"
    assert await redis.vset().vrandmember("set", 10) == ["new"]


async def test_there_are_never_more_than_may_be_compared(redis: Redis) -> None:
    for number in range(20):
        assert await found(redis, f"{number}", number / 20, similarity=1, most=5) == f"{number}"
    assert await redis.vset().vcard("set") == 5


async def test_a_set_ends_with_its_last_question(redis: Redis) -> None:
    await found(redis, "first", 1, seconds=600)
    assert 590 < await redis.ttl("set") <= 600
