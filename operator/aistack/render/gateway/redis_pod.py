"""The pods that keep something in memory for all replicas: counters of limits, or answers to give again."""

from dataclasses import dataclass

from aistack.kinds import Manifest
from aistack.render.gateway.neutral import NeutralGateway
from aistack.render.security import container_security, pod_security

USER_ID = 10004


@dataclass(frozen=True, slots=True)
class Memory:
    """What a Redis keeps. Each use has one of its own: a full cache must not push counters out."""

    part: str
    mebibytes: int
    eviction: str
    """What goes when the memory is full: https://valkey.io/topics/lru-cache."""
    request: str
    limit: str
    """Of the container's memory."""


COUNTERS = Memory("redis", 64, "volatile-ttl", request="96Mi", limit="128Mi")
ANSWERS = Memory("cache", 256, "allkeys-lru", request="320Mi", limit="384Mi")


def redis_pod(gateway: NeutralGateway, memory: Memory) -> Manifest:
    return {
        "serviceAccountName": gateway.stack.child(memory.part),
        "securityContext": pod_security(USER_ID),
        "containers": [redis(gateway, memory)],
    }


def redis(gateway: NeutralGateway, memory: Memory) -> Manifest:
    """It writes nothing down: minutes pass, money is metered too, and a lost answer is made again."""
    image = gateway.resolved.cache_image if memory is ANSWERS else gateway.resolved.redis_image
    listens = {"tcpSocket": {"port": "redis"}, "timeoutSeconds": 2}
    return {
        "name": "redis",
        "image": image,
        "command": ["valkey-server" if image == gateway.resolved.redis_image else "redis-server"],
        "args": redis_arguments(memory),
        "ports": [{"name": "redis", "containerPort": 6379, "protocol": "TCP"}],
        "resources": {
            "requests": {"cpu": "50m", "memory": memory.request},
            "limits": {"cpu": "500m", "memory": memory.limit},
        },
        "securityContext": container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "readinessProbe": {**listens, "periodSeconds": 5, "failureThreshold": 2},
        "livenessProbe": {**listens, "periodSeconds": 10, "failureThreshold": 6},
    }


def redis_arguments(memory: Memory) -> list[str]:
    """Without a password: the NetworkPolicy lets nobody but the part that it is for in."""
    options = {
        "--save": "",
        "--appendonly": "no",
        "--protected-mode": "no",
        "--maxmemory": f"{memory.mebibytes}mb",
        "--maxmemory-policy": memory.eviction,
    }
    return [word for option in options.items() for word in option]
