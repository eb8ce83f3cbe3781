"""What the gateway's two parts, the front and the adapter, have in common."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from aistack.kinds import Manifest
from aistack.render.autoscaling import autoscaler
from aistack.render.metadata import labels, metadata, selector
from aistack.resolved import Replicas, StackRef

NOTHING: Mapping[str, str] = {}
NO_PORTS: Mapping[str, int] = {}
CONFIG_ANNOTATION = "aistack.dev/config"
"""On a pod template: the version of what its containers read at their start only, so that a changed one rolls
the pods."""


@dataclass(frozen=True, slots=True)
class Part:
    """`gateway`, `adapter`, `ratelimit`, `redis`, `queue` or `cache`: a Deployment behind a Service."""

    stack: StackRef
    name: str
    replicas: Replicas

    @property
    def object_name(self) -> str:
        return self.stack.child(self.name)

    @property
    def metadata(self) -> Manifest:
        return metadata(self.stack, self.name, self.name, self.object_name)

    @property
    def selector(self) -> dict[str, str]:
        return selector(self.stack, self.name, self.name)


def workload(
    part: Part,
    port: int,
    pod: Manifest,
    *,
    port_name: str = "http",
    files: Mapping[str, str] = NOTHING,
    annotations: Mapping[str, str] = NOTHING,
    pod_labels: Mapping[str, str] = NOTHING,
    more_ports: Mapping[str, int] = NO_PORTS,
) -> Iterator[Manifest]:
    """All objects of a part but its NetworkPolicy. `port` is the Service's, `port_name` is the pod's, too;
    `more_ports` are by their names.
    A change of `annotations` or `pod_labels`, which are the pods', rolls them.
    """
    yield service_account(part)
    if files:
        yield config_map(part, {**files, "version": digest(files)})
    yield service(part, {port_name: port, **more_ports})
    yield deployment(part, annotations, pod_labels, pod)
    yield disruption_budget(part)
    if part.replicas.autoscaled:
        yield horizontal_autoscaler(part)


def digest(files: Mapping[str, str]) -> str:
    """The version of a configuration; the front's loader reports the one that is live."""
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:16]


def service_account(part: Part) -> Manifest:
    """An identity of its own, with no right and no token."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": part.metadata,
        "automountServiceAccountToken": False,
    }


def config_map(part: Part, files: Mapping[str, str]) -> Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": part.metadata, "data": dict(files)}


def service(part: Part, ports: Mapping[str, int]) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": part.metadata,
        "spec": {
            "selector": part.selector,
            "ports": [
                {"name": name, "port": port, "targetPort": name, "protocol": "TCP"}
                for name, port in ports.items()
            ],
        },
    }


def deployment(
    part: Part, annotations: Mapping[str, str], pod_labels: Mapping[str, str], pod: Manifest
) -> Manifest:
    replicas = {} if part.replicas.autoscaled else {"replicas": part.replicas.min}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": part.metadata,
        "spec": {
            **replicas,
            "revisionHistoryLimit": 3,
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
            },
            "selector": {"matchLabels": part.selector},
            "template": {
                "metadata": {
                    "labels": {**labels(part.stack, part.name, part.name), **pod_labels},
                    **({"annotations": dict(annotations)} if annotations else {}),
                },
                "spec": {
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "topologySpreadConstraints": [
                        _spread(part, "kubernetes.io/hostname"),
                        _spread(part, "topology.kubernetes.io/zone"),
                    ],
                    **pod,
                },
            },
        },
    }


def disruption_budget(part: Part) -> Manifest:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": part.metadata,
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": part.selector}},
    }


def horizontal_autoscaler(part: Part) -> Manifest:
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}
    return autoscaler(
        part.metadata,
        part.replicas,
        [{"type": "Resource", "resource": cpu}],
        scale_down={"stabilizationWindowSeconds": 300},
    )


def _spread(part: Part, topology: str) -> Manifest:
    return {
        "maxSkew": 1,
        "topologyKey": topology,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": part.selector},
    }
