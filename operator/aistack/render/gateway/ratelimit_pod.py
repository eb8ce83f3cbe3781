"""The pod behind limits over all replicas: the rate-limit service."""

from aistack.kinds import Manifest
from aistack.render.gateway.neutral import NeutralGateway
from aistack.render.gateway.shared_limits import CONFIG
from aistack.render.security import container_security, pod_security

USER_ID = 10003
ROOT, FOLDER = "/etc/aistack", "ratelimit"
"""The service reads <root>/<folder>/config."""


def ratelimit_pod(gateway: NeutralGateway) -> Manifest:
    name = gateway.stack.child("ratelimit")
    return {
        "serviceAccountName": name,
        "securityContext": pod_security(USER_ID),
        "containers": [ratelimit(gateway)],
        "volumes": [
            {"name": "config", "configMap": {"name": name, "items": [{"key": CONFIG, "path": CONFIG}]}}
        ],
    }


def ratelimit(gateway: NeutralGateway) -> Manifest:
    variables = ratelimit_variables(redis=f"{gateway.stack.child('redis')}:6379", root=ROOT)
    return {
        "name": "ratelimit",
        "image": gateway.resolved.ratelimit_image,
        "command": ["/bin/ratelimit"],
        "env": [{"name": name, "value": value} for name, value in variables.items()],
        "ports": [
            {"name": "grpc", "containerPort": 8081, "protocol": "TCP"},
            {"name": "health", "containerPort": 8080, "protocol": "TCP"},
        ],
        "resources": {
            "requests": {"cpu": "50m", "memory": "64Mi"},
            "limits": {"cpu": "1", "memory": "256Mi"},
        },
        "securityContext": container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "readinessProbe": {**_health(), "periodSeconds": 5, "failureThreshold": 2},
        "livenessProbe": {**_health(), "periodSeconds": 10, "failureThreshold": 6},
        "volumeMounts": [{"name": "config", "mountPath": f"{ROOT}/{FOLDER}/config", "readOnly": True}],
    }


def ratelimit_variables(redis: str, root: str) -> dict[str, str]:
    """All that the service is told besides its limits. It ends when it finds no Redis at its start."""
    return {
        "REDIS_SOCKET_TYPE": "tcp",
        "REDIS_TYPE": "SINGLE",
        "REDIS_URL": redis,
        "RUNTIME_ROOT": root,
        "RUNTIME_SUBDIRECTORY": FOLDER,
        "RUNTIME_WATCH_ROOT": "false",
        "RUNTIME_IGNOREDOTFILES": "true",
        "USE_STATSD": "false",
        "LOG_FORMAT": "json",
        "LOG_LEVEL": "warn",
    }


def _health() -> Manifest:
    return {"httpGet": {"path": "/healthcheck", "port": "health"}, "timeoutSeconds": 2}
