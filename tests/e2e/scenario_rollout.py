"""A model that changes, or can't: who asks meanwhile notices nothing."""

from typing import Any

from tests.controlplane.progress import step
from tests.e2e.stacks import READY_WITHIN, Stack, eventually, example


def changed(**hosted: Any) -> dict[str, Any]:
    """examples/smallest.yaml with these fields of its model."""
    stack = example("smallest")
    stack["spec"]["models"][0]["selfHosted"] |= hosted
    return stack


def test_a_second_replica_takes_its_share_and_leaves_without_losing_a_request(hello: Stack) -> None:
    with hello.load("qwen", stream=True) as load:
        hello.apply(changed(scaling={"min": 2, "max": 2}))
        hello.wait_until_ready()
        assert len(hello.replicas("qwen")) == 2
        load.goes_on()
        hello.apply(example("smallest"))
        with step("one of two replicas leaves"):
            eventually(lambda: len(hello.pods("qwen")) == 1, hello.story, within=120)
        load.goes_on()
    assert load.failed == []


def test_a_rolling_update_of_the_model_loses_no_request(hello: Stack) -> None:
    before = hello.replicas("qwen")
    with hello.load("qwen", stream=True) as load, step("the model is rolled over"):
        hello.apply(changed(runtime={"env": [{"name": "ROLLED", "value": "once"}]}))
        eventually(lambda: not hello.pods("qwen").keys() & before.keys(), hello.story, within=READY_WITHIN)
        load.goes_on()
    assert load.failed == []
    hello.wait_until_ready()


def test_a_revision_that_cannot_start_leaves_the_old_one_serving_and_says_why(hello: Stack) -> None:
    missing = "docker.io/vllm/vllm-openai-cpu:v0.0.1-missing"
    with hello.load("qwen") as load:
        hello.apply(changed(runtime={"image": missing, "version": "0.32.0"}))
        eventually(lambda: missing in hello.ready().get("message", ""), hello.story, within=15)
        load.goes_on()
    assert load.failed == []
