"""What is written, left alone and removed: decided from the rendering, the inventory and what is seen."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from aistack.api import Reason
from aistack.api.stack import InventoryItem
from aistack.apply import Applied, is_applied, is_rolled_out, plan, prune
from aistack.kinds import Kind
from aistack.observed import Child, Observed, Pod, Workload, digest
from aistack.resolved import StackRef

STACK = StackRef("support", "care", "uid-of-the-stack")


def manifest(kind: str, name: str, part: str = "llama", **spec: Any) -> dict[str, Any]:
    versions = {"Deployment": "apps/v1", "HorizontalPodAutoscaler": "autoscaling/v2"}
    labels = {"aistack.dev/component": "model", "app.kubernetes.io/name": part}
    return {
        "apiVersion": versions.get(kind, "v1"),
        "kind": kind,
        "metadata": {"name": name, "namespace": "care", "labels": labels},
        "spec": spec,
    }


def child(kind: str, name: str, **fields: Any) -> Child:
    seen: dict[str, Any] = {
        "component": "model",
        "part": "llama",
        "uid": f"uid-{name}",
        "resource_version": "1",
        "owner_uid": STACK.uid,
        "owned": "ours",
        "owns_replicas": False,
        "deleting": False,
    }
    return Child(kind=kind, name=name, **{**seen, **fields})


def seeing(*children: Child) -> Observed:
    return Observed(children={(item.kind, item.name): item for item in children})


def applied(item: dict[str, Any], owned: str = "ours") -> InventoryItem:
    return InventoryItem(kind=item["kind"], name=item["metadata"]["name"], applied=digest(item), owned=owned)


SERVICE = manifest("Service", "support-llama", port=8000)
DEPLOYMENT = manifest("Deployment", "support-llama", replicas=2)


def test_what_was_applied_and_is_still_ours_is_not_written_again() -> None:
    decided = plan(STACK, [SERVICE], [applied(SERVICE)], seeing(child("Service", "support-llama")))
    assert not decided.writes
    assert decided.unchanged == (applied(SERVICE),)


def test_what_was_applied_and_has_vanished_is_made_anew() -> None:
    before = [applied(SERVICE), applied(DEPLOYMENT)]
    there = child("Service", "support-llama")
    assert plan(STACK, [SERVICE, DEPLOYMENT], before, seeing(there)).anew
    assert not plan(STACK, [SERVICE, DEPLOYMENT], before[:1], seeing(there)).anew
    assert not plan(STACK, [SERVICE], before, seeing(there)).anew


def test_a_new_object_is_created_and_never_laid_over_one_that_is_there() -> None:
    decided = plan(STACK, [SERVICE], [], Observed())
    (write,) = decided.writes["model", "llama"]
    assert write.uid is None


def test_a_changed_rendering_is_applied_over_exactly_the_object_that_was_seen() -> None:
    changed = manifest("Service", "support-llama", port=9000)
    decided = plan(STACK, [changed], [applied(SERVICE)], seeing(child("Service", "support-llama")))
    (write,) = decided.writes["model", "llama"]
    assert (write.uid, write.manifest) == ("uid-support-llama", changed)


def test_a_field_that_somebody_took_over_is_put_back() -> None:
    drifted = child("Service", "support-llama", owned="less than ours")
    decided = plan(STACK, [SERVICE], [applied(SERVICE)], seeing(drifted))
    assert decided.writes


def test_an_object_that_vanished_is_made_again_although_it_was_applied() -> None:
    assert plan(STACK, [SERVICE], [applied(SERVICE)], Observed()).writes


def test_what_a_newer_spec_no_longer_wants_is_deleted_workloads_first() -> None:
    seen = seeing(child("Service", "support-old"), child("Deployment", "support-old"))
    decided = plan(STACK, [], [], seen)
    assert [item.kind for item in decided.deletions] == ["Deployment", "Service"]


def test_an_object_of_another_owner_is_never_deleted() -> None:
    seen = seeing(child("Service", "support-old", owner_uid=""), child("Service", "x", owner_uid="other"))
    assert not plan(STACK, [], [], seen).deletions


def test_an_object_of_an_earlier_stack_of_this_name_is_waited_for() -> None:
    seen = seeing(child("Service", "support-llama", owner_uid="uid-of-an-earlier-stack"))
    decided = plan(STACK, [SERVICE], [], seen)
    assert not decided.writes
    assert decided.waiting[0].reason is Reason.TERMINATING
    assert not decided.waiting[0].lasting


def test_within_a_part_configuration_comes_before_what_mounts_it() -> None:
    decided = plan(STACK, [DEPLOYMENT, SERVICE], [], Observed())
    assert [write.manifest["kind"] for write in decided.writes["model", "llama"]] == ["Service", "Deployment"]


def test_replicas_are_handed_to_an_autoscaler_as_they_are_and_never_below_its_minimum() -> None:
    free = manifest("Deployment", "support-llama")
    scaler = manifest(
        "HorizontalPodAutoscaler", "support-llama", minReplicas=1, scaleTargetRef={"name": "support-llama"}
    )
    for running, handed_over in ((6, 6), (0, 1)):
        counts = Workload(True, running, running, running, running, None)
        seen = seeing(child("Deployment", "support-llama", owns_replicas=True, workload=counts))
        decided = plan(STACK, [free, scaler], [], seen)
        write = decided.writes["model", "llama"][0]
        assert write.hand_over_replicas == handed_over


def test_replicas_that_are_ours_are_not_handed_over_though_an_autoscaler_is_there() -> None:
    """It rests while the model is at zero."""
    zero = manifest("Deployment", "support-llama", replicas=0)
    scaler = manifest(
        "HorizontalPodAutoscaler", "support-llama", minReplicas=1, scaleTargetRef={"name": "support-llama"}
    )
    seen = seeing(child("Deployment", "support-llama", owns_replicas=True))
    decided = plan(STACK, [zero, scaler], [], seen)
    assert decided.writes["model", "llama"][0].hand_over_replicas is None


def test_what_was_applied_in_one_of_its_forms_runs() -> None:
    zero = manifest("Deployment", "support-llama", replicas=0)
    for there in (zero, DEPLOYMENT):
        assert is_applied([[SERVICE, DEPLOYMENT], [SERVICE, zero]], [applied(SERVICE), applied(there)])
        assert not is_applied([[SERVICE, DEPLOYMENT], [SERVICE, zero]], [applied(there)])
    assert not is_applied([[DEPLOYMENT]], [applied(zero)])


def test_replicas_that_the_autoscaler_owns_already_are_not_handed_over_again() -> None:
    free = manifest("Deployment", "support-llama")
    scaler = manifest(
        "HorizontalPodAutoscaler", "support-llama", minReplicas=1, scaleTargetRef={"name": "support-llama"}
    )
    decided = plan(STACK, [free, scaler], [], seeing(child("Deployment", "support-llama")))
    assert decided.writes["model", "llama"][0].hand_over_replicas is None


def test_who_scales_a_deployment_of_an_autoscaler_to_zero_is_not_left_with_it() -> None:
    """The autoscaler would rest for ever."""
    free = manifest("Deployment", "support-llama")
    scaler = manifest(
        "HorizontalPodAutoscaler", "support-llama", minReplicas=2, scaleTargetRef={"name": "support-llama"}
    )
    inventory = [applied(free), applied(scaler)]
    for running, handed_over in ((3, []), (1, []), (0, [2])):
        counts = Workload(True, running, running, running, running, None)
        deployment = child("Deployment", "support-llama", workload=counts)
        seen = seeing(deployment, child("HorizontalPodAutoscaler", "support-llama"))
        decided = plan(STACK, [free, scaler], inventory, seen)
        writes = decided.writes.get(("model", "llama"), ())
        assert [write.hand_over_replicas for write in writes] == handed_over


def test_an_object_of_ours_that_lost_its_owner_is_taken_back() -> None:
    orphan = child("Service", "support-llama", owner_uid="", owned="less than ours")
    decided = plan(STACK, [SERVICE], [applied(SERVICE)], seeing(orphan))
    assert decided.writes["model", "llama"][0].uid == orphan.uid
    assert not decided.waiting


def test_a_strangers_object_that_carries_our_labels_is_left_alone() -> None:
    theirs = child("Service", "support-llama", owner_uid="", owned="")
    decided = plan(STACK, [SERVICE], [], seeing(theirs))
    assert not decided.writes
    assert decided.waiting[0].reason is Reason.NAME_TAKEN


NOTHING = Applied(inventory=(), failures=(), written=())
AUTOSCALED = [
    manifest("Deployment", "support-llama"),
    manifest(
        "HorizontalPodAutoscaler", "support-llama", scaleTargetRef={"name": "support-llama"}, maxReplicas=2
    ),
]


def scaled(replicas: int, *pods: Pod) -> Observed:
    workload = Workload(True, replicas, replicas, replicas, replicas, None)
    children = child("Deployment", "support-llama", workload=workload)
    return replace(seeing(children), pods={pod.name: pod for pod in pods})


def pod(name: str, *, leaving: bool = False) -> Pod:
    left = datetime(2026, 11, 1, tzinfo=UTC) if leaving else None
    return Pod(name, name, "1", "model", "llama", "", True, leaving, None, left=left)


@pytest.mark.parametrize("manifests", [[DEPLOYMENT], AUTOSCALED], ids=["fixed", "autoscaled"])
def test_more_pods_than_there_may_be_are_left_of_an_older_spec(manifests: list[dict[str, Any]]) -> None:
    assert is_rolled_out(STACK, manifests, NOTHING, scaled(2, pod("a"), pod("b")))
    assert not is_rolled_out(STACK, manifests, NOTHING, scaled(3, pod("a"), pod("b"), pod("c")))
    assert not is_rolled_out(STACK, manifests, NOTHING, scaled(2, pod("a"), pod("b"), pod("c", leaving=True)))


class Deleting:
    """Kube, as far as `prune` needs it."""

    def __init__(self) -> None:
        self.deleted: list[str] = []

    async def delete(self, kind: Kind, *_: str, **__: str) -> None:
        self.deleted.append(kind.kind)


@pytest.mark.parametrize(
    ("manifests", "kinds", "at_once", "why"),
    [
        ([], ["Deployment", "Service"], [], "an older front may still call a part that is gone"),
        (
            [],
            ["HorizontalPodAutoscaler", "Deployment"],
            ["HorizontalPodAutoscaler"],
            "nothing is to scale it",
        ),
        (
            [DEPLOYMENT],
            ["HorizontalPodAutoscaler"],
            ["HorizontalPodAutoscaler"],
            "it would fight over replicas",
        ),
        ([DEPLOYMENT], ["PersistentVolumeClaim"], ["PersistentVolumeClaim"], "the part goes on without it"),
    ],
)
async def test_what_fronts_may_still_call_is_deleted_after_they_were_rerouted(
    manifests: list[dict[str, Any]], kinds: list[str], at_once: list[str], why: str
) -> None:
    gone = [child(kind, "support-llama-old") for kind in kinds]
    decided = plan(STACK, manifests, [], seeing(*gone))
    for rerouted, expected in ((False, at_once), (True, kinds)):
        kube = Deleting()
        await prune(STACK, decided, NOTHING, kube, rerouted=rerouted)  # type: ignore[arg-type]  # one method
        assert kube.deleted == expected, why


async def test_an_ingress_does_not_stay_longer_than_it_has_to() -> None:
    front = manifest("Service", "support-gateway", part="gateway")
    front["metadata"]["labels"]["aistack.dev/component"] = "gateway"
    ingress = child("Ingress", "support-gateway", component="gateway", part="gateway")
    decided = plan(STACK, [front], [], seeing(ingress, child("Deployment", "support-llama")))
    kube = Deleting()
    await prune(STACK, decided, NOTHING, kube, rerouted=False)  # type: ignore[arg-type]  # one method
    assert kube.deleted == ["Ingress"]
