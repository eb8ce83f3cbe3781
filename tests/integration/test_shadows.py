"""Accelerators besides every AIStack are refused where examples/shadows.yaml holds; stacks have theirs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.controllers import Stacks, eventually
from tests.stacks import stack

pytestmark = pytest.mark.usefixtures("controller")
SHADOWS = Path(__file__).parents[2] / "examples/shadows.yaml"
Object = dict[str, Any]
GPU = {"resources": {"limits": {"nvidia.com/gpu": "1"}}}
SAID = "asks for accelerators besides every AIStack"


def pod(**container: Any) -> Object:
    return {"containers": [{"name": "main", "image": "example.invalid/miner", **container}]}


def template(spec: Object) -> Object:
    labels = {"app": "shadow"}
    return {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}}


def job(spec: Object) -> Object:
    return {"template": {"spec": {**spec, "restartPolicy": "Never"}}}


INIT = {**pod(), "initContainers": [{"name": "first", "image": "example.invalid/miner", **GPU}]}
CLAIMED = {**pod(), "resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "gpu"}]}
WORKLOADS: dict[str, tuple[str, str, Object]] = {
    "a pod": ("v1", "Pod", pod(**GPU)),
    "an init container": ("v1", "Pod", INIT),
    "a resource claim": ("v1", "Pod", CLAIMED),
    "a deployment": ("apps/v1", "Deployment", template(pod(**GPU))),
    "a replica set": ("apps/v1", "ReplicaSet", template(pod(**GPU))),
    "a daemon set": ("apps/v1", "DaemonSet", template(pod(**GPU))),
    "a stateful set": ("apps/v1", "StatefulSet", {**template(pod(**GPU)), "serviceName": "shadow"}),
    "a job": ("batch/v1", "Job", job(pod(**GPU))),
    "a cron job": (
        "batch/v1",
        "CronJob",
        {"schedule": "0 0 * * *", "jobTemplate": {"spec": job(pod(**GPU))}},
    ),
}


class Governed:
    """A namespace in which the policy holds, and somebody who may do everything there."""

    def __init__(self, stacks: Stacks) -> None:
        self.stacks = stacks
        self.config = stacks.cluster.kubeconfig_for("eve", ("system:masters",))

    def create(self, api_version: str, kind: str, spec: Object, **metadata: Any) -> str:
        """The answer to creating it, without creating it."""
        meta = {"name": "shadow", "namespace": self.stacks.namespace, **metadata}
        obj = {"apiVersion": api_version, "kind": kind, "metadata": meta, "spec": spec}
        argv = (f"--kubeconfig={self.config}", "create", "--dry-run=server", "--filename=-")
        return self.stacks.cluster.kubectl(*argv, input=json.dumps(obj), check=False)


@pytest.fixture
def governed(stacks: Stacks) -> Iterator[Governed]:
    found = Governed(stacks)
    stacks.cluster.kubectl("apply", "--server-side", f"--filename={SHADOWS}")
    stacks.cluster.kubectl("label", "namespace", stacks.namespace, "aistack.dev/governed=true")
    eventually(lambda: SAID in found.create("v1", "Pod", pod(**GPU)), "the policy holds")
    yield found
    stacks.cluster.kubectl("delete", f"--filename={SHADOWS}")


def test_whatever_asks_for_accelerators_is_refused(governed: Governed) -> None:
    for why, (api_version, kind, spec) in WORKLOADS.items():
        assert f"{kind} shadow {SAID}" in governed.create(api_version, kind, spec), why


def test_what_asks_for_none_is_let_in(governed: Governed) -> None:
    assert "created" in governed.create("v1", "Pod", pod())
    assert "created" in governed.create("apps/v1", "Deployment", template(pod()))


def test_forged_labels_and_owners_help_nobody(governed: Governed) -> None:
    owner = {"apiVersion": "aistack.dev/v1alpha1", "kind": "AIStack", "name": "support", "uid": "a-uid"}
    labels = {"aistack.dev/stack": "support", "app.kubernetes.io/managed-by": "aistack"}
    spec = template(pod(**GPU))
    assert SAID in governed.create("apps/v1", "Deployment", spec, labels=labels, ownerReferences=[owner])


def test_a_stack_has_its_accelerators(governed: Governed) -> None:
    governed.stacks.apply(stack())
    governed.stacks.wait_ready("support")


def test_elsewhere_nothing_is_refused(governed: Governed) -> None:
    assert "created" in governed.create("v1", "Pod", pod(**GPU), namespace="default")
