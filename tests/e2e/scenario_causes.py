"""What is wrong stands in `kubectl get aistack` within 15 s, in words that say what to do."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.controlplane.progress import step
from tests.e2e.running import Seen
from tests.e2e.stacks import READY_WITHIN, Stack, eventually, example, namespace
from tests.e2e.world import World

WITHIN = 15.0  # seconds after it happened
REFUSED_WITHIN = 120.0  # seconds that scheduler and kubelet may take to come to it
STARTED_WITHIN = READY_WITHIN  # seconds that vLLM may take to get as far as its mistake

Broken = Callable[..., Stack]
"""The fixture `broken`, which makes one."""


@pytest.fixture(scope="module")
def causes(world: World) -> Iterator[World]:
    with namespace(world.cluster, "causes"):
        yield world


@pytest.fixture
def broken(causes: World) -> Iterator[Broken]:
    """Makes stacks like examples/smallest.yaml, named and with these fields of their model, for one test."""
    made: list[Stack] = []

    def apply(name: str, **hosted: Any) -> Stack:
        stack = example("smallest")
        stack["metadata"]["name"] = name
        stack["spec"]["models"][0]["selfHosted"] |= hosted
        made.append(Stack(causes.cluster, "causes", name))
        made[-1].apply(stack)
        return made[-1]

    yield apply
    for stack in made:
        stack.kubectl("delete", "aistack", stack.name)


def shown(stack: Stack) -> str:
    """What a user sees first."""
    return stack.kubectl("get", "aistack", stack.name, "--output=wide", "--no-headers")


@pytest.mark.parametrize(
    ("hosted", "refusal", "word"),
    [
        (
            {"runtime": {"image": "docker.io/vllm/no-such:v0.32.0"}},
            "ErrImagePull",
            "docker.io/vllm/no-such:v0.32.0",
        ),
        (
            {"credentials": {"secretKeyRef": {"name": "absent", "key": "token"}}},
            "CreateContainerConfigError",
            "absent",
        ),
        ({"source": "pvc://no-such-claim", "revision": None}, "Unschedulable", "no-such-claim"),
    ],
    ids=["image", "secret", "claim"],
)
def test_what_the_kubelet_or_the_scheduler_refuses_is_said(
    broken: Broken, hosted: dict[str, Any], refusal: str, word: str, seen: Seen
) -> None:
    stack = broken(refusal.lower(), **hosted)
    with step(f"{refusal} is seen"):
        eventually(lambda: refusal in refusals(stack), stack.story, REFUSED_WITHIN)
    eventually(lambda: word in shown(stack), stack.story, WITHIN)
    seen(shown(stack))


@pytest.mark.parametrize(
    ("name", "hosted", "words"),
    [
        ("hub", {"source": "hf://acme/missing-model"}, ["missing-model"]),
        ("gated", {"source": "hf://meta-llama/Llama-3.1-8B-Instruct"}, ["meta-llama"]),
        ("memory", {"resources": {"limits": {"memory": "300Mi"}}}, ["raise resources.limits.memory"]),
    ],
    ids=["hub", "gated", "memory"],
)
def test_what_vllm_dies_of_is_said(
    broken: Broken, name: str, hosted: dict[str, Any], words: list[str], seen: Seen
) -> None:
    stack = broken(name, **hosted)
    with step(f"{name}: vLLM ends"):
        eventually(lambda: has_ended(stack), stack.story, STARTED_WITHIN)
    eventually(lambda: all(word in shown(stack) for word in words), stack.story, WITHIN)
    seen(shown(stack))


def test_a_pod_that_fills_its_nodes_disk_is_put_out_and_that_is_said(broken: Broken, seen: Seen) -> None:
    stack = broken("disk", resources={"limits": {"ephemeral-storage": "100Ki"}})
    with step("disk: the kubelet puts the pod out"):
        eventually(lambda: "Failed" in phases(stack), stack.story, STARTED_WITHIN)
    eventually(lambda: "ephemeral" in shown(stack), stack.story, WITHIN)
    seen(shown(stack))


@pytest.fixture
def small_volume(causes: World) -> Iterator[None]:
    """A volume for claims of the class `small`, that holds a model's configuration but not its weights."""
    folder = "/mnt/small"
    causes.node.run("mkdir", "--parents", folder)
    causes.node.run("mount", "-t", "tmpfs", "-o", "size=128k,mode=0777", "tmpfs", folder)
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": "small"},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "small",
            "hostPath": {"path": folder},
        },
    }
    causes.cluster.client.create("/api/v1/persistentvolumes", volume)
    yield
    causes.cluster.kubectl("delete", "persistentvolume", "small", "--wait=false")
    causes.node.run("umount", "--lazy", folder)


@pytest.mark.usefixtures("small_volume")
def test_a_cache_that_is_full_is_said_though_vllms_engine_dies_of_it_in_a_process_of_its_own(
    broken: Broken, seen: Seen
) -> None:
    stack = broken("full", cache={"size": "1Gi", "storageClassName": "small"})
    with step("full: vLLM ends"):
        eventually(lambda: has_ended(stack), stack.story, STARTED_WITHIN)
    words = ["No space left on device", "raise cache.size"]
    eventually(lambda: all(word in shown(stack) for word in words), stack.story, WITHIN)
    seen(shown(stack))


def refusals(stack: Stack) -> set[str]:
    """Why the scheduler, or the kubelet, goes no further."""
    selector = f"--selector=aistack.dev/stack={stack.name},aistack.dev/component=model"
    pods = json.loads(stack.kubectl("get", "pods", selector, "--output=json"))["items"]
    states = [each["state"] for pod in pods for each in pod["status"].get("containerStatuses", [])]
    conditions = [each for pod in pods for each in pod["status"].get("conditions", [])]
    waits = {state["waiting"].get("reason", "") for state in states if "waiting" in state}
    return waits | {each.get("reason", "") for each in conditions if each["type"] == "PodScheduled"}


def phases(stack: Stack) -> list[str]:
    selector = f"--selector=aistack.dev/stack={stack.name},aistack.dev/component=model"
    return stack.kubectl("get", "pods", selector, "--output=jsonpath={.items[*].status.phase}").split()


def has_ended(stack: Stack) -> bool:
    selector = f"--selector=aistack.dev/stack={stack.name},aistack.dev/component=model"
    path = "--output=jsonpath={.items[*].status.containerStatuses[*]['state','lastState'].terminated}"
    return bool(stack.kubectl("get", "pods", selector, path))
