"""A stack that is held to a policy in a cluster that may have a kind for reports."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.controllers import ROOT, Stacks, eventually
from tests.controlplane import ControlPlane
from tests.controlplane.definitions import wait_until_served
from tests.stacks import API_VERSION

REPORTS = (ROOT / "tests/controlplane/openreports/reports.yaml").read_text()
OPEN, OLDER = "reports.openreports.io", "policyreports.wgpolicyk8s.io"
Object = dict[str, Any]


def sketch() -> str:
    """A PolicyReport as far as we write it; the API server drops what its definition doesn't have."""
    row = {
        "type": "object",
        "required": ["policy"],
        "properties": {
            **{
                name: {"type": "string"}
                for name in ("source", "policy", "rule", "message", "severity", "result")
            },
            "scored": {"type": "boolean"},
            "properties": {"type": "object", "additionalProperties": {"type": "string"}},
            "timestamp": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    }
    free = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {
        "type": "object",
        "properties": {"scope": free, "summary": free, "results": {"type": "array", "items": row}},
    }
    version = {"name": "v1alpha2", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": "PolicyReport", "plural": "policyreports", "singular": "policyreport"}
    return json.dumps(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": OLDER},
            "spec": {
                "group": "wgpolicyk8s.io",
                "names": names,
                "scope": "Namespaced",
                "versions": [version],
            },
        }
    )


@contextmanager
def defined(cluster: ControlPlane, name: str, definition: str) -> Iterator[None]:
    cluster.kubectl("create", "--filename=-", input=definition)
    wait_until_served(cluster.kubectl, "crd", name)
    try:
        yield
    finally:
        cluster.kubectl("delete", "crd", name)


class Judged:
    """A stack and the policy that it is held to."""

    def __init__(self, stacks: Stacks) -> None:
        self.stacks, self.name = stacks, f"mine-{stacks.namespace}"

    def held_to(self, **spec: Any) -> None:
        selector = {"matchLabels": {"kubernetes.io/metadata.name": self.stacks.namespace}}
        rules = [
            {
                "id": "owner",
                "severity": "high",
                "expression": "has(object.spec.governance) && has(object.spec.governance.owner)",
                "field": "spec.governance.owner",
                "message": "Nobody answers for it.",
                "remediation": "Write governance.owner.",
            },
            {"id": "named", "expression": "object.metadata.name != ''", "message": "It has no name."},
        ]
        policy = {
            "apiVersion": API_VERSION,
            "kind": "AIPolicy",
            "metadata": {"name": self.name},
            "spec": {
                "action": "Audit",
                "match": {"namespaceSelector": selector},
                "rules": rules,
                **spec,
            },
        }
        self.stacks.cluster.kubectl("apply", "--server-side", "--filename=-", input=json.dumps(policy))

    def released(self) -> None:
        self.stacks.cluster.kubectl("delete", "aipolicy", self.name, "--ignore-not-found")

    def report(self, kind: str = OPEN) -> Object:
        return self.stacks.get(kind, "support")

    def said(self, kind: str = OPEN) -> dict[str, str]:
        return {row["rule"]: row["result"] for row in self.report(kind).get("results", ())}

    def status(self) -> Object:
        found: Object = self.stacks.get("aistack", "support").get("status", {})
        return found

    def documents(self) -> dict[str, str]:
        found: dict[str, str] = self.stacks.get("configmap", "support-records").get("data", {})
        return found

    def says(self, kind: str = OPEN, **results: str) -> None:
        eventually(lambda: self.said(kind) == results, f"the report says {results}: {self.said(kind)}")
