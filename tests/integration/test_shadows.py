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
BINDING = "validatingadmissionpolicybinding/aistack-shadows"
SAID = "asks for accelerators besides every AIStack"


def pod(**container: Any) -> Object:
    return {"containers": [{"name": "main", "image": "example.invalid/miner", **container}]}


def limited(resource: str) -> Object:
    return {"resources": {"limits": {resource: "1"}}}


GPU = limited("nvidia.com/gpu")


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
    "a slice of an accelerator": ("v1", "Pod", pod(**limited("nvidia.com/mig-1g.5gb"))),
    "a share of an accelerator": ("v1", "Pod", pod(**limited("nvidia.com/gpu.shared"))),
    "a device of another maker": ("v1", "Pod", pod(**limited("aws.amazon.com/neurondevice"))),
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

    def create(
        self, api_version: str, kind: str, spec: Object, *, dry_run: str = "server", **metadata: Any
    ) -> str:
        """The answer to creating it; without creating it, unless `dry_run` is none."""
        meta = {"name": "shadow", "namespace": self.stacks.namespace, **metadata}
        obj = {"apiVersion": api_version, "kind": kind, "metadata": meta, "spec": spec}
        argv = (f"--kubeconfig={self.config}", "create", f"--dry-run={dry_run}", "--filename=-")
        return self.stacks.cluster.kubectl(*argv, input=json.dumps(obj), check=False)

    def patch(self, name: str, change: Object) -> str:
        """The answer to changing it."""
        argv = (f"--kubeconfig={self.config}", f"--namespace={self.stacks.namespace}", "patch", name)
        return self.stacks.cluster.kubectl(*argv, f"--patch={json.dumps(change)}", check=False)


@pytest.fixture
def governed(stacks: Stacks) -> Iterator[Governed]:
    found = Governed(stacks)
    stacks.cluster.kubectl("apply", "--server-side", f"--filename={SHADOWS}")
    stacks.cluster.kubectl("label", "namespace", stacks.namespace, "aistack.dev/governed=true")
    eventually(lambda: "denied request" in found.create("v1", "Pod", pod(**GPU)), "the policy holds")
    yield found
    stacks.cluster.kubectl("delete", f"--filename={SHADOWS}")


def test_whatever_asks_for_accelerators_is_refused(governed: Governed) -> None:
    for why, (api_version, kind, spec) in WORKLOADS.items():
        assert f"{kind} shadow {SAID}" in governed.create(api_version, kind, spec), why


def test_what_asks_for_none_is_let_in(governed: Governed) -> None:
    assert "created" in governed.create("v1", "Pod", pod())
    assert "created" in governed.create("apps/v1", "Deployment", template(pod()))
    assert "created" in governed.create("v1", "Pod", pod(**limited("example.com/camera")))


def test_what_asks_for_accelerators_later_is_refused_then(governed: Governed) -> None:
    """A deployment of none that is let in is no way to one of some."""
    spec = {**template(pod()), "replicas": 0}
    assert "created" in governed.create("apps/v1", "Deployment", spec, dry_run="none")
    assert f"Deployment shadow {SAID}" in governed.patch(
        "deployment/shadow", {"spec": {"template": {"spec": pod(**GPU)}}}
    )
    assert "patched" in governed.patch("deployment/shadow", {"spec": {"replicas": 1}})


def test_a_binding_that_warns_lets_it_in_and_says_so(governed: Governed) -> None:
    actions = {"spec": {"validationActions": ["Warn", "Audit"]}}
    governed.stacks.cluster.kubectl("patch", BINDING, "--type=merge", f"--patch={json.dumps(actions)}")
    eventually(
        lambda: "created" in governed.create("v1", "Pod", pod(**GPU)), "the API server has seen the change"
    )
    told = governed.create("apps/v1", "Deployment", template(pod(**GPU)))
    assert "Warning: " in told
    assert f"Deployment shadow {SAID}" in told
    assert "created" in told


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
