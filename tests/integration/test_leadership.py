"""Of two controllers one writes; when it goes, in whatever way, the other one goes on where it was."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests import controllers
from tests.controllers import NAMESPACE, Stacks, eventually
from tests.controlplane import ControlPlane
from tests.controlplane.audit import Request
from tests.controlplane.process import Process, end
from tests.stacks import tiny

LEASE_SECONDS = 15
FAILOVER_WITHIN = LEASE_SECONDS + 2
HANDOVER_WITHIN = 8.0
"""Seconds after a SIGTERM; the standby only has to see the lease given back."""
AWAKE_SECONDS = 5.0
"""How long a leader that woke up is watched."""
SLACK = 5.0
"""Seconds for a machine that does other things too."""
NAMES = ("first", "second")


@pytest.fixture(scope="module")
def users(installed: ControlPlane) -> dict[str, Path]:
    """Two users with the controller's rights, so that the audit log tells them apart; their kubeconfigs."""
    for name in NAMES:
        user = f"--user={name}"
        installed.kubectl("create", "clusterrolebinding", name, "--clusterrole=aistack-controller", user)
        place = f"--namespace={NAMESPACE}"
        installed.kubectl("create", "rolebinding", name, "--clusterrole=aistack-leader", user, place)
    return {name: installed.kubeconfig_for(name) for name in NAMES}


class Pair:
    """A leader and a standby."""

    def __init__(self, cluster: ControlPlane, folder: Path, users: dict[str, Path]) -> None:
        self.cluster = cluster
        self.leader, self.standby = (
            self._started(folder, name, kubeconfig) for name, kubeconfig in users.items()
        )

    def _started(self, folder: Path, name: str, kubeconfig: Path) -> Process:
        process = controllers.start(self.cluster, folder, name, KUBECONFIG=str(kubeconfig))
        eventually(lambda: self.holder() == NAMES[0], "the first of them leads", process)
        return process

    def end(self) -> None:
        for process in (self.standby, self.leader):
            if process.running():
                os.kill(process.pid, signal.SIGCONT)
            end(process)

    def holder(self) -> str:
        lease = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
        return "".join(item["spec"]["holderIdentity"] for item in self.cluster.client.get(lease)["items"])

    def wait_takeover(self, within: float) -> None:
        """Waits for the standby to lead, and says how long it took."""
        started = time.monotonic()
        eventually(lambda: self.holder() == self.standby.name, "the standby leads", self.standby)
        taken = time.monotonic() - started
        print(f"\nthe standby leads after {taken:.1f} s")
        assert taken < within + SLACK

    def writes(self, process: Process, since: datetime, namespace: str) -> list[Request]:
        requests = self.cluster.audit.requests(since, user=process.name, namespace=namespace)
        return [item for item in requests if item.is_write]


@pytest.fixture
def pair(installed: ControlPlane, users: dict[str, Path], tmp_path: Path) -> Iterator[Pair]:
    pair = Pair(installed, tmp_path, users)
    yield pair
    pair.end()


def twice(writes: list[Request]) -> list[str]:
    """Children that were written more than once."""
    count = Counter(f"{item.resource}/{item.name}" for item in writes if not item.subresource)
    return [child for child, times in count.items() if times > 1]


def test_the_standby_takes_over_from_a_leader_that_was_killed(pair: Pair, stacks: Stacks) -> None:
    mark = stacks.cluster.audit.mark()
    stacks.apply(tiny("before"))
    stacks.wait_ready("before")
    os.kill(pair.leader.pid, signal.SIGKILL)
    stacks.apply(tiny("meanwhile"))
    pair.wait_takeover(within=FAILOVER_WITHIN)
    stacks.wait_ready("meanwhile")

    old = pair.writes(pair.leader, mark, stacks.namespace)
    new = pair.writes(pair.standby, mark, stacks.namespace)
    assert old
    assert {item.name for item in old if "meanwhile" in item.name} == set()
    assert {item.name for item in new if "before" in item.name} == set()
    assert twice([*old, *new]) == []


def test_a_leader_that_is_asked_to_end_hands_over_at_once(pair: Pair, stacks: Stacks) -> None:
    os.kill(pair.leader.pid, signal.SIGTERM)
    pair.wait_takeover(within=HANDOVER_WITHIN)
    stacks.apply(tiny())
    stacks.wait_ready("support")
    eventually(lambda: not pair.leader.running(), "the old leader has ended")


def test_a_leader_that_slept_through_its_lease_writes_nothing_when_it_wakes(
    pair: Pair, stacks: Stacks
) -> None:
    stacks.apply(tiny())
    stacks.wait_ready("support")
    os.kill(pair.leader.pid, signal.SIGSTOP)
    mark = stacks.cluster.audit.mark()
    stacks.cluster.kubectl(
        "delete", "service,poddisruptionbudget", "--all", f"--namespace={stacks.namespace}"
    )
    pair.wait_takeover(within=FAILOVER_WITHIN)
    stacks.wait_ready("support")
    stacks.apply(tiny("later"))
    os.kill(pair.leader.pid, signal.SIGCONT)
    stacks.wait_ready("later")
    time.sleep(AWAKE_SECONDS)

    assert pair.leader.running()
    assert pair.writes(pair.leader, mark, stacks.namespace) == []
    written = pair.writes(pair.standby, mark, stacks.namespace)
    assert {"services", "poddisruptionbudgets"} <= {item.resource for item in written}
    assert twice(written) == []
