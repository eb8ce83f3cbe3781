"""Policies and exceptions that tests start from."""

from typing import Any

from aistack.api import AIPolicy, AIPolicyException
from tests.stacks import API_VERSION

OWNED = {
    "id": "owner",
    "severity": "high",
    "expression": "object.spec.governance.?owner.hasValue()",
    "field": "spec.governance.owner",
    "message": "Nobody answers for it.",
    "remediation": "Write governance.owner.",
}


def policy(name: str = "mine", *, rules: list[dict[str, Any]] | None = None, **spec: Any) -> AIPolicy:
    """A policy that wants an owner and denies, unless `spec` says otherwise."""
    return AIPolicy.parse(
        {
            "apiVersion": API_VERSION,
            "kind": "AIPolicy",
            "metadata": {"name": name},
            "spec": {"action": "Deny", "rules": rules or [OWNED], **spec},
        }
    )


def exception(namespace: str = "care", **spec: Any) -> AIPolicyException:
    """A waiver of mine/owner for care/support until the end of January 2027."""
    return AIPolicyException.parse(
        {
            "apiVersion": API_VERSION,
            "kind": "AIPolicyException",
            "metadata": {"name": "waiver", "namespace": namespace},
            "spec": {
                "policies": [{"name": "mine", "rules": ["owner"]}],
                "stacks": ["support"],
                "reason": "The team is being put together.",
                "ticket": "GOV-311",
                "approvedBy": "dpo@acme.example",
                "expiresAt": "2027-01-31T00:00:00Z",
                **spec,
            },
        }
    )
