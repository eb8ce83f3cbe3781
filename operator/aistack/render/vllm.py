"""A self-hosted model: vLLM's Deployment and what stands around it."""

from collections.abc import Iterator

from aistack.api.models import Cache
from aistack.kinds import Manifest
from aistack.render import engine_log
from aistack.render.autoscaling import model_autoscaler
from aistack.render.engine import (
    CACHE,
    HOME,
    SHUTDOWN_SECONDS,
    SOURCE,
    arguments,
    claim_of_source,
    environment,
    resources,
    shared_memory,
    startup_seconds,
)
from aistack.render.metadata import labels, metadata, selector
from aistack.render.security import container_security, pod_security
from aistack.resolved import SelfHostedModel

DRAIN_SECONDS = 15
"""Between a pod leaving its Service and vLLM's signal to stop: by then the gateway has seen it go."""
SEEN_SECONDS = 10
"""Between a pod's first Ready and its being counted: by then the gateway has found it. The cluster's DNS may
keep an answer for 5 s, the gateway asks it every 2 s and checks the pod's health within another 2 s."""
PULL_SECONDS = 600
"""For scheduling a pod and pulling its image, before the startup probe begins to count."""
USER_ID = 2000


def render_model(model: SelfHostedModel) -> Iterator[Manifest]:
    yield service_account(model)
    if model.hosted.cache:
        yield cache_claim(model, model.hosted.cache)
    yield service(model)
    yield deployment(model)
    yield disruption_budget(model)
    if model.replicas.autoscaled:
        yield model_autoscaler(model)


def service_account(model: SelfHostedModel) -> Manifest:
    """An identity of its own, with no right and no token."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": _metadata(model),
        "automountServiceAccountToken": False,
    }


def cache_claim(model: SelfHostedModel, cache: Cache) -> Manifest:
    """Where downloaded weights outlive a pod."""
    storage_class = {"storageClassName": cache.storage_class_name} if cache.storage_class_name else {}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata(model.stack, "model", model.name, _cache_name(model)),
        "spec": {
            "accessModes": [cache.access_mode],
            "resources": {"requests": {"storage": cache.size}},
            **storage_class,
        },
    }


def service(model: SelfHostedModel) -> Manifest:
    """Headless: the gateway sees every ready replica and balances between them itself."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(model),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": False,
            "selector": _selector(model),
            "ports": [{"name": "http", "port": 8000, "targetPort": "http", "protocol": "TCP"}],
        },
    }


def deployment(model: SelfHostedModel) -> Manifest:
    # An autoscaler leaves a Deployment at zero alone: there the number is ours.
    autoscaled = model.replicas.autoscaled and not model.at_zero
    replicas = {} if autoscaled else {"replicas": model.replicas.min}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(model),
        "spec": {
            **replicas,
            "revisionHistoryLimit": 3,
            "minReadySeconds": SEEN_SECONDS,
            "progressDeadlineSeconds": startup_seconds(model) + PULL_SECONDS,
            "strategy": _strategy(model),
            "selector": {"matchLabels": _selector(model)},
            "template": {
                "metadata": {
                    "labels": labels(model.stack, "model", model.name),
                    "annotations": engine_log.annotations(model),
                },
                "spec": _pod(model),
            },
        },
    }


def disruption_budget(model: SelfHostedModel) -> Manifest:
    """A drained node takes one replica at a time; a single replica doesn't hold the drain up."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _metadata(model),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": _selector(model)}},
    }


def _strategy(model: SelfHostedModel) -> Manifest:
    """Surge starts the new replica on spare accelerators; InPlace frees the old one's first."""
    surge = model.hosted.rollout.strategy == "Surge"
    return {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": int(surge), "maxUnavailable": int(not surge)},
    }


def _pod(model: SelfHostedModel) -> Manifest:
    accelerator = model.accelerator
    placement: Manifest = {}
    if accelerator.node_selector:
        placement["nodeSelector"] = dict(accelerator.node_selector)
    if accelerator.tolerations:
        placement["tolerations"] = [toleration.dump() for toleration in accelerator.tolerations]
    if accelerator.runtime_class_name:
        placement["runtimeClassName"] = accelerator.runtime_class_name
    return {
        "serviceAccountName": model.object_name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,  # a Service named vllm would set VLLM_PORT, which vLLM reads
        "securityContext": pod_security(USER_ID),
        "terminationGracePeriodSeconds": DRAIN_SECONDS + SHUTDOWN_SECONDS + 15,
        **placement,
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": _selector(model)},
            }
        ],
        "containers": [_container(model)],
        "volumes": _volumes(model),
    }


def _container(model: SelfHostedModel) -> Manifest:
    mounts: list[Manifest] = [
        {"name": "cache", "mountPath": CACHE},
        {"name": "home", "mountPath": HOME},
        {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108 - the container's, not ours
        engine_log.mount(),
    ]
    if claim_of_source(model):
        mounts.append({"name": "model", "mountPath": SOURCE, "readOnly": True})
    return {
        "name": "vllm",
        "image": model.image,
        "command": ["vllm", "serve"],
        "args": list(arguments(model)),
        "env": environment(model),
        "ports": [{"name": "http", "containerPort": 8000, "protocol": "TCP"}],
        "resources": resources(model),
        "securityContext": container_security(read_only_root=False),  # NVIDIA's CDI hook writes to it
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "lifecycle": {"preStop": {"sleep": {"seconds": DRAIN_SECONDS}}},
        **_probes(model),
        "volumeMounts": mounts,
    }


def _probes(model: SelfHostedModel) -> Manifest:
    """Kernels that compile stall vLLM for a minute: only a long silence is death."""
    health = {"httpGet": {"path": "/health", "port": "http"}, "timeoutSeconds": 5}
    return {
        "startupProbe": {**health, "periodSeconds": 10, "failureThreshold": startup_seconds(model) // 10},
        "readinessProbe": {**health, "periodSeconds": 5, "failureThreshold": 3},
        "livenessProbe": {**health, "periodSeconds": 10, "failureThreshold": 10},
    }


def _volumes(model: SelfHostedModel) -> list[Manifest]:
    cache = {"persistentVolumeClaim": {"claimName": _cache_name(model)}} if model.hosted.cache else None
    volumes: list[Manifest] = [
        {"name": "cache", **(cache or {"emptyDir": {}})},
        {"name": "home", "emptyDir": {}},
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": shared_memory(model)}},
        engine_log.volume(),
    ]
    if claim := claim_of_source(model):
        volumes.append({"name": "model", "persistentVolumeClaim": {"claimName": claim, "readOnly": True}})
    return volumes


def _metadata(model: SelfHostedModel) -> Manifest:
    return metadata(model.stack, "model", model.name, model.object_name)


def _selector(model: SelfHostedModel) -> dict[str, str]:
    return selector(model.stack, "model", model.name)


def _cache_name(model: SelfHostedModel) -> str:
    return f"{model.object_name}-cache"
