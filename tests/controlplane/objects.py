"""The objects that stand in a fresh cluster, and the files that its processes read."""

import base64
from typing import Any

from .certificates import Authority, Pair

MANAGED = "kwok.x-k8s.io/node"  # the annotation of the nodes that kwok plays
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


def accelerator_nodes(count: int, pods: int) -> list[dict[str, Any]]:
    """gpu-0, gpu-1, …, each with room for so many pods."""
    return [_accelerator_node(f"gpu-{number}", pods) for number in range(count)]


def _accelerator_node(name: str, pods: int) -> dict[str, Any]:
    """A node with eight accelerators of class nvidia-l4 that exists in the API only."""
    capacity = {
        "cpu": "64",
        "memory": "512Gi",
        "ephemeral-storage": "2Ti",
        "pods": str(pods),
        "nvidia.com/gpu": "8",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {MANAGED: "fake"},
            "labels": {
                "aistack.dev/accelerator": "nvidia-l4",
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "topology.kubernetes.io/region": "eu-central-1",
                "topology.kubernetes.io/zone": "eu-central-1a",
                "type": "kwok",
            },
        },
        "status": {"capacity": capacity, "allocatable": capacity},
    }


def storage_class() -> dict[str, Any]:
    """The default class; the controller-manager binds its claims to folders under /tmp/hostpath_pv."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": "standard",
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "kubernetes.io/host-path",
    }


def local_service(name: str, namespace: str) -> dict[str, Any]:
    """A Service that leads the API server to this machine, at the port that the webhook names."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"type": "ExternalName", "externalName": "localhost"},
    }


def kubeconfig(server: str, authority: Authority, client: Pair) -> dict[str, Any]:
    """Everything inside, nothing by path: the file may be copied anywhere."""
    cluster = {"server": server, "certificate-authority-data": authority.bundle}
    user = {"client-certificate-data": _text(client.certificate), "client-key-data": _text(client.key)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "aistack", "cluster": cluster}],
        "users": [{"name": "aistack", "user": user}],
        "contexts": [{"name": "aistack", "context": {"cluster": "aistack", "user": "aistack"}}],
        "current-context": "aistack",
    }


def _text(pem: bytes) -> str:
    return base64.b64encode(pem).decode()
