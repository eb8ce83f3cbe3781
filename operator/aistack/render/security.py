"""The security contexts of every workload: Pod Security's `restricted` level and a little more."""

from aistack.kinds import Manifest


def pod_security(uid: int) -> Manifest:
    """A pod that runs as user and group `uid`; its volumes belong to that group."""
    return {
        "runAsNonRoot": True,
        "runAsUser": uid,
        "runAsGroup": uid,
        "fsGroup": uid,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security(read_only_root: bool = True) -> Manifest:
    """A container without privileges; `read_only_root=False` where the image writes beside its volumes."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": read_only_root,
    }
