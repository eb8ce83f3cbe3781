"""What is wrong stands in `kubectl get aistack` within 15 s, in words that say what to do."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.controlplane.progress import step
from tests.e2e.running import Seen
from tests.e2e.stacks import Stack, eventually, example, namespace
from tests.e2e.world import World

WITHIN = 15.0  # seconds after it happened
STARTED_WITHIN = 240.0  # seconds that vLLM may take to get as far as its mistake


@pytest.fixture(scope="module")
def causes(world: World) -> Iterator[World]:
    with namespace(world.cluster, "causes"):
        yield world


def broken(name: str, **hosted: Any) -> dict[str, Any]:
    """examples/smallest.yaml under another name, with these fields of its model."""
    stack = example("smallest")
    stack["metadata"]["name"] = name
    stack["spec"]["models"][0]["selfHosted"] |= hosted
    return stack


def shown(stack: Stack) -> str:
    """What a user sees first."""
    return stack.kubectl("get", "aistack", stack.name, "--output=wide", "--no-headers")


@pytest.mark.parametrize(
    ("name", "hosted", "words"),
    [
        (
            "image",
            {"runtime": {"image": "docker.io/vllm/no-such:v0.32.0"}},
            ["docker.io/vllm/no-such:v0.32.0"],
        ),
        ("secret", {"credentials": {"secretKeyRef": {"name": "absent", "key": "token"}}}, ["absent"]),
        ("claim", {"source": "pvc://no-such-claim", "revision": None}, ["no-such-claim"]),
    ],
    ids=["image", "secret", "claim"],
)
def test_what_the_kubelet_or_the_scheduler_refuses_is_said(
    causes: World, name: str, hosted: dict[str, Any], words: list[str], seen: Seen
) -> None:
    stack = Stack(causes.cluster, "causes", name)
    stack.apply(broken(name, **hosted))
    eventually(lambda: all(word in shown(stack) for word in words), stack.story, WITHIN)
    seen(shown(stack))
    stack.kubectl("delete", "aistack", name)


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
    causes: World, name: str, hosted: dict[str, Any], words: list[str], seen: Seen
) -> None:
    stack = Stack(causes.cluster, "causes", name)
    stack.apply(broken(name, **hosted))
    with step(f"{name}: vLLM ends"):
        eventually(lambda: has_ended(stack), stack.story, STARTED_WITHIN)
    eventually(lambda: all(word in shown(stack) for word in words), stack.story, WITHIN)
    seen(shown(stack))
    stack.kubectl("delete", "aistack", name)


def test_a_pod_that_fills_its_nodes_disk_is_put_out_and_that_is_said(causes: World, seen: Seen) -> None:
    stack = Stack(causes.cluster, "causes", "disk")
    stack.apply(broken("disk", resources={"limits": {"ephemeral-storage": "100Ki"}}))
    with step("disk: the kubelet puts the pod out"):
        eventually(lambda: "Failed" in phases(stack), stack.story, STARTED_WITHIN)
    eventually(lambda: "ephemeral" in shown(stack), stack.story, WITHIN)
    seen(shown(stack))
    stack.kubectl("delete", "aistack", "disk")


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
    causes: World, seen: Seen
) -> None:
    stack = Stack(causes.cluster, "causes", "full")
    stack.apply(broken("full", cache={"size": "1Gi", "storageClassName": "small"}))
    with step("full: vLLM ends"):
        eventually(lambda: has_ended(stack), stack.story, STARTED_WITHIN)
    words = ["No space left on device", "raise cache.size"]
    eventually(lambda: all(word in shown(stack) for word in words), stack.story, WITHIN)
    seen(shown(stack))
    stack.kubectl("delete", "aistack", "full")


def phases(stack: Stack) -> list[str]:
    selector = f"--selector=aistack.dev/stack={stack.name},aistack.dev/component=model"
    return stack.kubectl("get", "pods", selector, "--output=jsonpath={.items[*].status.phase}").split()


def has_ended(stack: Stack) -> bool:
    selector = f"--selector=aistack.dev/stack={stack.name},aistack.dev/component=model"
    path = "--output=jsonpath={.items[*].status.containerStatuses[*]['state','lastState'].terminated}"
    return bool(stack.kubectl("get", "pods", selector, path))
