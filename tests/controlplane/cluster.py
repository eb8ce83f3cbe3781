"""A running control plane, and how it is started and ended.

Pods on the accelerator nodes go Ready without containers. What a test needs otherwise:

- an image of a registry under `.invalid` is never pulled: the pod stays Pending with ImagePullBackOff;
- a pod that is Running keeps whatever status a test writes with `set_pod_status` (CrashLoopBackOff,
  OOMKilled, not Ready): kwok acts on Pending pods, pods of Jobs and deletions only;
- a Pending pod with the annotation `aistack.dev/hold` is left alone, with what a test writes;
- a pod that asks for more than a node has stays unscheduled, with the scheduler's own words.
"""

import json
import os
import re
import shutil
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import binaries, components, objects
from .audit import AuditLog
from .certificates import Authority, public_key, write_private
from .client import Client
from .errors import CommandFailed, RequestFailed, StartFailed
from .process import Process, end, launch, note, noted
from .progress import say

READY_WITHIN = 60.0  # seconds; 4 are usual
PROCESSES = "processes.json"
PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "kwok")


@dataclass
class ControlPlane:
    """etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok, all on this machine.

    `folder` holds everything: kubeconfig, certificates, data and one `<program>.log` each.
    """

    folder: Path
    programs: Mapping[str, Path]
    processes: list[Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.kubeconfig = self.folder / "kubeconfig"
        self.authority = Authority.read(self.folder, "ca")
        self.audit = AuditLog(self.folder / "audit.log")
        self.client = connect(self.folder)
        self.server = self.client.server

    def client_ssl_context(self) -> ssl.SSLContext:
        """Trusts the API server and presents the administrator's certificate."""
        return _ssl_context(self.folder)

    def kubectl(self, *args: str, input: str | None = None, check: bool = True) -> str:  # noqa: A002 - subprocess's word
        """What kubectl wrote. CommandFailed when it fails, or with check=False its complaint as well."""
        environment = {**os.environ, "KUBECACHEDIR": str(self.folder / "kubectl-cache")}
        argv = [str(self.programs["kubectl"]), f"--kubeconfig={self.kubeconfig}", *args]
        done = subprocess.run(
            argv, input=input, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        if check and done.returncode != 0:
            raise CommandFailed(f"kubectl {' '.join(args)}: {done.stderr.strip()}")
        return done.stdout if check else done.stdout + done.stderr

    def kubeconfig_for(self, user: str, groups: tuple[str, ...] = ()) -> Path:
        """A kubeconfig with which the API server sees this user, in these groups and system:authenticated."""
        path = self.folder / f"{re.sub('[^a-z0-9.-]', '-', user)}.kubeconfig"
        _write_kubeconfig(path, self.server, self.authority, user, groups)
        return path

    def set_pod_status(self, namespace: str, name: str, status: dict[str, Any]) -> None:
        """Merges into a pod's status, as its node would; lists are replaced whole."""
        path = f"/api/v1/namespaces/{namespace}/pods/{name}/status"
        self.client.request("PATCH", path, {"status": status}, "application/merge-patch+json")

    def run(self, program: str, argv: list[str], port: int) -> None:
        """Starts one of `programs`; `stop` ends it."""
        log = self.folder / f"{program}.log"
        self.processes.append(launch(program, [str(self.programs[program]), *argv], log, port))
        note(self.folder / PROCESSES, self.processes)

    def check(self) -> None:
        """StartFailed, with the last lines of its log, when a process has ended by itself."""
        for process in self.processes:
            if not process.running():
                raise StartFailed(f"{process.name} has ended; the end of {process.log}:\n{process.tail()}")

    def wait(self, what: str, ready: Callable[[], bool]) -> None:
        """Asks until it is so. StartFailed when a process ends meanwhile, or after READY_WITHIN seconds."""
        deadline = time.monotonic() + READY_WITHIN
        while not _answers(ready):
            self.check()
            if time.monotonic() > deadline:
                tails = "\n".join(f"the end of {each.log}:\n{each.tail()}" for each in self.processes)
                raise StartFailed(f"after {READY_WITHIN:.0f} s it is still not so that {what}\n{tails}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Ends its processes and removes the folders of its volumes."""
        stop(self.folder, self.processes)


def start(folder: Path, *, nodes: int = 2, pods: int = 1000, fsync: bool = False) -> ControlPlane:
    """Starts a control plane whose files are in `folder`; returns when its nodes are Ready.

    `pods` is the capacity of each node; with `fsync` etcd is as slow as a real one, for benchmarks.
    When anything goes wrong, what was started is ended again, and the logs stay.
    """
    ports = components.Ports.free()
    programs = binaries.provide(*PROGRAMS)
    _prepare(folder, f"https://127.0.0.1:{ports.apiserver}")
    cluster = ControlPlane(folder, programs)
    try:
        cluster.run("etcd", components.etcd(folder, ports, fsync=fsync), ports.etcd)
        cluster.run("kube-apiserver", components.apiserver(folder, ports), ports.apiserver)
        cluster.wait("the API server is ready", lambda: cluster.client.get("/readyz") == "ok")
        manager = components.controller_manager(folder, ports)
        cluster.run("kube-controller-manager", manager, ports.controller_manager)
        cluster.run("kube-scheduler", components.scheduler(folder, ports), ports.scheduler)
        kwok = components.kwok(folder / "kwok.kubeconfig", f"127.0.0.1:{ports.kwok}")
        cluster.run("kwok", kwok, ports.kwok)
        cluster.client.create("/apis/storage.k8s.io/v1/storageclasses", objects.storage_class())
        for node in objects.accelerator_nodes(nodes, pods):
            cluster.client.create("/api/v1/nodes", node)
        cluster.wait("all nodes are Ready", lambda: _all_schedulable(cluster.client))
    except BaseException:
        cluster.stop()
        raise
    return cluster


def stop(folder: Path, processes: list[Process] | None = None) -> None:
    """Ends what was started in `folder`, by this process or another one, the last first.

    An API server whose etcd is gone retries for a minute, so the order matters.
    """
    volumes = _volume_folders(connect(folder))
    for process in reversed(processes or noted(folder / PROCESSES)):
        end(process)
    (folder / PROCESSES).unlink(missing_ok=True)
    for volume in volumes:
        shutil.rmtree(volume, ignore_errors=True)


@contextmanager
def control_plane(
    *, nodes: int = 2, pods: int = 1000, fsync: bool = False, keep: Callable[[], bool] = lambda: False
) -> Iterator[ControlPlane]:
    """A control plane in a temporary folder.

    The folder is kept when the body fails, or when `keep` says so at the end; its path is shown.
    """
    folder = Path(tempfile.mkdtemp(prefix="aistack-"))
    kept = True
    try:
        cluster = start(folder, nodes=nodes, pods=pods, fsync=fsync)
        try:
            yield cluster
        finally:
            cluster.stop()
        kept = keep()
    finally:
        if kept:
            say(f"the control plane's files and logs are kept in {folder}")
        else:
            shutil.rmtree(folder)


def connect(folder: Path) -> Client:
    """The administrator's connection to the API server whose files are in `folder`."""
    config = json.loads((folder / "kubeconfig").read_text())
    return Client(config["clusters"][0]["cluster"]["server"], _ssl_context(folder))


def _prepare(folder: Path, server: str) -> None:
    """Writes every file that the processes read, and forgets what an earlier run has left."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / "etcd", ignore_errors=True)
    authority = Authority.create()
    authority.pair.write(folder, "ca")
    serving = authority.serving("127.0.0.1", "localhost", "kubernetes.default.svc", components.FIRST_SERVICE)
    serving.write(folder, "apiserver")
    authority.client("administrator", ("system:masters",)).write(folder, "administrator")
    authority.client("front-proxy").write(folder, "front-proxy")
    tokens = Authority.create("service-accounts").pair
    write_private(folder / "service-accounts.key", tokens.key)
    (folder / "service-accounts.pub").write_bytes(public_key(tokens))
    (folder / "audit-policy.yaml").write_text(json.dumps(objects.AUDIT_POLICY))
    write_private(folder / "audit.log", b"")
    for name, user, groups in (
        ("kubeconfig", "administrator", ("system:masters",)),
        ("controller-manager.kubeconfig", "system:kube-controller-manager", ()),
        ("scheduler.kubeconfig", "system:kube-scheduler", ()),
        ("kwok.kubeconfig", "kwok", ("system:masters",)),
    ):
        _write_kubeconfig(folder / name, server, authority, user, groups)


def _write_kubeconfig(
    path: Path, server: str, authority: Authority, user: str, groups: tuple[str, ...]
) -> None:
    config = objects.kubeconfig(server, authority, authority.client(user, groups))
    write_private(path, json.dumps(config).encode())


def _ssl_context(folder: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=folder / "ca.crt")
    context.load_cert_chain(folder / "administrator.crt", folder / "administrator.key")
    return context


def _answers(ready: Callable[[], bool]) -> bool:
    """False as well while the server doesn't answer, or refuses: it does both while it starts."""
    try:
        return ready()
    except (OSError, RequestFailed):
        return False


def _all_schedulable(client: Client) -> bool:
    """Ready, and the controller-manager has taken its not-ready taint away."""
    nodes = client.get("/api/v1/nodes")["items"]
    return not any(node["spec"].get("taints") for node in nodes) and all(
        condition["status"] == "True"
        for node in nodes
        for condition in node["status"]["conditions"]
        if condition["type"] == "Ready"
    )


def _volume_folders(client: Client) -> list[str]:
    """The folders that the host-path provisioner made; its claims are not deleted before the cluster ends."""
    try:
        volumes = client.get("/api/v1/persistentvolumes")["items"]
    except (OSError, RequestFailed):
        return []
    paths = [volume["spec"].get("hostPath", {}).get("path", "") for volume in volumes]
    return [path for path in paths if re.fullmatch("/tmp/hostpath_pv/[0-9a-f-]{36}", path)]  # noqa: S108 - compiled into it
