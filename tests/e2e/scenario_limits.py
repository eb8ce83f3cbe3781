"""Limits that hold over all replicas, counted in a Redis of the stack's own; and without it."""

import time
from collections import Counter

import pytest

from tests.e2e.load import Answer
from tests.e2e.running import Seen
from tests.e2e.stacks import Stack, eventually, example
from tests.e2e.world import World

A_MINUTE = 20
"""Requests that the client may make; twice as many if each replica counted for itself."""
UNCOUNTED = 5
"""Let through besides: on a busy node the counters may take longer than the half second a front waits."""
ENOUGH = 30.0  # seconds for three times as many
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


def statuses(answers: list[Answer]) -> Counter[int]:
    return Counter(answer["status"] for answer in answers)


def test_two_replicas_together_let_through_what_the_limit_says(limited: Stack, seen: Seen) -> None:
    if (left := 60 - time.time() % 60) < ENOUGH:  # the service counts by the minute of the clock
        time.sleep(left)
    with limited.load("qwen", key=KEY) as load:
        load.goes_on(3 * A_MINUTE, within=ENOUGH)
    assert A_MINUTE <= statuses(load.answers)[200] <= A_MINUTE + UNCOUNTED
    assert set(statuses(load.answers)) == {200, 429}
    seen(f"{dict(statuses(load.answers))} with a limit of {A_MINUTE} a minute")


def test_without_redis_requests_go_through_and_the_status_says_so(
    limited: Stack, world: World, seen: Seen
) -> None:
    (redis,) = limited.pods("redis").values()
    with limited.load("qwen", key=KEY) as load:
        load.goes_on()
        world.node.kill(redis, "valkey-server")
        took = eventually(lambda: not limited.is_ready(), limited.story, within=15)
        message = limited.ready()["message"]
        load.goes_on()
        limited.wait_until_ready()
    assert "redis" in message
    assert statuses(load.answers).keys() <= {200, 429}
    seen(f"Ready was False after {took:.1f} s: {message}; {dict(statuses(load.answers))}")
