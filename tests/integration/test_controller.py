"""A stack's life on a real API server: made, left alone, put back, changed, suspended, removed."""

import json
from datetime import datetime
from typing import Any

import pytest

from tests.controllers import USER, Stacks, eventually
from tests.controlplane import ControlPlane
from tests.controlplane.audit import Request
from tests.stacks import accelerator_class, hosted, stack

pytestmark = pytest.mark.usefixtures("controller")


def writes(cluster: ControlPlane, since: datetime, namespace: str) -> list[Request]:
    return [item for item in cluster.audit.requests(since, user=USER, namespace=namespace) if item.is_write]


def quiet(cluster: ControlPlane, since: datetime, namespace: str) -> None:
    """Nothing is written: asked after something else, written later, has come back as an event."""
    canary = stack(name="canary")
    Stacks(cluster, namespace).apply(canary)
    Stacks(cluster, namespace).wait_ready("canary")
    told = [item for item in writes(cluster, since, namespace) if "canary" not in item.name]
    assert told == []


def test_a_stack_goes_from_yaml_to_ready(stacks: Stacks) -> None:
    stacks.apply(stack())
    stacks.wait_ready("support")
    table = stacks.cluster.kubectl("get", "aistacks", f"--namespace={stacks.namespace}")
    assert "support" in table
    assert "True" in table
    assert "1/1" in table
    kinds = {kind for kind, _ in stacks.children()}
    assert {"Deployment", "Service", "NetworkPolicy", "ConfigMap"} <= kinds


def test_creating_a_stack_reads_nothing_and_writes_each_child_once(stacks: Stacks) -> None:
    mark = stacks.cluster.audit.mark()
    stacks.apply(stack())
    stacks.wait_ready("support")
    requests = stacks.cluster.audit.requests(mark, user=USER, namespace=stacks.namespace)
    children = len(stacks.children())
    status = [item for item in requests if item.subresource == "status"]
    written = [item for item in requests if item.is_write and item.subresource != "status"]
    assert [item for item in requests if item.verb in {"get", "list"}] == []
    assert len(written) == children
    assert len(status) <= 3


def test_applying_the_same_again_writes_nothing(stacks: Stacks) -> None:
    stacks.apply(stack())
    stacks.wait_ready("support")
    mark = stacks.cluster.audit.mark()
    stacks.apply(stack())
    labelled = ["label", "aistack", "support", f"--namespace={stacks.namespace}", "team=care"]
    stacks.cluster.kubectl(*labelled)
    quiet(stacks.cluster, mark, stacks.namespace)


def test_another_managers_field_is_left_alone_and_costs_no_write(stacks: Stacks) -> None:
    stacks.apply(stack())
    stacks.wait_ready("support")
    mark = stacks.cluster.audit.mark()
    place = f"--namespace={stacks.namespace}"
    stacks.cluster.kubectl("annotate", "service", "support-llama", place, "acme.example/scrape=yes")
    stacks.cluster.kubectl("label", "deployment", "support-llama", place, "acme.example/team=care")
    quiet(stacks.cluster, mark, stacks.namespace)
    assert stacks.get("service", "support-llama")["metadata"]["annotations"]["acme.example/scrape"] == "yes"


CHANGE_IMAGE = {
    "spec": {"template": {"spec": {"containers": [{"name": "vllm", "image": "evil.invalid/x:1"}]}}}
}


@pytest.mark.parametrize(
    ("kind", "patch", "why"),
    [
        ("deployment", {"spec": {"replicas": 5}}, "a number of replicas that nobody declared"),
        ("deployment", CHANGE_IMAGE, "an image that nobody declared"),
        (
            "service",
            {"metadata": {"labels": {"app.kubernetes.io/managed-by": None}}},
            "a label that was removed",
        ),
        ("service", {"metadata": {"labels": {"aistack.dev/stack": None}}}, "the label that we watch by"),
        ("service", {"metadata": {"ownerReferences": None}}, "the owner"),
    ],
)
def test_drift_is_repaired_with_one_write(stacks: Stacks, kind: str, patch: dict[str, Any], why: str) -> None:
    stacks.apply(stack())
    stacks.wait_ready("support")
    before = stacks.get(kind, "support-llama")
    mark = stacks.cluster.audit.mark()
    place = f"--namespace={stacks.namespace}"
    stacks.cluster.kubectl("patch", kind, "support-llama", place, "--patch", json.dumps(patch))

    def as_before() -> bool:
        now = stacks.get(kind, "support-llama")
        same = now["metadata"]["labels"] == before["metadata"]["labels"]
        owned = now["metadata"].get("ownerReferences") == before["metadata"]["ownerReferences"]
        return bool(same and owned and now["spec"] == before["spec"])

    eventually(as_before, f"{why} is put back")

    def repairs() -> list[Request]:
        done = [item for item in writes(stacks.cluster, mark, stacks.namespace) if item.code < 400]
        return [item for item in done if item.subresource != "status"]

    eventually(repairs, "the write is in the audit log")
    assert len(repairs()) == 1


def test_a_deleted_child_is_made_again(stacks: Stacks) -> None:
    stacks.apply(stack())
    stacks.wait_ready("support")
    old = stacks.get("service", "support-llama")["metadata"]["uid"]
    stacks.cluster.kubectl("delete", "service", "support-llama", f"--namespace={stacks.namespace}")
    eventually(
        lambda: stacks.get("service", "support-llama").get("metadata", {}).get("uid", old) != old,
        "the Service is made again",
    )
    stacks.wait_ready("support")


def test_what_a_newer_spec_no_longer_wants_is_removed(stacks: Stacks) -> None:
    stacks.apply(stack(models=[hosted(), hosted("mistral")]))
    stacks.wait_ready("support")
    stacks.apply(stack())
    eventually(
        lambda: not [name for _, name in stacks.children() if "mistral" in name], "mistral's objects are gone"
    )
    stacks.wait_ready("support")


def test_suspending_takes_every_pod_away_and_resuming_brings_them_back(stacks: Stacks) -> None:
    models = [hosted(cache={"size": "1Gi"})]
    stacks.apply(stack(models=models))
    stacks.wait_ready("support")
    stacks.apply(stack(models=models, suspend=True))
    stacks.wait_reason("support", "Suspended")
    pods = stacks.cluster.kubectl("get", "pods", f"--namespace={stacks.namespace}", "--output=name")
    assert pods == ""
    assert stacks.get("pvc", "support-llama-cache")["status"]["phase"] == "Bound"
    stacks.apply(stack(models=models))
    stacks.wait_ready("support")


def test_deleting_a_stack_leaves_nothing(stacks: Stacks) -> None:
    stacks.apply(stack(models=[hosted(cache={"size": "1Gi"})]))
    stacks.wait_ready("support")
    mark = stacks.cluster.audit.mark()
    stacks.cluster.kubectl("delete", "aistack", "support", f"--namespace={stacks.namespace}")
    eventually(lambda: not stacks.children(), "every child is gone")
    assert writes(stacks.cluster, mark, stacks.namespace) == []


def test_a_stack_that_is_made_again_under_its_name_becomes_ready(stacks: Stacks) -> None:
    stacks.apply(stack())
    stacks.wait_ready("support")
    stacks.cluster.kubectl("delete", "aistack", "support", f"--namespace={stacks.namespace}")
    stacks.apply(stack())
    stacks.wait_ready("support")


def test_an_object_that_is_not_ours_is_never_overwritten(stacks: Stacks) -> None:
    theirs = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "support-llama", "namespace": stacks.namespace},
        "spec": {"ports": [{"port": 1}]},
    }
    stacks.cluster.kubectl("create", "--filename=-", input=json.dumps(theirs))
    before = stacks.get("service", "support-llama")
    stacks.apply(stack())
    message = stacks.wait_reason("support", "NameTaken")
    assert "Service support-llama exists and does not belong to this stack" in message
    assert stacks.get("service", "support-llama") == before
    assert stacks.condition("support", "Stalled")["status"] == "True"


def test_the_status_says_what_a_stack_costs_and_follows_the_prices(stacks: Stacks) -> None:
    priced = accelerator_class(f"priced-{stacks.namespace}")
    priced["spec"]["price"] = {
        "onDemandHourly": "2.00",
        "source": "https://prices.example/l4",
        "asOf": "2026-11-01",
    }
    stacks.cluster.kubectl("apply", "--server-side", "--filename=-", input=json.dumps(priced))
    stacks.apply(stack(models=[hosted(accelerator={"class": priced["metadata"]["name"]})]))
    stacks.wait_ready("support")
    cost = stacks.get("aistack", "support")["status"]["cost"]
    assert cost["monthly"]["expected"].startswith("1460")  # 730 hours of one replica
    assert any("compute" in unknown for unknown in cost["unknownPrices"])
    priced["spec"]["price"]["onDemandHourly"] = "3.00"
    stacks.cluster.kubectl("apply", "--server-side", "--filename=-", input=json.dumps(priced))
    eventually(
        lambda: stacks.get("aistack", "support")["status"]["cost"]["monthly"]["expected"].startswith("2190"),
        "the cost follows the price",
    )
