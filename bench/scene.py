"""What is measured: a controller as a process of its own, and the stacks that it is given."""

import os
import secrets
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from math import nan
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from aistack.kinds import Manifest
from bench.raw import Sent, post, send
from tests import controllers
from tests.controlplane import ControlPlane, Request
from tests.controlplane.process import Process
from tests.stacks import hosted, stack

CPU = "process_cpu_seconds_total"
"""The metric of seconds that one of our own processes has used."""
QUIET_SECONDS = 1.0
"""Without a request for so long, the controller is done: it waits a quarter of a second for more events."""
PATIENCE = 300.0
"""Seconds until a controller that isn't done is taken for stuck."""


@dataclass(frozen=True)
class Scene:
    """A control plane, and a folder for the controller's logs."""

    cluster: ControlPlane
    folder: Path

    @contextmanager
    def controller(self) -> Iterator[Process]:
        """One that leads and has served a first stack: its connections and caches are warm."""
        with controllers.controller(self.cluster, self.folder) as process:
            mark = self.cluster.audit.mark()
            self.send([post(manifest) for manifest in stacks(self.namespace(), 1)])
            self.settled(mark, at_least=1)
            yield process

    def namespace(self) -> str:
        """A new one."""
        name = f"bench-{secrets.token_hex(4)}"
        self.cluster.client.create("/api/v1/namespaces", {"metadata": {"name": name}})
        return name

    def send(self, requests: Sequence[Sent]) -> None:
        """Sends as the administrator, as fast as the API server takes it."""
        send(self.cluster.server, self.cluster.client_ssl_context(), requests)

    def requests(self, since: datetime) -> list[Request]:
        """The controller's, without its watches and its Lease."""
        return [
            request
            for request in self.cluster.audit.requests(since, user=controllers.USER)
            if request.verb != "watch" and request.resource != "leases"
        ]

    def settled(self, since: datetime, at_least: int = 0) -> list[Request]:
        """The controller's requests, when there are so many and no more come.

        AssertionError when they don't come.
        """
        deadline = time.monotonic() + PATIENCE
        before = -1
        while len(found := self.requests(since)) < at_least or len(found) != before:
            assert time.monotonic() < deadline, f"{len(found)} of {at_least} requests in {PATIENCE:.0f} s"
            before = len(found)
            time.sleep(QUIET_SECONDS)
        return found


def stacks(namespace: str, count: int, **fields: Any) -> list[Manifest]:
    """So many AIStacks of one model that needs no accelerator; `fields` go into `selfHosted`."""
    model = hosted(accelerator={"class": "cpu"}, **fields)
    made = [stack(f"s{number}", namespace, models=[model]) for number in range(count)]
    return [{**each, "metadata": {"name": each["metadata"]["name"], "namespace": namespace}} for each in made]


def span(requests: Sequence[Request]) -> float:
    """Seconds from the arrival of the first request to the answer to the last, on the API server's clock."""
    first = min(request.time for request in requests)
    return max((request.time - first).total_seconds() + request.seconds for request in requests)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a controller has used: seconds of CPU, and the most memory in MB. NaN where it isn't Linux."""

    cpu: float
    memory: float


def usage(process: Process) -> Usage:
    return Usage(metric(process, CPU), _peak_memory(process.pid))


def memory_goal(count: int) -> float:
    """The most that a controller of so many stacks should use, in MB."""
    return 150 + 25 * count / 1000


def metric(process: Process, name: str) -> float:
    """The sum of one metric's samples at /metrics; NaN when there are none."""
    with urllib.request.urlopen(f"http://127.0.0.1:{process.port}/metrics", timeout=10) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    values = [sample.value for family in families for sample in family.samples if sample.name == name]
    return sum(values) if values else nan


def cpu_seconds(pid: int) -> float:
    """Seconds that a process has used; NaN where it isn't Linux."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return nan
    user, system = stat.read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _peak_memory(pid: int) -> float:
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), nan)
