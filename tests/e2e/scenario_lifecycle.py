"""Suspend, resume and delete; and what the webhook refuses, also while its pods are replaced."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.controlplane import CommandFailed
from tests.controlplane.progress import step
from tests.e2e.installation import NAMESPACE
from tests.e2e.stacks import Stack, eventually, example, namespace
from tests.e2e.world import World

KINDS = "deployments,pods,services,configmaps,serviceaccounts,networkpolicies,horizontalpodautoscalers,pvc"


@pytest.fixture(scope="module")
def hello(world: World) -> Iterator[Stack]:
    with namespace(world.cluster, "lifecycle"):
        stack = Stack(world.cluster, "lifecycle", "hello")
        stack.apply(example("smallest"))
        stack.wait_until_ready()
        yield stack


def objects(stack: Stack, kinds: str = KINDS) -> list[str]:
    selector = f"--selector=aistack.dev/stack={stack.name}"
    return stack.kubectl("get", kinds, selector, "--output=name").split()


def mistaken() -> dict[str, Any]:
    """A stack that no cluster can serve: its model asks for an unknown class."""
    stack = example("smallest")
    stack["metadata"]["name"] = "mistaken"
    stack["spec"]["models"][0]["selfHosted"]["accelerator"] = {"class": "nvidia-h900"}
    return stack


def test_a_running_stack_serves_on_without_the_operator(hello: Stack) -> None:
    deployments = ("deployment/aistack-controller", "deployment/aistack-webhook", f"--namespace={NAMESPACE}")
    try:
        hello.cluster.kubectl("scale", *deployments, "--replicas=0")
        eventually(lambda: not operator_pods(hello), hello.story, within=60)
        assert hello.ask("qwen")["status"] == 200
    finally:
        hello.cluster.kubectl("scale", *deployments, "--replicas=2")
        for deployment in deployments[:2]:
            hello.cluster.kubectl("rollout", "status", deployment, deployments[2], "--timeout=90s")


def operator_pods(stack: Stack) -> str:
    return stack.cluster.kubectl("get", "pods", f"--namespace={NAMESPACE}", "--output=name").strip()


def test_a_suspended_stack_has_no_pods_and_comes_back_as_it_was(hello: Stack) -> None:
    hello.patch({"suspend": True})
    with step("the stack is suspended"):
        eventually(lambda: not objects(hello, "pods"), hello.story, within=180)
    assert objects(hello, "services"), "its addresses stay"
    hello.patch({"suspend": False})
    hello.wait_until_ready()
    assert hello.ask("qwen")["status"] == 200


def test_a_mistake_is_refused_in_words_while_the_webhook_restarts(hello: Stack) -> None:
    where = f"--namespace={NAMESPACE}"
    hello.cluster.kubectl("rollout", "restart", "deployment/aistack-webhook", where)
    for _ in range(20):
        with pytest.raises(CommandFailed, match="nvidia-h900") as refused:
            hello.kubectl("create", "--filename=-", stdin=json.dumps(mistaken()))
    print(refused.value)
    hello.cluster.kubectl("rollout", "status", "deployment/aistack-webhook", where, "--timeout=90s")


def test_a_deleted_stack_leaves_nothing(hello: Stack) -> None:
    hello.kubectl("delete", "aistack", hello.name)
    with step("the stack is deleted"):
        eventually(lambda: not objects(hello), hello.story, within=180)
