"""Has a real API server ask the webhook exactly what the chart has it ask."""

import base64
from pathlib import Path
from typing import Any

import yaml

from aistack.admission.server import PATH
from aistack.kinds import Manifest

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
