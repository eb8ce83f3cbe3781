"""A queue: who asks while the only model is down waits for it, and is answered."""

import pytest

from tests.e2e.fault import fault
from tests.e2e.running import Seen
from tests.e2e.stacks import Stack, example
from tests.e2e.world import World

PATIENCE = 300.0  # seconds; vLLM starts anew meanwhile


@pytest.fixture
def queued(hello: Stack) -> Stack:
    stack = example("smallest")
    routes = [{"name": "chat", "targets": [{"model": "qwen"}], "retries": 0}]
    stack["spec"]["gateway"] = {"routes": routes, "queue": {"maxWait": "5m"}}
    hello.apply(stack)
    hello.wait_until_ready()
    return hello


def test_who_asks_while_the_model_is_down_waits_and_is_answered(
    queued: Stack, world: World, seen: Seen
) -> None:
    took, reason = fault(world, queued, "qwen", "vllm")
    answer = queued.ask("chat", patience=PATIENCE)
    assert (answer["status"], answer["complete"]) == (200, True), answer
    assert answer["seconds"] > 1, "the model was down"
    seen(f"Ready was False after {took:.1f} s: {reason}; answered after {answer['seconds']} s")
