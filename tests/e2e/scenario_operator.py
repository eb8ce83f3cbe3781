"""The operator's own pods fail: what runs goes on, and what is asked of it is still done."""

import json
from typing import Any

import pytest

from tests.controlplane import CommandFailed, ControlPlane
from tests.controlplane.progress import step
from tests.e2e.installation import NAMESPACE
from tests.e2e.running import Seen
from tests.e2e.stacks import Stack, eventually, example
from tests.e2e.webhooks import restarting
from tests.e2e.world import World

WHERE = f"--namespace={NAMESPACE}"
REPLICAS = 2  # of the controller and of the webhook
TAKEN_OVER_WITHIN = 60.0  # seconds: a lease of 15, and as long as a new route takes


def mistaken() -> dict[str, Any]:
    """A stack that no cluster can serve: its model asks for an unknown class."""
    stack = example("smallest")
    stack["metadata"]["name"] = "mistaken"
    stack["spec"]["models"][0]["selfHosted"]["accelerator"] = {"class": "nvidia-h900"}
    return stack


def refused(stack: Stack) -> str:
    """What kubectl says when the mistake is made; it is never let through."""
    with pytest.raises(CommandFailed) as refusal:
        stack.kubectl("create", "--filename=-", stdin=json.dumps(mistaken()))
    return str(refusal.value)


def pods(cluster: ControlPlane, *components: str) -> dict[str, str]:
    """Name → uid of the operator's pods."""
    selector = f"--selector=app.kubernetes.io/component in ({','.join(components)})"
    listed = cluster.kubectl("get", "pods", WHERE, selector, "--output=json")
    return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in json.loads(listed)["items"]}


def restarts(cluster: ControlPlane, pod: str) -> int:
    """How often its container was started again."""
    count = "--output=jsonpath={.status.containerStatuses[0].restartCount}"
    return int(cluster.kubectl("get", "pod", pod, WHERE, count))


def leader(cluster: ControlPlane) -> str:
    """The name of the controller's pod that leads."""
    holder = "--output=jsonpath={.spec.holderIdentity}"
    return cluster.kubectl("get", "lease", "aistack-controller", WHERE, holder).rpartition("_")[0]


def rolled_out(stack: Stack, *components: str) -> None:
    """The new pods are ready, those of before have ended, and the API server reaches a webhook again."""
    for component in components:
        deployment = f"deployment/aistack-{component}"
        stack.cluster.kubectl("rollout", "status", deployment, WHERE, "--timeout=90s")
    there = REPLICAS * len(components)
    eventually(lambda: len(pods(stack.cluster, *components)) == there, stack.story, within=60)
    eventually(lambda: "nvidia-h900" in refused(stack), lambda: refused(stack), within=15)


def test_a_running_stack_serves_on_without_the_operator(hello: Stack) -> None:
    components = ("controller", "webhook")
    scale = ("scale", *(f"deployment/aistack-{name}" for name in components), WHERE)
    try:
        hello.cluster.kubectl(*scale, "--replicas=0")
        with step("the operator's pods end"):
            eventually(lambda: not pods(hello.cluster, *components), hello.story, within=60)
        with hello.load("qwen") as load:
            load.goes_on()
        assert load.failed == []
    finally:
        hello.cluster.kubectl(*scale, f"--replicas={REPLICAS}")
        rolled_out(hello, *components)


def test_when_the_leading_controller_is_killed_the_other_takes_over(
    hello: Stack, world: World, seen: Seen
) -> None:
    eventually(lambda: leader(hello.cluster) in pods(hello.cluster, "controller"), hello.story, within=60)
    led = leader(hello.cluster)
    world.node.kill(pods(hello.cluster, "controller")[led], "aistack controller")
    hello.patch({"gateway": {"routes": [{"name": "chat", "targets": [{"model": "qwen"}]}]}})
    took = eventually(lambda: hello.ask("chat")["status"] == 200, hello.story, TAKEN_OVER_WITHIN)
    seen(f"the new route answered {took:.1f} s after the leader was killed")
    assert leader(hello.cluster) != led


def test_a_mistake_is_refused_in_words_while_the_webhook_restarts(hello: Stack, seen: Seen) -> None:
    with restarting(hello.cluster):
        said = [refused(hello) for _ in range(20)]
    rolled_out(hello, "webhook")
    assert [words for words in said if "nvidia-h900" not in words] == []
    seen(said[0])


def test_a_mistake_is_not_let_through_when_a_webhook_is_killed(hello: Stack, world: World) -> None:
    name, killed = pods(hello.cluster, "webhook").popitem()
    started_before = restarts(hello.cluster, name)
    world.node.kill(killed, "aistack webhook")

    def is_started_again() -> bool:
        refused(hello)
        return restarts(hello.cluster, name) > started_before

    eventually(is_started_again, lambda: f"{name} is started again", within=60)
    hello.cluster.kubectl("wait", f"pod/{name}", WHERE, "--for=condition=Ready", "--timeout=60s")
    assert [words for words in (refused(hello) for _ in range(10)) if "nvidia-h900" not in words] == []
