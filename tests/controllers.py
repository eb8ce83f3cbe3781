"""The operator's controller as a process of its own, under its own ServiceAccount and rights."""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.controlplane import ControlPlane
from tests.controlplane.components import free_port
from tests.controlplane.definitions import wait_until_served
from tests.controlplane.process import Process, end, launch

ROOT = Path(__file__).parents[1]
NAMESPACE = "aistack-system"
USER = f"system:serviceaccount:{NAMESPACE}:aistack-controller"
GROUPS = ("system:serviceaccounts", f"system:serviceaccounts:{NAMESPACE}")
HTTP_ROUTES = ROOT / "tests/controlplane/gatewayapi/httproutes.yaml"
PATIENCE = 60.0  # seconds


def install(cluster: ControlPlane) -> None:
    """The operator's namespace, ServiceAccounts and rights."""
    for file in ("demo/operator.yaml", "charts/aistack/templates/roles.yaml"):
        cluster.kubectl("apply", "--server-side", f"--filename={ROOT / file}")


@contextmanager
def gateway_api(cluster: ControlPlane) -> Iterator[ControlPlane]:
    """With the Gateway API's own definition of an HTTPRoute, and nobody who acts on one."""
    cluster.kubectl("create", f"--filename={HTTP_ROUTES}")
    wait_until_served(cluster.kubectl, f"--filename={HTTP_ROUTES}")
    try:
        yield cluster
    finally:
        cluster.kubectl("delete", f"--filename={HTTP_ROUTES}")


def start(cluster: ControlPlane, folder: Path, name: str = "controller", **settings: str) -> Process:
    """Starts one; it may not lead yet when this returns, but its caches are in sync."""
    port = free_port()
    environment = {
        "KUBECONFIG": str(cluster.kubeconfig_for(USER, GROUPS)),
        "AISTACK_METRICS_PORT": str(port),
        "AISTACK_IDENTITY": name,
        "AISTACK_LOADER_SECONDS": "1",  # kwok's pods have no loader that could answer
        "AISTACK_METERING_SECONDS": "3600",  # what a stack costs is not counted among its writes
        "AISTACK_LOG_LEVEL": os.environ.get("AISTACK_LOG_LEVEL", "info"),
        **settings,
    }
    argv = [sys.executable, "-m", "aistack", "controller", "--log-format=json"]
    process = launch(name, argv, folder / f"{name}.log", port, environment)
    try:
        eventually(lambda: is_ready(process), f"{name} is ready", process)
    except BaseException:
        end(process)
        raise
    return process


@contextmanager
def controller(
    cluster: ControlPlane, folder: Path, name: str = "controller", **settings: str
) -> Iterator[Process]:
    process = start(cluster, folder, name, **settings)
    try:
        yield process
    finally:
        end(process)


def is_ready(process: Process) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{process.port}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.HTTPError):
        return False


def eventually(
    holds: Callable[[], object], what: str, process: Process | None = None, patience: float = PATIENCE
) -> None:
    """Waits until it holds; AssertionError with what was waited for, and the end of the process's log."""
    deadline = time.monotonic() + patience
    while not holds():
        log = f"\nthe end of {process.log}:\n{process.tail()}" if process else ""
        assert process is None or process.running(), f"{process.name} has ended{log}"
        assert time.monotonic() < deadline, f"after {patience:.0f} s it is still not so that {what}{log}"
        time.sleep(0.05)


class Stacks:
    """The AIStacks of one namespace, and what became of them, as a user sees them."""

    def __init__(self, cluster: ControlPlane, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace

    def apply(self, stack: dict[str, Any]) -> None:
        placed = {**stack, "metadata": {"name": stack["metadata"]["name"], "namespace": self.namespace}}
        self.cluster.kubectl("apply", "--server-side", "--filename=-", input=json.dumps(placed))

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """The object; empty when there is none."""
        text = self.cluster.kubectl(
            "get",
            kind,
            name,
            f"--namespace={self.namespace}",
            "--ignore-not-found",
            "--output=json",
            "--show-managed-fields",
        )
        found: dict[str, Any] = json.loads(text) if text else {}
        return found

    def children(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Every child by (kind, name)."""
        kinds = "sa,cm,pvc,svc,networkpolicy,deployment,pdb,hpa"
        text = self.cluster.kubectl(
            "get", kinds, f"--namespace={self.namespace}", "--selector=aistack.dev/stack", "--output=json"
        )
        return {(item["kind"], item["metadata"]["name"]): item for item in json.loads(text)["items"]}

    def condition(self, name: str, kind: str = "Ready") -> dict[str, Any]:
        """The condition for the stack's newest generation; empty when there is none."""
        stack = self.get("aistack", name)
        status = stack.get("status", {})
        if status.get("observedGeneration") != stack.get("metadata", {}).get("generation"):
            return {}
        return next((item for item in status.get("conditions", ()) if item["type"] == kind), {})

    def wait_ready(self, name: str) -> None:
        eventually(
            lambda: self.condition(name).get("status") == "True", f"{name} is Ready: {self.condition(name)}"
        )

    def wait_reason(self, name: str, reason: str) -> str:
        """The message that comes with the reason."""
        eventually(lambda: self.condition(name).get("reason") == reason, f"{name} is {reason}")
        return str(self.condition(name)["message"])
