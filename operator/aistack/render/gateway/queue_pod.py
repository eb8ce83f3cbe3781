"""The queue's pod: services/queueing, which holds requests and asks the front again."""

from aistack.kinds import Manifest
from aistack.render.gateway.neutral import NeutralGateway
from aistack.render.gateway.site import POD, Site
from aistack.render.security import container_security, pod_security
from aistack.units import seconds

USER_ID = 10005
LEAVE_SECONDS = 5
"""How long new requests may still arrive at a pod that ends: its Service has to forget it everywhere."""
LONGEST_STOP = 3600


def queue_pod(gateway: NeutralGateway) -> Manifest:
    """One that ends sends those that wait to another one at once, and waits for the answers under way."""
    return {
        "serviceAccountName": gateway.stack.child("queue"),
        "securityContext": pod_security(USER_ID),
        "terminationGracePeriodSeconds": LEAVE_SECONDS + LONGEST_STOP + 15,
        "containers": [queue(gateway)],
    }


def queue(gateway: NeutralGateway) -> Manifest:
    return {
        "name": "queue",
        "image": gateway.resolved.queue_image,
        "args": queue_arguments(gateway, POD),
        "ports": [
            {"name": "http", "containerPort": 8080, "protocol": "TCP"},
            {"name": "status", "containerPort": 9902, "protocol": "TCP"},
        ],
        "resources": {
            "requests": {"cpu": "50m", "memory": "128Mi"},
            "limits": {"cpu": "1", "memory": "1Gi"},
        },
        "securityContext": container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "lifecycle": {"preStop": {"sleep": {"seconds": LEAVE_SECONDS}}},
        "readinessProbe": {**_probe(), "periodSeconds": 2, "failureThreshold": 2},
        "livenessProbe": {**_probe(), "periodSeconds": 10, "failureThreshold": 6},
    }


def queue_arguments(gateway: NeutralGateway, site: Site) -> list[str]:
    """Empty without a queue. A change rolls the pods, and nobody loses the place."""
    if gateway.queue is None:
        return []
    queue, redis, front = gateway.queue, site.redis_address(gateway.stack), site.front_address(gateway.stack)
    options = {
        "--redis": f"{redis.host}:{redis.port}",
        "--front": f"http://{front.host}:{front.port}",
        "--depth": queue.max_depth,
        "--least": max(1, queue.workers.min),
        "--most": queue.workers.max,
        "--longest-wait": f"{seconds(queue.max_wait):g}",
        "--drain-seconds": LONGEST_STOP,
    }
    return [f"{name}={value}" for name, value in options.items()]


def _probe() -> Manifest:
    return {"httpGet": {"path": "/ready", "port": "status"}, "timeoutSeconds": 5}
