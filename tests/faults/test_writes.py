"""Whatever becomes of a write, a stack ends as if nothing had happened, and says nothing untrue on the way.

Each stack has the same name and a namespace of its own, in which its n-th write fails.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests import controllers
from tests.controllers import USER, Stacks, eventually
from tests.controlplane import ControlPlane
from tests.controlplane.audit import Request
from tests.controlplane.process import Process
from tests.faults.proxy import Fault, Planned, Proxy, StatusWrite
from tests.stacks import tiny

SURVIVED = (
    Fault.SERVER_ERROR,
    Fault.TOO_MANY_REQUESTS,
    Fault.CONFLICT,
    Fault.RESET,
    Fault.LOST_ANSWER,
    Fault.HALF_ANSWER,
    Fault.HANG,
)
"""Faults that the controller lives through; the others end it."""
UNHARMED = "unharmed"
QUIET_SECONDS = 3
CONVERGED_WITHIN = 80.0
"""Thirty of them pass while requests are not answered: a next try after a minute would be too late."""
STACKS = "/apis/aistack.dev/v1alpha1/aistacks"
OF_ONE_RUN = ("creationTimestamp", "managedFields", "namespace", "ownerReferences", "resourceVersion", "uid")
ADDRESSES = ("clusterIP", "clusterIPs")


def harmed(fault: Fault, nth: int) -> str:
    """The namespace of the stack whose n-th write has this fault."""
    return f"{fault.name.lower().replace('_', '-')}-{nth}"


@dataclass(frozen=True)
class World:
    """A cluster with a proxy in front, and the stacks in it."""

    cluster: ControlPlane
    proxy: Proxy

    def apply(self, namespace: str, manifest: dict[str, Any]) -> None:
        self.cluster.client.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
        placed = {**manifest, "metadata": {"name": "support"}}
        self.cluster.client.create(f"/apis/aistack.dev/v1alpha1/namespaces/{namespace}/aistacks", placed)

    def wait_ready(self, namespaces: Sequence[str], process: Process | None = None) -> None:
        def unready() -> list[str]:
            items = self.cluster.client.get(STACKS)["items"]
            ready = {item["metadata"]["namespace"] for item in items if is_ready(item)}
            return sorted(set(namespaces) - ready)

        eventually(lambda: not unready(), "every stack is Ready", process, CONVERGED_WITHIN)

    def end_state(self, namespace: str) -> Mapping[tuple[str, str], Any]:
        """Every child and the stack's status, without what differs between any two runs."""
        seen = Stacks(self.cluster, namespace)
        status = seen.get("aistack", "support")["status"]
        children = {key: lasting(child) for key, child in seen.children().items()}
        return {**children, ("AIStack", "support"): said(status)}

    def writes(self, namespace: str, since: datetime | None = None) -> list[Request]:
        requests = self.cluster.audit.requests(since, user=USER, namespace=namespace)
        return [item for item in requests if item.is_write]

    def created(self, namespace: str) -> Counter[tuple[str, str]]:
        """How often each child was created."""
        done = [item for item in self.writes(namespace) if item.code == 201]
        return Counter((item.resource, item.name) for item in done)

    def deleted(self, namespace: str) -> list[str]:
        return [item.name for item in self.writes(namespace) if item.verb == "delete"]


def is_ready(item: Mapping[str, Any]) -> bool:
    status = item.get("status", {})
    current = status.get("observedGeneration") == item["metadata"]["generation"]
    return current and conditions(status).get("Ready") == "True"


def conditions(status: Mapping[str, Any]) -> dict[str, str]:
    return {item["type"]: item["status"] for item in status.get("conditions", ())}


def lasting(child: Mapping[str, Any]) -> dict[str, Any]:
    """A child as the same stack in another namespace has it."""
    meta = {name: value for name, value in child["metadata"].items() if name not in OF_ONE_RUN}
    spec = {name: value for name, value in child.get("spec", {}).items() if name not in ADDRESSES}
    return {"metadata": meta, "spec": spec, "data": child.get("data")}


def said(status: Mapping[str, Any]) -> dict[str, Any]:
    """A status without times, digests and the namespace in its address."""
    return {
        "conditions": [(item["type"], item["status"], item["reason"]) for item in status["conditions"]],
        "components": [(item["name"], item["ready"], item["reason"]) for item in status["components"]],
        "inventory": [(item["kind"], item["name"]) for item in status["inventory"]],
    }


def contradictions(writes: Sequence[StatusWrite]) -> list[StatusWrite]:
    """Statuses that kstatus forbids, and those that say Ready of a stack that isn't."""
    return [write for write in writes if contradicts(write.status)]


def contradicts(status: Mapping[str, Any]) -> bool:
    kinds = conditions(status)
    unready = [part["name"] for part in status.get("components", ()) if not part["ready"]]
    if kinds["Ready"] == "True":
        return bool(unready) or bool({"Reconciling", "Stalled"} & kinds.keys())
    return {"Reconciling", "Stalled"} <= kinds.keys()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(tmp_path_factory.mktemp("faults"))


@pytest.fixture(scope="module")
def proxy(installed: ControlPlane, folder: Path) -> Iterator[Proxy]:
    with Proxy(installed).serving(folder) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def world(installed: ControlPlane, proxy: Proxy) -> Iterator[World]:
    world = World(installed, proxy)
    yield world
    for item in installed.client.get(STACKS)["items"]:
        installed.client.request("DELETE", f"/api/v1/namespaces/{item['metadata']['namespace']}")


@pytest.fixture(scope="module")
def settings(proxy: Proxy, folder: Path) -> dict[str, str]:
    return {"KUBECONFIG": str(proxy.kubeconfig(folder))}


@pytest.fixture(scope="module")
def unharmed(world: World, folder: Path, settings: dict[str, str]) -> World:
    """The stack of which no write failed is Ready."""
    with controllers.controller(world.cluster, folder, **settings) as process:
        world.apply(UNHARMED, tiny())
        world.wait_ready([UNHARMED], process)
    return world


@pytest.fixture(scope="module")
def survivors(unharmed: World, folder: Path, settings: dict[str, str]) -> Iterator[World]:
    """All faults that the controller lives through, at once: it must keep every stack's trouble apart."""
    places = {harmed(fault, nth): (fault, nth) for fault in SURVIVED for nth in each_write(unharmed)}
    unharmed.proxy.plan = [Planned(fault, nth, namespace=name) for name, (fault, nth) in places.items()]
    with controllers.controller(unharmed.cluster, folder, **settings) as process:
        for namespace in places:
            unharmed.apply(namespace, tiny())
        unharmed.wait_ready([*places], process)
        yield unharmed


def each_write(world: World) -> range:
    """The numbers of the writes that no run can do without: every child, and one status."""
    return range(1, 2 + world.created(UNHARMED).total())


def test_every_fault_of_the_plan_happened(survivors: World) -> None:
    assert [planned for planned in survivors.proxy.plan if not planned.happened] == []


@pytest.mark.parametrize("fault", SURVIVED, ids=lambda fault: fault.value)
def test_the_end_is_that_of_a_run_without_faults(survivors: World, fault: Fault) -> None:
    expected = survivors.end_state(UNHARMED)
    for nth in each_write(survivors):
        assert survivors.end_state(harmed(fault, nth)) == expected, f"{fault.value} at write {nth}"


@pytest.mark.parametrize("fault", SURVIVED, ids=lambda fault: fault.value)
def test_everything_is_created_once_and_nothing_deleted(survivors: World, fault: Fault) -> None:
    expected = survivors.created(UNHARMED)
    assert set(expected.values()) == {1}
    for nth in each_write(survivors):
        namespace = harmed(fault, nth)
        assert survivors.created(namespace) == expected, f"{fault.value} at write {nth}"
        assert survivors.deleted(namespace) == []


def test_no_fault_makes_an_object_of_ours_look_like_somebody_elses(survivors: World) -> None:
    reasons = {item["reason"] for write in survivors.proxy.statuses for item in write.status["conditions"]}
    assert "NameTaken" not in reasons


def test_the_status_never_contradicts_itself(survivors: World) -> None:
    assert survivors.proxy.statuses
    assert contradictions(survivors.proxy.statuses) == []


def test_once_all_is_well_nothing_is_written(survivors: World) -> None:
    mark = survivors.cluster.audit.mark()
    time.sleep(QUIET_SECONDS)
    requests = survivors.cluster.audit.requests(mark, user=USER)
    assert [item for item in requests if item.is_write and item.resource != "leases"] == []


@pytest.mark.parametrize("fault", [Fault.KILL, Fault.KILL_AFTER], ids=lambda fault: fault.value)
def test_a_controller_that_is_killed_at_any_write_goes_on_where_it_was(
    unharmed: World, folder: Path, settings: dict[str, str], fault: Fault
) -> None:
    expected, created = unharmed.end_state(UNHARMED), unharmed.created(UNHARMED)
    with ExitStack() as running:
        victim = running.enter_context(controllers.controller(unharmed.cluster, folder, **settings))
        for nth in each_write(unharmed):
            namespace = harmed(fault, nth)
            unharmed.proxy.plan = [Planned(fault, nth, namespace=namespace)]
            unharmed.proxy.victim = victim
            unharmed.apply(namespace, tiny())
            wait_for_end(victim)
            victim = running.enter_context(controllers.controller(unharmed.cluster, folder, **settings))
            unharmed.wait_ready([namespace], victim)
            assert unharmed.end_state(namespace) == expected, f"{fault.value} at write {nth}"
            # A create whose client is gone before the answer has no 201 in the audit log.
            assert unharmed.created(namespace) <= created
            assert unharmed.deleted(namespace) == []
    assert contradictions(unharmed.proxy.statuses) == []


def wait_for_end(process: Process) -> None:
    eventually(lambda: not process.running(), f"{process.name} has ended")
