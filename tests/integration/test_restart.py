"""A controller that is killed and started again finds everything as it was, and serves who comes next."""

import os
import signal
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests import controllers
from tests.controllers import USER, Stacks, eventually
from tests.controlplane import ControlPlane
from tests.controlplane.process import Process
from tests.stacks import tiny

STACKS = 50
SERVED_WITHIN = 10.0
"""Seconds from the first request of the new process to the first write for a new stack; 2 are the goal."""
ENDED_WITHIN = 10.0
READY_WITHIN = 240.0


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(tmp_path_factory.mktemp("controller"))


@pytest.fixture
def many(installed: ControlPlane, stacks: Stacks, folder: Path) -> Iterator[Stacks]:
    """Many stacks, all Ready, whose controller was killed."""
    with controllers.controller(installed, folder) as process:
        for number in range(STACKS):
            stacks.apply(tiny(f"stack-{number}"))
        eventually(lambda: all_ready(stacks), f"{STACKS} stacks are Ready", process, READY_WITHIN)
        os.kill(process.pid, signal.SIGKILL)
        yield stacks


def all_ready(stacks: Stacks) -> bool:
    path = f"/apis/aistack.dev/v1alpha1/namespaces/{stacks.namespace}/aistacks"
    items = stacks.cluster.client.get(path)["items"]
    ready = [
        condition["status"] == "True"
        for item in items
        for condition in item.get("status", {}).get("conditions", ())
        if condition["type"] == "Ready"
    ]
    return len(ready) == STACKS and all(ready)


def looked_at(process: Process) -> float:
    """How many stacks have been through the line since this process leads."""
    with urllib.request.urlopen(f"http://127.0.0.1:{process.port}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("aistack_stacks{"))


def test_a_restart_writes_nothing_and_serves_a_new_stack_at_once(many: Stacks, folder: Path) -> None:
    mark = many.cluster.audit.mark()
    many.apply(tiny("newcomer"))
    started = datetime.now(UTC)
    with controllers.controller(many.cluster, folder) as process:
        many.wait_ready("newcomer")
        eventually(lambda: looked_at(process) > STACKS, "every stack was looked at", process)
    requests = many.cluster.audit.requests(mark, user=USER)
    writes = [item for item in requests if item.is_write and item.namespace == many.namespace]
    first = min(item.time for item in writes)
    begun = min(item.time for item in requests if item.time > started)
    print(
        f"\nserved {(first - begun).total_seconds():.2f} s after the first request, "
        f"{(first - started).total_seconds():.2f} s after the process was started"
    )
    assert {item.name for item in writes if "newcomer" not in item.name} == set()
    assert (first - begun).total_seconds() < SERVED_WITHIN


def test_a_signal_ends_the_controller_soon(installed: ControlPlane, folder: Path) -> None:
    with controllers.controller(installed, folder) as process:
        asked = time.monotonic()
        os.kill(process.pid, signal.SIGTERM)
        eventually(lambda: not process.running(), "the process has ended")
        assert time.monotonic() - asked < ENDED_WITHIN
