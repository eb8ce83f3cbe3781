"""A real node for a control plane of this machine: how it starts, takes images, and ends."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.controlplane import ControlPlane, binaries
from tests.controlplane.errors import CommandFailed, RequestFailed, StartFailed
from tests.controlplane.objects import kubeconfig as kubeconfig_of
from tests.controlplane.process import Process, as_shown, end, launch, note, noted
from tests.e2e import files, shrink
from tests.e2e.internet import NAMES
from tests.e2e.network import Network, abandoned, create, free_network, remove
from tests.e2e.store import authority

NAME = "node"
PROGRAMS = ("containerd", "containerd-shim-runc-v2", "ctr", "kubelet", "kube-proxy")
READY_WITHIN = 60.0  # seconds; 4 are usual
ACCELERATORS = {"nvidia.com/gpu": "4"}
"""Advertised without a device: pods that ask for one are scheduled as they stand."""
LABELS = {"aistack.dev/accelerator": "nvidia-l4", "topology.kubernetes.io/zone": "here"}
HERE = Path(__file__).parent
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Node:
    """`folder` holds its logs and what its programs read; it is the control plane's own folder's `node`."""

    folder: Path
    network: Network

    @classmethod
    def read(cls, folder: Path) -> "Node":
        """The node that `start` started in this folder. StartFailed when there is none."""
        path = folder / "node.json"
        if not path.exists():
            raise StartFailed(f"no node is up in {folder}; start one: python -m tests.e2e up")
        return cls(folder, Network(json.loads(path.read_text())["network"]["number"]))

    @property
    def processes(self) -> list[Process]:
        return noted(self.folder / "processes.json")

    def run(self, *argv: str, input: bytes | None = None) -> str:  # noqa: A002 - subprocess's word
        """A command in the node's namespaces. CommandFailed with its words."""
        first = next(process.pid for process in self.processes if process.name == "node")
        entering = ["nsenter", f"--target={first}", "--mount", "--net", "--pid", "--uts", "--"]
        done = subprocess.run([*entering, *argv], input=input, capture_output=True, check=False)
        if done.returncode != 0:
            raise CommandFailed(f"{' '.join(argv[:4])}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode(errors="replace")

    def ctr(self, *arguments: str) -> str:
        program = binaries.provide("ctr")["ctr"]
        return self.run(str(program), "--namespace=k8s.io", *arguments)

    def kill(self, pod: str, command: str) -> None:
        """Kills, as a fault would, those of a pod's processes whose command line holds these words.

        `pod` is its uid. CommandFailed when there is no such process.
        """
        victims = [pid for pid in _processes_of(pod) if command in _command(pid)]
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        if not victims:
            raise CommandFailed(f"the pod {pod} runs no process with {command!r} in its command line")


def start(cluster: ControlPlane) -> Node:
    """Starts the node's processes; `join` brings it into the cluster once the images are there.

    What an earlier start that was killed has left is removed first, whichever folder was its own.
    """
    folder = cluster.folder / NAME
    stop(folder)
    for network in abandoned():
        remove(network)
    folder.mkdir(exist_ok=True)
    node = Node(folder, free_network())
    _write(node, cluster)
    try:
        create(node.network)
        note(folder / "processes.json", running := [_init(node)])
        _wait(node, "containerd answers", lambda: bool(node.ctr("version")))
        for process in _outside(node, cluster):
            note(folder / "processes.json", running := [*running, process])
    except BaseException:
        stop(folder)
        raise
    return node


def join(node: Node, cluster: ControlPlane) -> None:
    """Makes it part of the cluster, with DNS; returns when both are ready."""
    cluster.client.create(
        "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", _api_server(node, cluster)
    )
    cluster.kubectl("apply", "--server-side", "--filename=-", input=coredns(node.network))
    shrinking = {"apiVersion": "v1", "kind": "List", "items": shrink.policy()}
    cluster.kubectl("apply", "--server-side", "--filename=-", input=json.dumps(shrinking))
    _wait(node, "the node is Ready", lambda: _is_ready(cluster))
    status = json.dumps({"status": {"capacity": ACCELERATORS}})
    cluster.kubectl("patch", "node", NAME, "--subresource=status", f"--patch={status}")
    rollout = ("rollout", "status", "deployment/coredns", "--namespace=kube-system", "--timeout=60s")
    cluster.kubectl(*rollout)


def stop(folder: Path) -> None:
    """Ends the node; its first process takes every container with it. Does nothing where none is."""
    for process in reversed(noted(folder / "processes.json")):
        end(process)
    (folder / "processes.json").unlink(missing_ok=True)
    if (folder / "node.json").exists():
        remove(Node.read(folder).network)
        (folder / "node.json").unlink()


def coredns(network: Network) -> str:
    """The cluster's DNS, and beyond it the few names that `internet.py` answers for."""
    text = (HERE / "coredns.yaml").read_text()
    return text.replace("KNOWN_NAMES", " ".join(NAMES)).replace("THEIR_ADDRESS", network.internet)


def _processes_of(pod: str) -> Iterator[int]:
    """As this machine counts them: the kubelet names a pod's cgroup after its uid."""
    for path in Path("/proc").glob("[0-9]*/cgroup"):
        with suppress(OSError):  # it has ended since
            if pod in path.read_text():
                yield int(path.parent.name)


def _command(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def _write(node: Node, cluster: ControlPlane) -> None:
    folder, network = node.folder, node.network
    programs = binaries.provide(*PROGRAMS)
    images = binaries.cache_folder() / "containerd"
    images.mkdir(parents=True, exist_ok=True)
    _write_kubeconfig(folder / "kubelet.kubeconfig", node, cluster, f"system:node:{NAME}", "system:nodes")
    _write_kubeconfig(folder / "proxy.kubeconfig", node, cluster, "system:kube-proxy")
    (folder / "cni").mkdir(exist_ok=True)
    (folder / "cni/10-pods.conflist").write_text(files.cni(network, folder))
    (folder / "resolv.conf").write_text("")
    (folder / "containerd.toml").write_text(files.containerd(images, folder))
    (folder / "kubelet.json").write_text(files.kubelet(network, folder, cluster.folder / "ca.crt"))
    proxy = files.kube_proxy(network, folder / "proxy.kubeconfig", NAME)
    (folder / "kube-proxy.json").write_text(proxy)
    kubelet = [
        f"{programs['kubelet']}",
        f"--kubeconfig={folder}/kubelet.kubeconfig",
        f"--config={folder}/kubelet.json",
        f"--hostname-override={NAME}",
        f"--node-ip={network.node}",
        f"--node-labels={','.join(f'{key}={value}' for key, value in LABELS.items())}",
    ]
    started: dict[str, Any] = {
        "name": NAME,
        "network": asdict(network),
        "images": str(images),
        "path": f"{programs['containerd'].parent}:{PATH}",
        "programs": {
            "containerd": [str(programs["containerd"]), f"--config={folder}/containerd.toml"],
            "kubelet": kubelet,
            "kube-proxy": [str(programs["kube-proxy"]), f"--config={folder}/kube-proxy.json"],
        },
    }
    (folder / "node.json").write_text(json.dumps(started, indent=2))


def _write_kubeconfig(path: Path, node: Node, cluster: ControlPlane, user: str, *groups: str) -> None:
    """As the API server is reached from the node: forwarded, under a name that its certificate has."""
    client = cluster.authority.client(user, groups)
    server = f"https://{node.network.outside}:{_port(cluster)}"
    config = kubeconfig_of(server, cluster.authority, client)
    config["clusters"][0]["cluster"]["tls-server-name"] = "localhost"
    path.touch(mode=0o600)
    path.write_text(json.dumps(config))


def _port(cluster: ControlPlane) -> int:
    return int(cluster.server.rpartition(":")[2])


def _init(node: Node) -> Process:
    """The node's first process as this machine sees it: unshare's only child."""
    python = [sys.executable, "-m", "tests.e2e.init", str(node.folder)]
    entering = ["nsenter", f"--net={node.network.namespace}", "unshare", "--mount", "--pid", "--uts"]
    argv = [*entering, "--fork", "--mount-proc", "--kill-child=SIGKILL", *python]
    outer = launch("unshare", argv, node.folder / "init.log", 0)
    children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
    deadline = time.monotonic() + READY_WITHIN
    while outer.running() and time.monotonic() < deadline:
        for pid in children.read_text().split():
            if Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0] == os.fsencode(sys.executable):
                return as_shown(Process("node", int(pid), 0, "", node.folder / "init.log"))
        time.sleep(0.02)
    raise StartFailed(f"the node's first process did not start:\n{outer.tail()}")


def _outside(node: Node, cluster: ControlPlane) -> Iterator[Process]:
    """What serves the node from outside of its namespaces."""
    address = node.network.outside
    certificate, key = authority().serving(*NAMES).write(node.folder, "internet")
    yield _python(node, "forward", address, _port(cluster))
    yield _python(node, "internet", node.network.internet, certificate, key)
    yield _python(node, "agent", cluster.kubeconfig, node.network.namespace)


def _python(node: Node, module: str, *arguments: object) -> Process:
    argv = [sys.executable, "-m", f"tests.e2e.{module}", *map(str, arguments)]
    return as_shown(launch(module, argv, node.folder / f"{module}.log", 0))


def _api_server(node: Node, cluster: ControlPlane) -> dict[str, Any]:
    """Where the Service `kubernetes` leads to: the API server itself knows its address outside only."""
    return {
        "metadata": {
            "name": "kubernetes",
            "labels": {"kubernetes.io/service-name": "kubernetes"},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [node.network.outside], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": _port(cluster), "protocol": "TCP"}],
    }


def _is_ready(cluster: ControlPlane) -> bool:
    conditions = cluster.client.get(f"/api/v1/nodes/{NAME}")["status"]["conditions"]
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _wait(node: Node, what: str, ready: Callable[[], bool]) -> None:
    """StartFailed, with the logs' last lines, when it is not so in time or a process has ended."""
    deadline = time.monotonic() + READY_WITHIN
    while not _answers(ready):
        ended = [process for process in node.processes if not process.running()]
        if ended or time.monotonic() > deadline:
            logs = [path for path in sorted(node.folder.glob("*.log")) if path.stat().st_size]
            tails = "\n".join(f"the end of {path}:\n{_tail(path)}" for path in logs)
            raise StartFailed(f"it is still not so that {what}\n{tails}")
        time.sleep(0.2)


def _answers(ready: Callable[[], bool]) -> bool:
    try:
        return ready()
    except (OSError, CommandFailed, RequestFailed):
        return False


def _tail(path: Path) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-10:])
