"""What a controller's end costs: nothing that runs is touched, and another one goes on."""

import json
import os
import signal
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import controllers
from tests.controllers import USER, Stacks, eventually
from tests.controlplane import ControlPlane
from tests.controlplane.audit import Request
from tests.controlplane.process import Process
from tests.stacks import hosted, stack

STACKS = 50
LEASE_SECONDS = 15


def writes(cluster: ControlPlane, since: int) -> list[Request]:
    """What the operator wrote besides its Lease."""
    requests = cluster.audit.requests(since, user=USER)
    return [item for item in requests if item.is_write and item.resource != "leases"]


def leads(process: Process) -> bool:
    with urllib.request.urlopen(f"http://127.0.0.1:{process.port}/metrics", timeout=5) as answer:
        return b"aistack_lease_held 1.0" in answer.read()


@contextmanager
def leading(cluster: ControlPlane, folder: Path, name: str) -> Iterator[Process]:
    with controllers.controller(cluster, folder, name) as process:
        eventually(lambda: leads(process), f"{name} leads", process)
        yield process


def has_looked_at_all(process: Process, stacks: int) -> bool:
    """Whether so many stacks have been through the line since this process leads."""
    with urllib.request.urlopen(f"http://127.0.0.1:{process.port}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("aistack_stacks{")) >= stacks


def small(namespace: str, name: str) -> dict[str, Any]:
    return stack(name, namespace, models=[hosted("minilm", accelerator={"class": "cpu"})])


@pytest.fixture
def fifty(installed: ControlPlane, stacks: Stacks, tmp_path: Path) -> Stacks:
    """So many small stacks, Ready, and the controller that made them gone."""
    items = [small(stacks.namespace, f"stack-{number}") for number in range(STACKS)]
    for item in items:
        del item["metadata"]["uid"], item["metadata"]["generation"]
    with leading(installed, tmp_path, "maker"):
        everything = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
        installed.kubectl("apply", "--server-side", "--filename=-", input=everything)
        every = ["aistack", "--all", f"--namespace={stacks.namespace}"]
        installed.kubectl("wait", "--for=condition=Ready", "--timeout=90s", *every)
    return stacks


def test_a_restart_with_many_stacks_writes_nothing_and_serves_a_new_one(
    fifty: Stacks, tmp_path: Path
) -> None:
    cluster = fifty.cluster
    mark = cluster.audit.mark()
    started = time.monotonic()
    with leading(cluster, tmp_path, "restarted") as process:
        assert time.monotonic() - started < LEASE_SECONDS, "the lease was handed over, not waited out"
        eventually(lambda: has_looked_at_all(process, STACKS), "every stack was looked at", process)
        fifty.apply(small(fifty.namespace, "new"))
        eventually(lambda: fifty.condition("new"), "the new stack is seen to", process)
        assert [item for item in writes(cluster, mark) if not item.name.startswith("new")] == []


def test_a_standby_follows_a_leader_that_was_killed_and_writes_nothing_twice(
    installed: ControlPlane, stacks: Stacks, tmp_path: Path
) -> None:
    with (
        leading(installed, tmp_path, "first") as first,
        controllers.controller(installed, tmp_path, "second") as second,
    ):
        stacks.apply(stack("before"))
        stacks.wait_ready("before")
        mark = installed.audit.mark()
        os.kill(first.pid, signal.SIGKILL)
        killed = time.monotonic()
        assert not leads(second)
        stacks.apply(stack("after"))
        eventually(lambda: leads(second), "the standby leads", second)
        assert time.monotonic() - killed < LEASE_SECONDS + 2
        stacks.wait_ready("after")
        written = writes(installed, mark)
        assert [item for item in written if item.name.startswith("before")] == []
        created = [item.name + item.resource for item in written if item.subresource != "status"]
        assert len(created) == len(set(created))


def test_a_signal_ends_the_controller_soon_and_leaves_the_lease_to_others(
    installed: ControlPlane, tmp_path: Path
) -> None:
    with leading(installed, tmp_path, "only") as process:
        asked = time.monotonic()
        os.kill(process.pid, signal.SIGTERM)
        eventually(lambda: not process.running(), "the process has ended")
        assert time.monotonic() - asked < 5
    holder = "jsonpath={.spec.holderIdentity}"
    lease = [
        "get",
        "lease",
        "aistack-controller",
        f"--namespace={controllers.NAMESPACE}",
        f"--output={holder}",
    ]
    assert installed.kubectl(*lease) == ""
