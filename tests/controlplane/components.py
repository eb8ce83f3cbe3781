"""The command line of each process. Pure: a folder and ports in, arguments out.

cluster.py writes the files that are named here before it starts the first process.
"""

import random
import socket
from dataclasses import dataclass, fields
from pathlib import Path

from .objects import MANAGED

STAGES = Path(__file__).parent / "stages"
SERVICE_RANGE = "10.96.0.0/12"  # room for the Services of thousands of stacks
FIRST_SERVICE = "10.96.0.1"  # the API server's own
POD_RANGE = "10.128.0.1/9"
CLIENT_RATE = (
    "--kube-api-qps=500",
    "--kube-api-burst=1000",
)  # the default of 20 a second starves 1,000 stacks

UNTRIED = random.SystemRandom().sample(range(20_000, 30_000), 10_000)
"""Ports, in another order in each process."""


@dataclass(frozen=True)
class Ports:
    etcd: int
    etcd_peer: int
    apiserver: int
    controller_manager: int
    scheduler: int
    kwok: int

    @classmethod
    def free(cls) -> "Ports":
        return cls(*(free_port() for _ in fields(cls)))


def free_port() -> int:
    """A port on which nothing listens, from below the range that outgoing connections are given.

    None is given twice: who asked before may not listen yet.
    """
    while True:
        port = UNTRIED.pop()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


def etcd(folder: Path, ports: Ports, *, fsync: bool) -> list[str]:
    client, peer = f"http://127.0.0.1:{ports.etcd}", f"http://127.0.0.1:{ports.etcd_peer}"
    return [
        f"--data-dir={folder}/etcd",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--quota-backend-bytes=8589934592",
        *([] if fsync else ["--unsafe-no-fsync"]),
    ]


def apiserver(folder: Path, ports: Ports) -> list[str]:
    """Without --enable-aggregator-routing a webhook's Service of type ExternalName may point at localhost."""
    return [
        f"--etcd-servers=http://127.0.0.1:{ports.etcd}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={ports.apiserver}",
        "--endpoint-reconciler-type=none",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--authorization-mode=Node,RBAC",
        "--allow-privileged=true",
        f"--tls-cert-file={folder}/apiserver.crt",
        f"--tls-private-key-file={folder}/apiserver.key",
        f"--client-ca-file={folder}/ca.crt",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={folder}/service-accounts.pub",
        f"--service-account-signing-key-file={folder}/service-accounts.key",
        f"--requestheader-client-ca-file={folder}/ca.crt",
        "--requestheader-allowed-names=front-proxy",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={folder}/front-proxy.crt",
        f"--proxy-client-key-file={folder}/front-proxy.key",
        f"--kubelet-client-certificate={folder}/administrator.crt",
        f"--kubelet-client-key={folder}/administrator.key",
        "--kubelet-preferred-address-types=InternalIP",
        f"--audit-policy-file={folder}/audit-policy.yaml",
        f"--audit-log-path={folder}/audit.log",
        "--audit-log-maxsize=100000",  # megabytes; unset, the log is renamed at 100
    ]


def controller_manager(folder: Path, ports: Ports) -> list[str]:
    return [
        *_delegating(folder / "controller-manager.kubeconfig", ports.controller_manager),
        f"--service-account-private-key-file={folder}/service-accounts.key",
        f"--root-ca-file={folder}/ca.crt",
        f"--cluster-signing-cert-file={folder}/ca.crt",
        f"--cluster-signing-key-file={folder}/ca.key",
        "--use-service-account-credentials=true",
        "--controllers=*",
        "--enable-hostpath-provisioner=true",
        "--horizontal-pod-autoscaler-sync-period=2s",
    ]


def scheduler(folder: Path, ports: Ports) -> list[str]:
    return _delegating(folder / "scheduler.kubeconfig", ports.scheduler)


def kwok(kubeconfig: Path, address: str, stages: Path = STAGES) -> list[str]:
    """Without leases the controller-manager takes every node for lost after 50 s."""
    return [
        f"--kubeconfig={kubeconfig}",
        *(f"--config={stages / stage.name}" for stage in sorted(STAGES.glob("*.yaml"))),
        "--manage-all-nodes=false",
        f"--manage-nodes-with-annotation-selector={MANAGED}=fake",
        "--node-lease-duration-seconds=40",
        f"--cidr={POD_RANGE}",
        f"--server-address={address}",
    ]


def _delegating(kubeconfig: Path, port: int) -> list[str]:
    return [
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        "--leader-elect=false",
        *CLIENT_RATE,
    ]
