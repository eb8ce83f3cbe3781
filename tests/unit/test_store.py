"""What is known of the cluster: the newest version of each object, and whom a change concerns."""

from typing import Any

import pytest

from aistack.kinds import (
    ACCELERATOR_CLASS,
    AIPOLICY,
    AISTACK,
    DEPLOYMENT,
    NAMESPACE,
    POD,
    PRICE_BOOK,
    Kind,
    Manifest,
)
from aistack.runtime.store import Key, Store, identity

SUPPORT: Key = ("care", "support")
SALES: Key = ("care", "sales")


def manifest(kind: Kind, name: str, version: int, *, uid: str = "", **fields: Any) -> Manifest:
    """An object in the namespace care, belonging to the stack `stack` if that is given."""
    labels = {"aistack.dev/stack": fields.pop("stack")} if "stack" in fields else {}
    meta: Manifest = {"name": name, "uid": uid or f"uid-{name}", "resourceVersion": str(version)}
    meta |= {"labels": labels, **fields.pop("metadata", {})}
    if kind.namespaced:
        meta["namespace"] = "care"
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta, **fields}


def stack(name: str, version: int, *, accelerator: str = "nvidia-l4", **fields: Any) -> Manifest:
    models = [{"name": "llama", "selfHosted": {"accelerator": {"class": accelerator}}}]
    return manifest(AISTACK, name, version, **{"spec": {"models": models}, **fields})


def deployment(version: int, *, replicas: int = 1, home: str = "support", **fields: Any) -> Manifest:
    return manifest(DEPLOYMENT, "support-llama", version, stack=home, spec={"replicas": replicas}, **fields)


def accelerator_class(version: int, memory: str = "24Gi") -> Manifest:
    return manifest(
        ACCELERATOR_CLASS, "nvidia-l4", version, spec={"resourceName": "nvidia.com/gpu", "memory": memory}
    )


def place(name: str, version: int, **labels: str) -> Manifest:
    return manifest(NAMESPACE, name, version, metadata={"labels": labels})


def price_book(version: int, per_gib: str) -> Manifest:
    traffic = [{"name": "internet", "perGib": per_gib, "source": "contracts/7"}]
    spec = {"currency": "USD", "asOf": "2026-11-01", "traffic": traffic}
    return manifest(PRICE_BOOK, "ours", version, spec=spec)


@pytest.fixture
def store() -> Store:
    """Two stacks, nothing else."""
    store = Store()
    store.update(stack("support", 1))
    store.update(stack("sales", 2, accelerator="cpu"))
    return store


def test_a_new_stack_and_a_changed_one_concern_themselves(store: Store) -> None:
    assert store.update(stack("new", 3)) == {("care", "new")}
    assert store.update(stack("new", 4, accelerator="cpu")) == {("care", "new")}


def test_a_stack_is_remembered_without_what_only_servers_read(store: Store) -> None:
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "team": "care"}
    store.update(stack("new", 3, metadata={"managedFields": [{}], "annotations": annotations}))
    found = store.stack(("care", "new"))
    assert found is not None
    assert found["metadata"]["annotations"] == {"team": "care"}
    assert "managedFields" not in found["metadata"]
    assert found["spec"] == stack("new", 3)["spec"]


def test_an_older_version_changes_nothing(store: Store) -> None:
    store.update(deployment(20, replicas=2))
    assert store.update(deployment(19, replicas=5)) == set()
    (child,) = store.observed(SUPPORT).children.values()
    assert child.workload is not None
    assert child.workload.wanted == 2


def test_versions_are_numbers_not_words(store: Store) -> None:
    store.update(deployment(9, replicas=1))
    assert store.update(deployment(10, replicas=2)) == {SUPPORT}


def test_a_child_concerns_its_stack_only(store: Store) -> None:
    assert store.update(deployment(20)) == {SUPPORT}
    assert store.update(deployment(21, replicas=3)) == {SUPPORT}


def test_a_version_that_differs_in_nothing_else_concerns_nobody(store: Store) -> None:
    store.update(deployment(20))
    assert (
        store.update(deployment(21, metadata={"labels": {"aistack.dev/stack": "support", "x": "y"}})) == set()
    )
    assert store.update(stack("support", 30)) == set()


def test_a_child_of_no_known_stack_concerns_nobody(store: Store) -> None:
    assert store.update(deployment(20, home="unknown")) == set()


def test_a_child_that_changes_hands_concerns_both_stacks(store: Store) -> None:
    store.update(deployment(20))
    assert store.update(deployment(21, home="sales")) == {SUPPORT, SALES}
    assert store.observed(SUPPORT).children == {}
    assert ("Deployment", "support-llama") in store.observed(SALES).children


def test_pods_are_kept_apart_from_children(store: Store) -> None:
    pod = manifest(POD, "support-llama-1", 20, stack="support", status={"phase": "Pending"})
    assert store.update(pod) == {SUPPORT}
    observed = store.observed(SUPPORT)
    assert list(observed.pods) == ["support-llama-1"]
    assert observed.children == {}


def test_a_deletion_is_news_for_the_stack(store: Store) -> None:
    store.update(deployment(20))
    assert store.remove(deployment(21)) == {SUPPORT}
    assert store.observed(SUPPORT).children == {}
    assert store.remove(deployment(21)) == set(), "it is known already"


def test_the_deletion_of_an_older_object_of_the_same_name_leaves_the_newer_one(store: Store) -> None:
    store.update(deployment(30, uid="new"))
    assert store.remove(deployment(21, uid="old")) == set()
    assert store.observed(SUPPORT).children


def test_a_deleted_stack_is_gone_and_concerned(store: Store) -> None:
    assert store.remove(stack("support", 50)) == {SUPPORT}
    assert store.stack(SUPPORT) is None
    assert store.stacks() == {SALES}


def test_what_a_list_does_not_hold_is_taken_for_deleted(store: Store) -> None:
    store.update(deployment(20))
    other = manifest(DEPLOYMENT, "support-gateway", 21, stack="support")
    store.update(other)
    assert store.retain(DEPLOYMENT, {identity(other)}, "40") == {SUPPORT}
    assert [name for _, name in store.observed(SUPPORT).children] == ["support-gateway"]


def test_what_is_newer_than_a_list_is_kept_though_the_list_lacks_it(store: Store) -> None:
    store.update(deployment(50))
    assert store.retain(DEPLOYMENT, set(), "40") == set()
    assert store.observed(SUPPORT).children


def test_a_list_of_one_kind_says_nothing_of_others(store: Store) -> None:
    store.update(deployment(20))
    assert store.retain(POD, set(), "40") == set()
    assert store.observed(SUPPORT).children


def test_an_accelerator_class_concerns_the_stacks_that_name_it(store: Store) -> None:
    assert store.update(accelerator_class(20)) == {SUPPORT}
    assert store.accelerator_classes["nvidia-l4"].spec.memory == "24Gi"
    assert store.update(accelerator_class(21, memory="48Gi")) == {SUPPORT}
    assert store.remove(accelerator_class(22)) == {SUPPORT}
    assert store.accelerator_classes == {}


def test_an_accelerator_class_that_cannot_be_read_counts_as_absent(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    store.update(accelerator_class(20))
    broken = manifest(ACCELERATOR_CLASS, "nvidia-l4", 21, spec={"memory": ["many"]})
    assert store.update(broken) == {SUPPORT}
    assert store.accelerator_classes == {}
    assert "AcceleratorClass nvidia-l4 can't be read" in caplog.text


def test_the_labels_of_a_namespace_concern_the_stacks_in_it() -> None:
    """Policies and budgets choose by them."""
    store = Store()
    for namespace in ("care", "shop"):
        store.update(stack("support", 1, uid=f"uid-{namespace}", metadata={"namespace": namespace}))
    assert store.update(place("care", 20, tier="high")) == {SUPPORT}
    assert store.update(place("care", 21, tier="high")) == set(), "nothing of it has changed"
    assert store.update(place("care", 22, tier="low")) == {SUPPORT}
    assert store.namespaces == {"care": {"tier": "low"}}


def test_prices_concern_every_stack(store: Store) -> None:
    assert store.update(price_book(20, "0.25")) == {SUPPORT, SALES}
    assert store.update(price_book(21, "0.25")) == set(), "nothing of it has changed"
    assert store.update(price_book(22, "0.50")) == {SUPPORT, SALES}
    assert [each.per_gib for each in store.price_books["ours"].spec.traffic] == ["0.50"]
    assert store.remove(price_book(23, "0.50")) == {SUPPORT, SALES}
    assert store.price_books == {}


def test_a_policy_concerns_every_stack_and_what_stands_beside_its_rules_nobody(store: Store) -> None:
    spec = {"rules": [{"id": "owner", "expression": "true", "message": "Nobody answers for it."}]}
    assert store.update(manifest(AIPOLICY, "mine", 20, spec=spec)) == {SUPPORT, SALES}
    labelled = manifest(AIPOLICY, "mine", 21, spec=spec, metadata={"labels": {"team": "legal"}})
    store.rules_changed.clear()
    assert store.update(labelled) == set()
    told = {
        **labelled,
        "metadata": {**labelled["metadata"], "resourceVersion": "22"},
        "status": {"stacks": 2},
    }
    assert store.update(told) == set()
    assert not store.rules_changed.is_set(), "nothing is compiled anew for what we say ourselves"
    denying = manifest(AIPOLICY, "mine", 23, spec={**spec, "action": "Deny"})
    assert store.update(denying) == {SUPPORT, SALES}
    assert store.rules_changed.is_set()


def test_our_own_write_is_known_before_any_watch_tells_of_it(store: Store) -> None:
    store.written(deployment(20))
    assert store.observed(SUPPORT).children
    assert store.update(deployment(20)) == set(), "the event is no news then"


def test_our_own_write_does_not_bring_back_what_was_deleted_after_it(store: Store) -> None:
    store.update(deployment(20))
    store.remove(deployment(21))
    store.written(deployment(20))
    assert store.observed(SUPPORT).children == {}


def test_a_child_that_we_deleted_is_on_its_way_out_until_a_watch_says_that_it_is_gone(store: Store) -> None:
    store.update(deployment(20))
    (child,) = store.observed(SUPPORT).children.values()
    store.deleted(SUPPORT, child)
    (leaving,) = store.observed(SUPPORT).children.values()
    assert leaving.deleting
    assert store.remove(deployment(21)) == {SUPPORT}


def test_deleting_does_not_touch_a_new_object_of_the_same_name(store: Store) -> None:
    store.update(deployment(20, uid="old"))
    (old,) = store.observed(SUPPORT).children.values()
    store.update(deployment(21, uid="new"))
    store.deleted(SUPPORT, old)
    (new,) = store.observed(SUPPORT).children.values()
    assert not new.deleting
