"""A model that changes, or can't: who asks meanwhile notices nothing."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.controlplane.progress import step
from tests.e2e.stacks import Answer, Stack, eventually, example, namespace
from tests.e2e.world import World


@pytest.fixture(scope="module")
def hello(world: World) -> Iterator[Stack]:
    with namespace(world.cluster, "rollout"):
        stack = Stack(world.cluster, "rollout", "hello")
        stack.apply(example("smallest"))
        stack.wait_until_ready()
        yield stack


def changed(**runtime: Any) -> dict[str, Any]:
    """examples/smallest.yaml with these fields of its model's runtime."""
    stack = example("smallest")
    stack["spec"]["models"][0]["selfHosted"]["runtime"] = runtime
    return stack


def failed(answers: list[Answer]) -> list[Answer]:
    return [answer for answer in answers if answer["status"] != 200 or not answer["complete"]]


def pods(stack: Stack, part: str) -> set[str]:
    selector = f"--selector=aistack.dev/stack={stack.name},app.kubernetes.io/name={part}"
    return set(stack.kubectl("get", "pods", selector, "--output=name").split())


def test_a_rolling_update_of_the_model_loses_no_request(hello: Stack) -> None:
    before = pods(hello, "qwen")
    with hello.load("qwen", seconds=150, stream=True) as answers, step("the model is rolled over"):
        hello.apply(changed(env=[{"name": "ROLLED", "value": "once"}]))
        eventually(lambda: not (pods(hello, "qwen") & before), hello.story, within=240)
    assert failed(answers) == []
    assert len(answers) > 100
    assert hello.is_ready(), hello.story()


def test_a_revision_that_cannot_start_leaves_the_old_one_serving_and_says_why(hello: Stack) -> None:
    with hello.load("qwen", seconds=40) as answers:
        hello.apply(changed(image="docker.io/vllm/vllm-openai-cpu:v0.0.1-missing", version="0.32.0"))
        says = lambda: "v0.0.1-missing" in hello.ready().get("message", "")  # noqa: E731 - asked twice
        eventually(says, hello.story, within=15)
    assert failed(answers) == []
    hello.apply(example("smallest"))
    hello.wait_until_ready()


def test_a_new_route_is_live_under_load_without_a_failed_request(hello: Stack) -> None:
    stack = example("smallest")
    stack["spec"]["gateway"] = {"routes": [{"name": "chat", "targets": [{"model": "qwen"}]}]}
    with hello.load("qwen", seconds=30) as answers:
        hello.apply(stack)
        eventually(lambda: hello.ask("chat")["status"] == 200, hello.story, within=25)
    assert failed(answers) == []
