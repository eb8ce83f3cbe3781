"""The front's pod: Envoy, and the loader that hands it its files.

Envoy is a sidecar (an init container that goes on running), because a sidecar ends last: at its end the pod
stops the loader first, which lets Envoy finish what is under way, and only then stops Envoy.
"""

from collections.abc import Iterator

from aistack.api.base import KeyRef
from aistack.kinds import Manifest
from aistack.labels import ENVOY
from aistack.render.gateway.clusters import provider_name
from aistack.render.gateway.logsink import FLUSH_SECONDS, SEND_SECONDS, sink_name
from aistack.render.gateway.neutral import NeutralGateway
from aistack.render.gateway.provider import key_of
from aistack.render.gateway.site import POD, Site
from aistack.render.security import container_security, pod_security

USER_ID = 10001
KEYS = "/etc/aistack/keys"
INNER_PORT = {"name": "inner", "containerPort": POD.inner.port, "protocol": "TCP"}
"""By its name the Service finds only pods that listen there."""
WORKERS = 2
"""Envoy's threads; without a number it starts one for each of the node's processors."""
LEAVE_SECONDS = 10
"""How long new requests may still arrive at a pod that ends: its Service has to forget it everywhere."""
DRAIN_SECONDS = 3600
"""How long requests may take to end, in a pod that ends or on routes that were replaced. A pod waits no
longer than its last request takes, all attempts together, so no route's timeout is a reason to roll it.
"""
ENVOY_HEARS_AFTER_SECONDS, LOADER_HEARS_AFTER_SECONDS = 5, 2
"""The first process of a container loses a signal to stop in its first moments: a pod that is deleted while
it starts would wait for its whole grace."""


def front_pod(gateway: NeutralGateway) -> Manifest:
    volumes: list[Manifest] = [
        {"name": "config", "configMap": {"name": gateway.resolved.object_name}},
        {"name": "live", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
    ]
    sources = list(_key_sources(gateway))
    if sources:
        volumes.append({"name": "keys", "projected": {"defaultMode": 0o440, "sources": sources}})
    return {
        "serviceAccountName": gateway.resolved.object_name,
        "securityContext": pod_security(USER_ID),
        "terminationGracePeriodSeconds": DRAIN_SECONDS + 15,
        "initContainers": [
            _loader(gateway, "prepare", ["prepare"], with_keys=bool(sources)),
            envoy(gateway),
        ],
        "containers": [loader(gateway, with_keys=bool(sources))],
        "volumes": volumes,
    }


def envoy(gateway: NeutralGateway) -> Manifest:
    return {
        "name": ENVOY,
        "image": gateway.resolved.envoy_image,
        "restartPolicy": "Always",
        "command": ["envoy"],
        "args": envoy_arguments(gateway, POD),
        "env": [{"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "ports": [
            {"name": "http", "containerPort": POD.listen.port, "protocol": "TCP"},
            {"name": "probe", "containerPort": POD.probe.port, "protocol": "TCP"},
            *([INNER_PORT] if gateway.asked_again else []),
        ],
        "resources": {
            "requests": {"cpu": "250m", "memory": "128Mi"},
            "limits": {"cpu": str(WORKERS), "memory": "1Gi"},
        },
        "securityContext": container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "lifecycle": {"preStop": {"sleep": {"seconds": ENVOY_HEARS_AFTER_SECONDS}}},
        "startupProbe": {**_probe("probe", "/"), "periodSeconds": 1, "failureThreshold": 60},
        "livenessProbe": {**_probe("probe", "/"), "periodSeconds": 10, "failureThreshold": 3},
        "volumeMounts": [
            {"name": "config", "mountPath": POD.config, "readOnly": True},
            {"name": "live", "mountPath": POD.live},
        ],
    }


def envoy_arguments(gateway: NeutralGateway, site: Site) -> list[str]:
    """Envoy takes an option and its value as two words only."""
    options = {
        "--config-path": f"{site.config}/bootstrap.json",
        "--service-cluster": gateway.resolved.object_name,
        "--service-node": "$(POD_NAME)",
        "--concurrency": str(WORKERS),
        "--log-level": "warning",
        "--file-flush-interval-msec": "1000",  # of the access log
    }
    return [*(word for option in options.items() for word in option), "--disable-hot-restart"]


def loader(gateway: NeutralGateway, with_keys: bool) -> Manifest:
    """Ready once Envoy has confirmed the mounted configuration."""
    arguments = ["run", f"--leave-seconds={LEAVE_SECONDS}", f"--drain-seconds={DRAIN_SECONDS}"]
    if gateway.resolved.spec.logging.sink:
        arguments.append(f"--log-seconds={FLUSH_SECONDS + SEND_SECONDS}")
    return {
        **_loader(gateway, "loader", arguments, with_keys),
        "ports": [{"name": "loader", "containerPort": 9902, "protocol": "TCP"}],
        "lifecycle": {"preStop": {"sleep": {"seconds": LOADER_HEARS_AFTER_SECONDS}}},
        "readinessProbe": {**_probe("loader", "/ready"), "periodSeconds": 2, "failureThreshold": 2},
        "livenessProbe": {**_probe("loader", "/live"), "periodSeconds": 10, "failureThreshold": 3},
    }


def _loader(gateway: NeutralGateway, name: str, arguments: list[str], with_keys: bool) -> Manifest:
    mounts: list[Manifest] = [
        {"name": "config", "mountPath": POD.config, "readOnly": True},
        {"name": "live", "mountPath": POD.live},
    ]
    if with_keys:
        mounts.append({"name": "keys", "mountPath": KEYS, "readOnly": True})
    return {
        "name": name,
        "image": gateway.resolved.loader_image,
        "args": [*arguments, f"--config={POD.config}", f"--keys={KEYS}", f"--live={POD.live}"],
        "resources": {
            "requests": {"cpu": "20m", "memory": "32Mi"},
            "limits": {"cpu": "200m", "memory": "96Mi"},
        },
        "securityContext": container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": mounts,
    }


def _key_sources(gateway: NeutralGateway) -> Iterator[Manifest]:
    """Each key as a file that says whose it is: the loader finds them there, the operator never sees them."""
    for client in gateway.clients:
        yield _key_file(client.secret_key_ref, f"clients/{client.name}")
    for model in gateway.direct:
        if reference := key_of(model):
            yield _key_file(reference, f"providers/{model.name}/{provider_name(model)}")
    sink = gateway.resolved.spec.logging.sink
    if sink and sink.secret_key_ref:
        yield _key_file(sink.secret_key_ref, f"sink/{sink_name(sink)}")


def _key_file(reference: KeyRef, path: str) -> Manifest:
    return {"secret": {"name": reference.name, "items": [{"key": reference.key, "path": path}]}}


def _probe(port: str, path: str) -> Manifest:
    return {"httpGet": {"path": path, "port": port}, "timeoutSeconds": 2}
