"""Limits that hold over all replicas, counted in a Redis of the stack's own; and without it."""

from collections import Counter

import pytest

from tests.e2e.fault import fault
from tests.e2e.load import Answer
from tests.e2e.running import Seen
from tests.e2e.stacks import Stack, eventually, example
from tests.e2e.world import World

A_MINUTE = 20
"""Requests that the client may make; twice as many if each replica counted for itself."""
UNCOUNTED = 15
"""Let through besides: on a busy node the counters may take longer than the half second a front waits. Each
replica for itself would let through still more."""
ENOUGH = 150.0  # seconds until so many more are refused, whenever in a minute it begins
KEY = "key-of-web"


@pytest.fixture
def limited(hello: Stack) -> Stack:
    """`hello` with one client, whose requests are counted over both replicas of the gateway."""
    stack = example("smallest")
    web = {**hello.client_key("web", KEY), "requestsPerMinute": A_MINUTE}
    stack["spec"]["gateway"] = {"limitScope": "Global", "clients": [web]}
    hello.apply(stack)
    hello.wait_until_ready()
    return hello


def let_through(answers: list[Answer]) -> Counter[int]:
    """How many in each minute of the clock: the service counts by it."""
    return Counter(int(answer["at"] // 60) for answer in answers if answer["status"] == 200)


def statuses(answers: list[Answer]) -> Counter[int]:
    return Counter(answer["status"] for answer in answers)


def test_two_replicas_together_let_through_what_the_limit_says(limited: Stack, seen: Seen) -> None:
    with limited.load("qwen", key=KEY) as load:
        eventually(lambda: statuses(load.answers)[429] >= 2 * A_MINUTE, limited.story, ENOUGH)
    assert set(statuses(load.answers)) == {200, 429}
    by_minute = let_through(load.answers)
    assert by_minute.total() >= A_MINUTE, "no fewer than may"
    assert max(by_minute.values()) <= A_MINUTE + UNCOUNTED
    seen(f"{list(by_minute.values())} let through a minute, with a limit of {A_MINUTE}")


def test_without_redis_requests_go_through_and_the_status_says_so(
    limited: Stack, world: World, seen: Seen
) -> None:
    with limited.load("qwen", key=KEY) as load:
        load.goes_on()
        took, message = fault(world, limited, "redis", "valkey-server")
        load.goes_on()
        limited.wait_until_ready()
    assert statuses(load.answers).keys() <= {200, 429}
    seen(f"Ready was False after {took:.1f} s: {message}; {dict(statuses(load.answers))}")
