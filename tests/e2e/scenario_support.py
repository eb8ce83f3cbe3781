"""examples/support.yaml: two models of one's own and a managed one, and what happens when a part fails."""

import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.controlplane.progress import step
from tests.e2e.fault import fault
from tests.e2e.internet import ANSWER
from tests.e2e.load import Answer
from tests.e2e.running import Seen
from tests.e2e.stacks import Stack, eventually, example, namespace
from tests.e2e.world import World

MANAGED = "".join(ANSWER)
SIMILAR = 0.95
"""To a model of random weights most texts are alike."""


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
    with support.load("chat") as load:
        load.goes_on(200)
    assert load.failed == []
    seen = by_target(load.answers)
    assert 0.05 < seen["claude"] / seen.total() < 0.4, seen


def test_each_target_streams(support: Stack) -> None:
    with support.load("chat", stream=True) as load:
        eventually(lambda: by_target(load.answers).keys() == {"llama", "claude"}, support.story, within=60)
    assert load.failed == []


def test_an_embedding_has_its_declared_dimensions(support: Stack) -> None:
    answer = support.ask("embed", path="embeddings")
    assert answer["status"] == 200, answer
    assert answer["vector"] == 384


def test_a_question_in_other_words_is_given_the_answer_that_was_kept(support: Stack, seen: Seen) -> None:
    gateway = support.read()["spec"]["gateway"]
    cache = {"mode": "Semantic", "embeddingModel": "minilm", "similarity": SIMILAR}
    route = {"name": "faq", "targets": [{"model": "llama"}], "cache": cache}
    support.patch({"gateway": {**gateway, "routes": [*gateway["routes"], route]}})
    support.wait_until_ready()
    answers: list[Answer] = []

    def is_given_again() -> bool:
        """Until the cache is reached by both adapters, each asks the model."""
        answers.append(support.ask("faq", text="When do you open on Mondays?"))
        return answers[-1].get("kept") is True

    eventually(is_given_again, support.story, within=60)
    other_words = support.ask("faq", text="When do you open on Monday?")
    another = support.ask("faq", text="7")
    assert (other_words["status"], other_words["kept"]) == (200, True), other_words
    assert other_words["text"] == answers[-1]["text"]
    assert (another["status"], another["kept"]) == (200, False), another
    seen(f"asked {len(answers)} times; in other words answered after {other_words['seconds']} s")


def test_when_a_model_is_killed_the_fallback_answers_and_it_comes_back_by_itself(
    support: Stack, world: World, seen: Seen
) -> None:
    with support.load("chat") as load:
        load.goes_on()
        took, reason = fault(world, support, "llama", "vllm")
        load.goes_on()
    assert load.failed == []
    seen(f"Ready was False after {took:.1f} s: {reason}; {dict(by_target(load.answers))}")
    support.wait_until_ready()
    with support.load("chat") as load:
        eventually(lambda: by_target(load.answers)["llama"] > 10, support.story, within=90)
    assert load.failed == []


def test_when_one_of_two_adapters_is_killed_the_other_answers(
    support: Stack, world: World, seen: Seen
) -> None:
    with support.load("chat") as load:
        load.goes_on()
        took, reason = fault(world, support, "adapter", "litellm")
        load.goes_on(100)
    assert load.failed == []
    seen(f"Ready was False after {took:.1f} s: {reason}; {dict(by_target(load.answers))}")
    support.wait_until_ready()


def test_when_one_of_two_fronts_is_killed_only_what_it_had_in_hand_is_lost(
    support: Stack, world: World, seen: Seen
) -> None:
    with support.load("chat") as load:
        load.goes_on()
        took, reason = fault(world, support, "gateway", "envoy --config-path")
        support.wait_until_ready()
        since = time.time()
        load.goes_on(100)
    lost = len(load.failed)
    seen(f"Ready was False after {took:.1f} s: {reason}; {lost} requests failed of {len(load.answers)}")
    assert [each for each in load.failed if each["at"] > since] == [], "asked when the stack was Ready again"


def test_a_deleted_stack_leaves_nothing(support: Stack) -> None:
    there = support.objects()
    assert any(name.startswith("persistentvolumeclaim/") for name in there)
    support.kubectl("delete", "aistack", support.name)
    with step("the stack is deleted"):
        eventually(lambda: not support.objects(), support.story, within=240)
