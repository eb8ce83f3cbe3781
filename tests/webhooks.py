"""`aistack webhook` as a process of its own, and the API server that asks it."""

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aistack.admission.review import operator_users
from tests.controllers import GROUPS, NAMESPACE, eventually
from tests.controlplane import ControlPlane, local_service
from tests.controlplane.components import free_port
from tests.controlplane.process import Process, kill, launch
from tests.registration import SERVICE, probed, webhook_configuration, withdraw

ARGV = [sys.executable, "-m", "aistack", "webhook", "--log-format=json"]


@dataclass(frozen=True)
class Replica:
    """The process, and where it listens for reviews."""

    process: Process
    port: int

    def get(self, path: str) -> tuple[int, str]:
        """Code and text from the port for metrics and probes; 0 when nobody listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.process.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def is_ready(self) -> bool:
        return self.get("/readyz")[0] == 200


def environment(cluster: ControlPlane, folder: Path) -> dict[str, str]:
    """Its settings, with a certificate of its own and the rights that it has in a cluster."""
    certificate, key = cluster.authority.service(SERVICE, NAMESPACE).write(folder, "tls")
    return {
        "KUBECONFIG": str(cluster.kubeconfig_for(operator_users(NAMESPACE)[1], GROUPS)),
        "AISTACK_NAMESPACE": NAMESPACE,
        "AISTACK_METRICS_PORT": str(free_port()),
        "AISTACK_WEBHOOK_PORT": str(free_port()),
        "AISTACK_WEBHOOK_CERTIFICATE": str(certificate),
        "AISTACK_WEBHOOK_KEY": str(key),
        "AISTACK_DECISIONS": str(folder / "decisions.jsonl"),
    }


def start(cluster: ControlPlane, folder: Path, name: str = "webhook", **settings: str) -> Replica:
    """Starts one; it need not be ready when this returns."""
    said = {**environment(cluster, folder), **settings}
    port = int(said["AISTACK_METRICS_PORT"])
    return Replica(launch(name, ARGV, folder / f"{name}.log", port, said), int(said["AISTACK_WEBHOOK_PORT"]))


@contextmanager
def webhook(cluster: ControlPlane, folder: Path, **settings: str) -> Iterator[Replica]:
    """One that is ready."""
    replica = start(cluster, folder, **settings)
    try:
        eventually(replica.is_ready, "the webhook is ready", replica.process)
        yield replica
    finally:
        kill(replica.process)


@contextmanager
def asked_at(cluster: ControlPlane, port: int) -> Iterator[None]:
    """Has the API server ask whoever listens at this port."""
    for obj in (
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        local_service(SERVICE, NAMESPACE),
        webhook_configuration(NAMESPACE, cluster.authority.pair.certificate, port),
    ):
        cluster.kubectl("apply", "--server-side", "--filename=-", input=json.dumps(obj))
    try:
        yield
    finally:
        withdraw(cluster)


def is_asked(cluster: ControlPlane) -> bool:
    """Whether the API server asks by now."""
    return "spec.models[llama].selfHosted" in probed(cluster)
