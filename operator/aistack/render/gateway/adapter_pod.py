"""The adapter's pod: LiteLLM, with the providers' keys as environment variables."""

from collections.abc import Iterator

from aistack.kinds import Manifest
from aistack.render.gateway.adapter import key_variable
from aistack.render.gateway.neutral import NeutralGateway
from aistack.render.gateway.provider import key_of
from aistack.render.security import container_security, pod_security

USER_ID = 10002
CONFIG = "/etc/aistack"
SCRATCH = "/tmp"  # noqa: S108 - the container's own, an emptyDir
DRAIN_SECONDS = 10
"""Between a pod leaving its Service and its signal to stop."""
LONGEST_STOP = 3600


def adapter_pod(gateway: NeutralGateway) -> Manifest:
    """LiteLLM finishes what is under way before it ends."""
    longest = min(int(gateway.longest_in_adapter), LONGEST_STOP)
    name = gateway.stack.child("adapter")
    return {
        "serviceAccountName": identity(gateway) or name,
        "securityContext": pod_security(USER_ID),
        "terminationGracePeriodSeconds": DRAIN_SECONDS + longest + 15,
        "containers": [litellm(gateway)],
        "volumes": [
            {"name": "config", "configMap": {"name": name}},
            {"name": "scratch", "emptyDir": {"sizeLimit": "256Mi"}},
        ],
    }


def identity(gateway: NeutralGateway) -> str | None:
    """The ServiceAccount that a model's provider knows; a pod has one, so models that name one share it."""
    names = (
        model.managed.credentials.workload_identity.service_account_name
        for model in gateway.adapted
        if model.managed.credentials and model.managed.credentials.workload_identity
    )
    return next(names, None)


def litellm(gateway: NeutralGateway) -> Manifest:
    return {
        "name": "litellm",
        "image": gateway.resolved.adapter_image,
        "command": ["litellm"],
        "args": [f"--config={CONFIG}/config.yaml", "--host=0.0.0.0", "--port=4000", "--num_workers=1"],
        "env": [
            {"name": "LITELLM_LOCAL_MODEL_COST_MAP", "value": "True"},  # else it asks the internet
            {"name": "LITELLM_MODE", "value": "PRODUCTION"},  # reads no .env file
            {"name": "LITELLM_LOG", "value": "ERROR"},
            {"name": "DISABLE_ADMIN_UI", "value": "True"},
            {"name": "NO_DOCS", "value": "True"},
            # It has no key of its own: the NetworkPolicy lets nobody but the front call it.
            {"name": "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY", "value": "true"},
            {"name": "HOME", "value": SCRATCH},
            *_keys(gateway),
        ],
        "ports": [{"name": "http", "containerPort": 4000, "protocol": "TCP"}],
        "resources": {
            "requests": {"cpu": "500m", "memory": "768Mi"},
            "limits": {"cpu": "2", "memory": "2Gi"},
        },
        "securityContext": container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "lifecycle": {"preStop": {"sleep": {"seconds": DRAIN_SECONDS}}},
        # /health itself would call every provider, for money
        "startupProbe": {**_probe("/health/readiness"), "periodSeconds": 2, "failureThreshold": 60},
        "readinessProbe": {**_probe("/health/readiness"), "periodSeconds": 5, "failureThreshold": 3},
        "livenessProbe": {**_probe("/health/liveliness"), "periodSeconds": 10, "failureThreshold": 6},
        "volumeMounts": [
            {"name": "config", "mountPath": CONFIG, "readOnly": True},
            {"name": "scratch", "mountPath": SCRATCH},
        ],
    }


def _keys(gateway: NeutralGateway) -> Iterator[Manifest]:
    for model in gateway.adapted:
        if reference := key_of(model):
            yield {
                "name": key_variable(model),
                "valueFrom": {"secretKeyRef": {"name": reference.name, "key": reference.key}},
            }


def _probe(path: str) -> Manifest:
    return {"httpGet": {"path": path, "port": "http"}, "timeoutSeconds": 5}
