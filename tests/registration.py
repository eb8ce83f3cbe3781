"""Has a real API server ask the webhook exactly what the chart has it ask."""

import base64
import json
from pathlib import Path
from typing import Any

import yaml

from aistack.admission.server import PATH
from aistack.kinds import Manifest
from tests.controlplane import ControlPlane
from tests.reviews import broken_stack

NAME = SERVICE = "aistack-webhook"
ASKED = Path(__file__).parents[1] / "charts/aistack/files/webhook.yaml"


def asked(namespace: str) -> dict[str, Any]:
    """What the webhook is asked about where the operator runs in `namespace`; not yet where it is."""
    found: dict[str, Any] = yaml.safe_load(ASKED.read_text().replace("NAMESPACE", namespace))
    return found


def webhook_configuration(namespace: str, authority: bytes, port: int = 443) -> Manifest:
    """The ValidatingWebhookConfiguration; `authority` is the PEM of who signed the webhook's certificate."""
    service = {"name": SERVICE, "namespace": namespace, "path": PATH, "port": port}
    client = {"service": service, "caBundle": base64.b64encode(authority).decode()}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": NAME},
        "webhooks": [{**asked(namespace), "clientConfig": client}],
    }


def probed(cluster: ControlPlane) -> str:
    """What is said to a stack that only the webhook refuses."""
    probe = json.dumps(broken_stack("probe") | {"metadata": {"name": "probe", "namespace": "default"}})
    return cluster.kubectl("create", "--dry-run=server", "--filename=-", input=probe, check=False)


def withdraw(cluster: ControlPlane) -> None:
    """Has the API server ask nobody; returns when it does so: it takes a moment to learn of it."""
    cluster.kubectl("delete", "validatingwebhookconfiguration", NAME, "--ignore-not-found")
    cluster.wait("no webhook is asked", lambda: "created (server dry run)" in probed(cluster))
