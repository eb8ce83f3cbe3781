"""HorizontalPodAutoscalers: the number of replicas follows what the pods measure."""

from aistack.kinds import Manifest
from aistack.render.metadata import metadata
from aistack.resolved import Replicas, SelfHostedModel
from aistack.units import seconds

DEFAULT_WAITING_REQUESTS = 5
"""Requests waiting in one replica when no target is declared: what vLLM's users set in KEDA."""


def model_autoscaler(model: SelfHostedModel) -> Manifest:
    """Follows vLLM's own queue and cache; one replica goes at a time, for each takes long to come back.

    The metrics carry the names that prometheus-adapter's rules for vLLM give them: `:` becomes `_`.
    """
    scaling = model.hosted.scaling
    waiting, usage = scaling.targets.waiting_requests, scaling.targets.kv_cache_usage
    if waiting is None and usage is None:
        waiting = DEFAULT_WAITING_REQUESTS
    metrics = []
    if waiting is not None:
        metrics.append(pods_metric("vllm_num_requests_waiting", str(waiting)))
    if usage is not None:
        metrics.append(pods_metric("vllm_kv_cache_usage_perc", f"{round(usage * 1000)}m"))
    return autoscaler(
        metadata(model.stack, "model", model.name, model.object_name),
        model.replicas,
        metrics,
        scale_down={
            "stabilizationWindowSeconds": int(seconds(scaling.scale_down_after)),
            "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
        },
    )


def autoscaler(meta: Manifest, replicas: Replicas, metrics: list[Manifest], scale_down: Manifest) -> Manifest:
    """The owner of the replicas of the Deployment of the same name."""
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": meta,
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": meta["name"]},
            "minReplicas": max(1, replicas.min),
            "maxReplicas": replicas.max,
            "metrics": metrics,
            "behavior": {"scaleDown": scale_down},
        },
    }


def pods_metric(name: str, average: str) -> Manifest:
    """A metric of the custom metrics API, as its mean over the pods."""
    return {
        "type": "Pods",
        "pods": {"metric": {"name": name}, "target": {"type": "AverageValue", "averageValue": average}},
    }
