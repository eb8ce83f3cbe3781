"""The ValidatingWebhookConfiguration: what the API server asks the webhook about, and what it leaves out."""

import base64
from dataclasses import dataclass

from aistack.kinds import OWN_KINDS, Manifest

NAME = "aistack-webhook"
PATH = "/validate"

SPEC_OR_LABELS_CHANGE = (
    "request.operation != 'UPDATE' || object.metadata.generation != oldObject.metadata.generation"
    " || object.metadata.?labels.orValue({}) != oldObject.metadata.?labels.orValue({})"
)
"""An update of other metadata alone (an annotation, the removal of a finalizer) needs no judgement; labels
choose the budgets that a stack counts in.

The API server raises the generation whenever something besides metadata and status changes; to compare the
specs themselves would exceed what CEL may cost for a large object.
"""


@dataclass(frozen=True, slots=True)
class WebhookService:
    """Where the API server finds the webhook, and the authority (PEM) that signed its certificate."""

    name: str
    namespace: str
    ca_bundle: bytes
    port: int = 443


def operator_users(namespace: str) -> tuple[str, ...]:
    """The user names of the operator's own programs, whose writes are not judged again."""
    return tuple(
        f"system:serviceaccount:{namespace}:{account}"
        for account in ("aistack-controller", "aistack-webhook")
    )


def webhook_configuration(service: WebhookService) -> Manifest:
    """Asks about our own kinds only: nobody else's objects wait for this webhook or fail with it.

    The subresources are not named in the rules, so writes of a status never come here.
    """
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": NAME, "labels": {"app.kubernetes.io/name": "aistack"}},
        "webhooks": [
            {
                "name": "validate.aistack.dev",
                "clientConfig": {
                    "service": {
                        "name": service.name,
                        "namespace": service.namespace,
                        "path": PATH,
                        "port": service.port,
                    },
                    "caBundle": base64.b64encode(service.ca_bundle).decode(),
                },
                "rules": [
                    {
                        "apiGroups": [kind.group],
                        "apiVersions": [kind.version],
                        "resources": [kind.plural],
                        "operations": ["CREATE", "UPDATE"],
                        "scope": "Namespaced" if kind.namespaced else "Cluster",
                    }
                    for kind in OWN_KINDS
                ],
                "matchConditions": [
                    {
                        "name": "not-by-the-operator-itself",
                        "expression": _not_by(operator_users(service.namespace)),
                    },
                    {"name": "the-spec-or-a-label-changes", "expression": SPEC_OR_LABELS_CHANGE},
                ],
                "namespaceSelector": {
                    "matchExpressions": [
                        {
                            "key": "kubernetes.io/metadata.name",
                            "operator": "NotIn",
                            "values": [service.namespace],
                        }
                    ]
                },
                "failurePolicy": "Fail",
                "matchPolicy": "Equivalent",
                "sideEffects": "NoneOnDryRun",
                "timeoutSeconds": 5,
                "admissionReviewVersions": ["v1"],
            }
        ],
    }


def _not_by(users: tuple[str, ...]) -> str:
    quoted = ", ".join(f"'{user}'" for user in users)
    return f"!(request.userInfo.username in [{quoted}])"
