"""examples/support.yaml: two models of one's own and a managed one, and what happens when a part fails."""

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.controlplane.progress import step
from tests.e2e.internet import ANSWER
from tests.e2e.stacks import Answer, Stack, eventually, example, namespace
from tests.e2e.world import World

MANAGED = "".join(ANSWER)


@pytest.fixture(scope="module")
def support(world: World) -> Iterator[Stack]:
    with namespace(world.cluster, "care"):
        stack = Stack(world.cluster, "care", "support")
        stack.apply(example("support"))
        stack.wait_until_ready(within=480)
        yield stack


def by_target(answers: list[Answer]) -> Counter[str]:
    """How many answers came from where; `failed` for those that are none."""
    return Counter(
        "failed" if answer["status"] != 200 else "claude" if answer["text"] == MANAGED else "llama"
        for answer in answers
    )


def test_a_fifth_of_the_requests_goes_to_the_managed_model(support: Stack) -> None:
    with support.load("chat", seconds=30) as answers:
        pass
    seen = by_target(answers)
    assert seen["failed"] == 0, [answer for answer in answers if answer["status"] != 200][:3]
    assert 0.05 < seen["claude"] / seen.total() < 0.4, seen


def test_each_target_streams(support: Stack) -> None:
    answers = [support.ask("chat", stream=True) for _ in range(20)]
    assert all(answer["complete"] for answer in answers), answers
    assert set(by_target(answers)) == {"llama", "claude"}


def test_an_embedding_has_its_declared_dimensions(support: Stack) -> None:
    answer = support.ask("embed", path="embeddings")
    assert answer["status"] == 200, answer
    assert answer["vector"] == 384


def test_when_a_model_is_killed_the_fallback_answers_and_it_comes_back_by_itself(
    support: Stack, world: World
) -> None:
    with support.load("chat", seconds=30) as answers, step("llama is killed under load"):
        world.node.kill("served-model-name llama")
        took = eventually(lambda: not support.is_ready(), support.story, within=15)
        reason = support.ready()["message"]
    seen = by_target(answers)
    assert seen["failed"] == 0, [answer for answer in answers if answer["status"] != 200][:3]
    assert "llama" in reason, reason
    print(f"Ready was False after {took:.1f} s: {reason}; {dict(seen)}")
    support.wait_until_ready()
