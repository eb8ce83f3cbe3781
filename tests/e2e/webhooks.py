"""The webhook's replicas, each asked by itself: which one the API server asks is the Service's choice."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aistack.admission.server import PATH
from tests.controlplane import ControlPlane
from tests.e2e.installation import NAMESPACE
from tests.reviews import review

PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
WEBHOOK = "deployment/aistack-webhook"


def verdicts(cluster: ControlPlane, stack: dict[str, Any]) -> list[str]:
    """What each replica says to a new stack; empty where it lets it in."""
    listed = cluster.client.get(f"{PODS}?labelSelector=app.kubernetes.io/component=webhook")["items"]
    names = [pod["metadata"]["name"] for pod in listed if "deletionTimestamp" not in pod["metadata"]]
    asked = review(stack, dryRun=True)
    answers = (cluster.client.create(f"{PODS}/https:{name}:9443/proxy{PATH}", asked) for name in names)
    return [answer["response"].get("status", {}).get("message", "") for answer in answers]


@contextmanager
def restarting(cluster: ControlPlane) -> Iterator[None]:
    """While the body runs all replicas are replaced; afterwards they have been."""
    where = f"--namespace={NAMESPACE}"
    cluster.kubectl("rollout", "restart", WEBHOOK, where)
    try:
        yield
    finally:
        cluster.kubectl("rollout", "status", WEBHOOK, where, "--timeout=90s")
