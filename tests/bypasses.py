"""The table of attempted bypasses, and what stands in their way: policies, and a stack that keeps them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.stacks import API_VERSION, hosted, stack

Object = dict[str, Any]
NAMESPACE = "guarded"
TABLE: dict[str, dict[str, Object]] = yaml.safe_load((Path(__file__).parent / "bypasses.yaml").read_text())
RULES: dict[str, tuple[str, str, Object]] = {
    "owned": (
        "owner",
        "object.spec.?governance.?owner.orValue('').matches('^[!-~]+@[!-~]+$')",
        {},
    ),
    "held": (
        "regions",
        "facts.regions.all(region, region in params.regions)",
        {"params": {"regions": ["eu-central-1", "eu-west-1"]}},
    ),
    "pinned": (
        "revision",
        "object.spec.models.all(each, !has(each.selfHosted)"
        " || each.selfHosted.?revision.orValue('').matches('^[0-9a-f]{7,40}$'))",
        {},
    ),
    "prohibited": (
        "practice",
        "object.spec.?governance.?riskTier.orValue('') != 'prohibited'"
        " && object.spec.?governance.?useCases.orValue([]).all(use, use.matches('^[ -~]+$')"
        " && !(use.lowerAscii().replace(' ', '-').replace('_', '-') in ['social-scoring']))",
        {"exceptions": "Never"},
    ),
}
"""A rule's id and expression by its policy, and what else that policy says."""


@dataclass(frozen=True)
class Attempt:
    """One row of a section of the table; `id` says what is tried."""

    id: str
    says: str = ""
    changes: Object = field(default_factory=dict)
    """Paths and what to put there."""
    patch: Object = field(default_factory=dict)
    subresource: str = ""
    kind: str = ""
    name: str = ""
    delete: bool = False


def attempts(section: str) -> list[Attempt]:
    rows = TABLE[section].items()
    return [Attempt(name, changes=row.pop("try", {}), **row) for name, row in ((n, {**r}) for n, r in rows)]


def policies() -> list[Object]:
    """They deny, in one namespace."""
    selector = {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}}
    return [
        {
            "apiVersion": API_VERSION,
            "kind": "AIPolicy",
            "metadata": {"name": name},
            "spec": {
                "action": "Deny",
                "match": {"namespaceSelector": selector},
                "rules": [{"id": rule, "expression": expression, "message": "It is so."}],
                **more,
            },
        }
        for name, (rule, expression, more) in RULES.items()
    ]


def accelerator_classes() -> list[Object]:
    return [
        {
            "apiVersion": API_VERSION,
            "kind": "AcceleratorClass",
            "metadata": {"name": name},
            "spec": {"resourceName": "nvidia.com/gpu", "memory": "24Gi", "region": region},
        }
        for name, region in {"eu-l4": "eu-central-1", "us-l4": "us-east-1"}.items()
    ]


def sound() -> Object:
    """A stack that keeps them all, with models abroad that nothing leads to."""
    key = {"secretKeyRef": {"name": "provider", "key": "key"}}
    managed = {"provider": "openai", "model": "gpt-5-mini", "credentials": key}
    models = [
        hosted(accelerator={"class": "eu-l4"}),
        {"name": "claude", "managed": {**managed, "region": "eu-central-1"}},
        {"name": "abroad", "managed": {**managed, "region": "us-east-1"}},
        {"name": "vectors", "task": "embedding", "managed": {**managed, "region": "us-east-1"}},
    ]
    return stack(
        namespace=NAMESPACE,
        models=models,
        gateway={"routes": [{"name": "chat", "targets": [{"model": "llama"}], "fallbacks": ["claude"]}]},
        governance={"owner": "care@acme.example", "useCases": ["support"]},
    )


def exception() -> Object:
    """One that would be granted: a rule that there is, for one stack, approved by somebody else."""
    return {
        "apiVersion": API_VERSION,
        "kind": "AIPolicyException",
        "metadata": {"name": "waiver", "namespace": NAMESPACE},
        "spec": {
            "policies": [{"name": "owned", "rules": ["owner"]}],
            "stacks": ["support"],
            "reason": "The team is being put together.",
            "ticket": "GOV-311",
            "approvedBy": "dpo@acme.example",
            "expiresAt": "2099-01-31T00:00:00Z",
        },
    }
