"""What keeps a stack from being Ready is said in `kubectl get aistack`, in words that say what to do."""

import json
from typing import Any

import pytest

from tests.controllers import Stacks, eventually
from tests.stacks import accelerator_class, hosted, stack

pytestmark = pytest.mark.usefixtures("controller")


def columns(stacks: Stacks) -> str:
    return stacks.cluster.kubectl("get", "aistacks", f"--namespace={stacks.namespace}", "--output=wide")


def test_a_pod_that_no_node_can_take(stacks: Stacks) -> None:
    stacks.apply(stack(models=[hosted(accelerator={"class": "nvidia-l4", "count": 64})]))
    message = stacks.wait_reason("support", "Unschedulable")
    assert "Insufficient nvidia.com/gpu" in message
    assert "model/llama" in message
    assert "Unschedulable" in columns(stacks)


def test_an_image_that_can_not_be_pulled(stacks: Stacks) -> None:
    stacks.apply(stack(models=[hosted(runtime={"image": "registry.invalid/vllm:none"})]))
    message = stacks.wait_reason("support", "ImagePullFailed")
    assert "registry.invalid/vllm:none" in message


def test_a_volume_that_can_not_be_bound(stacks: Stacks) -> None:
    cache = {"size": "1Gi", "storageClassName": "no-such-class"}
    stacks.apply(stack(models=[hosted(cache=cache)]))
    stacks.wait_reason("support", "VolumePending")
    eventually(
        lambda: (
            'storageclass.storage.k8s.io "no-such-class" not found' in stacks.condition("support")["message"]
        ),
        "the message says which class is missing",
    )


def test_a_quota_that_is_used_up(stacks: Stacks) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "few", "namespace": stacks.namespace},
        "spec": {"hard": {"requests.nvidia.com/gpu": "0"}},
    }
    stacks.cluster.kubectl("create", "--filename=-", input=json.dumps(quota))
    stacks.apply(stack())
    message = stacks.wait_reason("support", "QuotaExceeded")
    assert "exceeded quota: few" in message


CRASHED = {
    "name": "vllm",
    "image": "x",
    "imageID": "",
    "ready": False,
    "restartCount": 3,
    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    "lastState": {
        "terminated": {"reason": "Error", "exitCode": 1, "message": "ValueError: no such revision"}
    },
}


@pytest.mark.parametrize(
    ("container", "reason", "words"),
    [
        (CRASHED, "CrashLoop", "ended with exit code 1: ValueError: no such revision"),
        (
            {**CRASHED, "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}},
            "OutOfMemory",
            "raise resources.limits.memory",
        ),
    ],
)
def test_a_container_that_does_not_stay_up(
    stacks: Stacks, container: dict[str, Any], reason: str, words: str
) -> None:
    stacks.apply(stack())
    stacks.wait_ready("support")
    listed = stacks.cluster.kubectl(
        "get",
        "pods",
        f"--namespace={stacks.namespace}",
        "--selector=app.kubernetes.io/name=llama",
        "--output=jsonpath={.items[0].metadata.name}",
    )
    conditions = [
        {"type": "Ready", "status": "False", "reason": "ContainersNotReady"},
        {"type": "ContainersReady", "status": "False", "reason": "ContainersNotReady"},
        {"type": "PodScheduled", "status": "True"},
    ]
    stacks.cluster.set_pod_status(
        stacks.namespace, listed, {"conditions": conditions, "containerStatuses": [container]}
    )
    assert words in stacks.wait_reason("support", reason)


def test_a_model_of_an_accelerator_class_that_is_removed_keeps_running_and_says_so(stacks: Stacks) -> None:
    name = f"own-{stacks.namespace}"
    stacks.cluster.kubectl("create", "--filename=-", input=json.dumps(accelerator_class(name)))
    stacks.apply(stack(models=[hosted(accelerator={"class": name})]))
    stacks.wait_ready("support")
    stacks.cluster.kubectl("delete", "acceleratorclass", name)
    message = stacks.wait_reason("support", "InvalidReference")
    assert f"no AcceleratorClass is named '{name}'" in message
    assert stacks.get("deployment", "support-llama")["status"]["availableReplicas"] == 1
