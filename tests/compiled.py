"""Policies as ValidatingAdmissionPolicies of a real API server, and what they say there of stacks."""

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from aistack.api import API_VERSION, AIPolicy
from aistack.api.policies import Rule
from aistack.govern.admissionpolicy import admission_policies
from aistack.kinds import Manifest
from tests.controlplane import ControlPlane

NOW = datetime(2026, 11, 23, tzinfo=UTC)
NAMESPACE = "judged"
NAME = "kubernetes.io/metadata.name"
LABELS = {NAME: NAMESPACE}
CANARY = Rule(id="canary", expression="object.metadata.name != 'canary'", message="It is.")
"""It shows that the policy that it stands in is in force."""
SECONDS_UNTIL_IN_FORCE = 60
RULE = r"([a-z0-9-]+/[a-z0-9-]+) \((?:low|medium|high|critical)\)"


def compiled(policy: AIPolicy) -> list[Manifest]:
    """As the operator compiles it; but it only warns, says of whom, and nothing owns it."""
    made, binding = admission_policies([policy], (), NOW)
    (validation,) = made["spec"]["validations"]
    told = validation["messageExpression"]
    validation["messageExpression"] = f"'BY ' + object.metadata.name + ': ' + {told}"
    warning = {**binding["spec"], "validationActions": ["Warn"]}
    metadata = {"name": made["metadata"]["name"]}
    return [{**made, "metadata": metadata}, {**binding, "metadata": metadata, "spec": warning}]


def stack(name: str, spec: Mapping[str, Any], **labels: str) -> Manifest:
    metadata = {"name": name, "namespace": NAMESPACE, "labels": labels}
    return {"apiVersion": API_VERSION, "kind": "AIStack", "metadata": metadata, "spec": spec}


def said(cluster: ControlPlane, *objects: Manifest, verb: str = "create") -> str:
    """The warnings of creating or replacing the objects, without doing so."""
    return cluster.kubectl(verb, "--dry-run=server", "-f", "-", input=_listed(objects), check=False)


def broken(cluster: ControlPlane, stacks: Sequence[Manifest], *, verb: str = "create") -> dict[str, set[str]]:
    """The rules, as policy/rule, that each stack is told to break, by its name."""
    answer = said(cluster, *stacks, verb=verb)
    assert answer.count(f"{verb}d (server dry run)") == len(stacks), answer
    assert "resulted in error" not in answer, answer
    found: dict[str, set[str]] = {each["metadata"]["name"]: set() for each in stacks}
    for name, told in re.findall(r"BY (\S+): (.*)", answer):
        found[name] |= set(re.findall(RULE, told))
    return found


@contextmanager
def in_force(
    cluster: ControlPlane, policies: Sequence[Manifest], names: Set[str], *canaries: Manifest
) -> Iterator[None]:
    """With the policies in the cluster; the rule `canary` of each that is named breaks on a canary."""
    everything = _listed(policies)
    cluster.kubectl("create", "namespace", NAMESPACE)
    cluster.kubectl("create", "-f", "-", input=everything)
    try:
        until = time.monotonic() + SECONDS_UNTIL_IN_FORCE
        while missing := names - set(re.findall(r"(\S+)/canary", said(cluster, *canaries))):
            assert time.monotonic() < until, f"not in force: {missing}"
            time.sleep(1)
        yield
    finally:
        cluster.kubectl("delete", "-f", "-", "--wait=false", input=everything)
        cluster.kubectl("delete", "namespace", NAMESPACE)


@contextmanager
def stored(cluster: ControlPlane, stacks: Sequence[Manifest]) -> Iterator[None]:
    """With the stacks in the cluster, so that they can be replaced."""
    everything = _listed(stacks)
    cluster.kubectl("create", "-f", "-", input=everything)
    try:
        yield
    finally:
        cluster.kubectl("delete", "aistacks", "--all", "--wait=false", f"--namespace={NAMESPACE}")


def _listed(objects: Sequence[Manifest]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
