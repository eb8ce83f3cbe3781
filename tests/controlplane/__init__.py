"""A real Kubernetes control plane for the tests, the demonstration and the benchmarks.

Built from Go modules, so that it needs no container registry: etcd, kube-apiserver,
kube-controller-manager, kube-scheduler, and kwok, which plays two accelerator nodes.

    python -m tests.controlplane up          for a terminal; --help says the rest
    with control_plane() as cluster: ...     for a program
    def test_it(cluster, namespace): ...     for a test
"""

from .audit import AuditLog, Request
from .certificates import Authority, Pair
from .cluster import ControlPlane, control_plane
from .errors import CommandFailed, ControlPlaneError, RequestFailed
from .objects import local_service

__all__ = [
    "AuditLog",
    "Authority",
    "CommandFailed",
    "ControlPlane",
    "ControlPlaneError",
    "Pair",
    "Request",
    "RequestFailed",
    "control_plane",
    "local_service",
]
