"""Changing a leaf of a stack that runs writes what the leaf concerns, once, and nothing else."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from aistack.kinds import CHILD_KINDS, POD
from tests import controllers, leaves
from tests.controllers import USER, Stacks, eventually
from tests.controlplane import ControlPlane, RequestFailed
from tests.controlplane.definitions import wait_until_served
from tests.leaves import Change

TABLE = leaves.table()
KINDS = {kind.plural: kind.kind.lower() for kind in CHILD_KINDS}
APPLY = "fieldManager=user&force=true"
MOST_STATUS_WRITES = 3
"""For one change."""


def metrics_api(group: str) -> dict[str, Any]:
    """A resource in the group of a metrics API: all that the operator looks for is the group."""
    names = {"plural": "placeholders", "singular": "placeholder", "kind": "Placeholder"}
    schema = {"openAPIV3Schema": {"type": "object"}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"placeholders.{group}",
            "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"},
        },
        "spec": {
            "group": group,
            "names": names,
            "scope": "Cluster",
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


METRICS_APIS = json.dumps(
    {
        "apiVersion": "v1",
        "kind": "List",
        "items": [metrics_api("metrics.k8s.io"), metrics_api("custom.metrics.k8s.io")],
    }
)
GROWING = json.dumps(
    {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "growing"},
        "provisioner": "kubernetes.io/host-path",
        "allowVolumeExpansion": True,
    }
)


@pytest.fixture(scope="module")
def prepared(installed: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A controller in a cluster with metrics APIs, the Gateway API and volumes that grow."""
    installed.kubectl("create", "--filename=-", input=METRICS_APIS)
    installed.kubectl("create", "--filename=-", input=GROWING)
    wait_until_served(installed.kubectl, "crd", "--all")
    folder = Path(tmp_path_factory.mktemp("controller"))
    with controllers.gateway_api(installed), controllers.controller(installed, folder):
        yield installed
    installed.kubectl("delete", "--filename=-", input=METRICS_APIS)
    installed.kubectl("delete", "--filename=-", input=GROWING)


class Stack:
    """The stack support of one namespace, changed by its user."""

    def __init__(self, cluster: ControlPlane, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.path = f"/apis/aistack.dev/v1alpha1/namespaces/{namespace}/aistacks/support"

    def become(self, *changes: Change) -> None:
        """Writes the stack and waits until the controller has said something about it."""
        written = self.write(*changes)
        eventually(
            lambda: self._seen() == written["metadata"]["generation"], f"{self.namespace} has a status"
        )

    def write(self, *changes: Change) -> dict[str, Any]:
        manifest = TABLE.stack(*changes)
        manifest["metadata"] = {"name": "support"}
        body: dict[str, Any] = self.cluster.client.request(
            "PATCH", f"{self.path}?{APPLY}", manifest, "application/apply-patch+yaml"
        )
        return body

    def _seen(self) -> int:
        status = self.cluster.client.get(self.path).get("status", {})
        return int(status.get("observedGeneration", 0))

    def writes(self, since: datetime) -> list[str]:
        """The children that the controller wrote or deleted, once for each request; `status` is its own.

        Pods are not among them: the front's are told of a new configuration.
        """
        requests = self.cluster.audit.requests(since, user=USER, namespace=self.namespace)
        return [
            "status" if item.subresource else f"{KINDS[item.resource]}/{leaves.part(item.name)}"
            for item in requests
            if item.is_write and item.resource != POD.plural
        ]

    def children_written(self, since: datetime, count: int) -> list[str]:
        """Them, sorted, once there are so many: what is deleted waits until no front may call it."""

        def written() -> list[str]:
            return sorted(item for item in self.writes(since) if item != "status")

        eventually(lambda: len(written()) >= count, f"{count} children of {self.namespace} are written")
        return written()


@pytest.fixture
def running(prepared: ControlPlane, stacks: Stacks) -> Stack:
    """The base stack, Ready."""
    for account in ("caller", "other"):
        stacks.cluster.kubectl("create", "serviceaccount", account, f"--namespace={stacks.namespace}")
    stack = Stack(prepared, stacks.namespace)
    stack.become()
    stacks.wait_ready("support")
    return stack


def volumes_last(change: Change) -> bool:
    """A volume never shrinks again, so nothing can come after it."""
    return change.at.endswith("cache.size")


def autoscaled_again(children: Sequence[str]) -> list[str]:
    """Deployments that get an autoscaler back: a write of its own hands their replicas over."""
    autoscaled = [name.split("/")[1] for name in children if name.startswith("horizontalpodautoscaler/")]
    return [f"deployment/{part}" for part in autoscaled if f"deployment/{part}" in children]


def test_each_leaf_in_turn_writes_its_children_once_and_no_other(running: Stack) -> None:
    """From one changed leaf to the next: the children of the one go back, those of the other change."""
    before: Sequence[str] = ()
    started = running.cluster.audit.mark()
    for change in sorted(TABLE.changing, key=volumes_last):
        mark = running.cluster.audit.mark()
        running.become(change)
        expected = sorted([*{*change.children, *before}, *autoscaled_again(before)])
        assert running.children_written(mark, len(expected)) == expected, change
        before = change.children
    status_writes = running.writes(started).count("status")
    assert status_writes <= MOST_STATUS_WRITES * len(TABLE.changing)


@pytest.mark.parametrize("change", TABLE.fixed, ids=str)
def test_a_leaf_that_can_not_change_is_refused_by_the_api_server(
    prepared: ControlPlane, namespace: str, change: Change
) -> None:
    stack = Stack(prepared, namespace)
    stack.write()
    with pytest.raises(RequestFailed, match="can't change"):
        stack.write(change)


def test_what_is_recorded_or_refused_writes_no_child(running: Stack) -> None:
    mark = running.cluster.audit.mark()
    fixed = {row.at for row in TABLE.fixed}
    for change in (*TABLE.recorded, *TABLE.refused):
        if change.at not in fixed:
            running.become(change)
    running.become()
    assert set(running.writes(mark)) == {"status"}
