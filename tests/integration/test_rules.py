"""A rule gives the answer here that it gives in the API server, for every rule that both can decide.

The shipped rules stand as ValidatingAdmissionPolicies in a real API server, are asked about every stack of
the fixtures there and here, and must not differ once.
"""

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aistack.api import AIPolicy, AIStack
from aistack.api.policies import PolicyMatch
from aistack.cli.files import read
from aistack.cli.fixtures import Fixture, changed, fixtures
from aistack.govern import Outcome, evaluate, wire
from aistack.govern.rules import reads_facts
from aistack.kinds import Manifest
from aistack.resolve import ResolvedStack, resolve
from tests.controlplane import ControlPlane
from tests.unit.test_govern_functions import TRUE

NAMESPACE = "judged"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
POLICIES = Path(__file__).parents[2] / "policies"
SECONDS_UNTIL_IN_FORCE = 60
FUNCTIONS = "functions-of-rules"
OBJECT = "dyn({'numbers': dyn([3, 1, 2]), 'empty': dyn([])})"


def shipped() -> list[AIPolicy]:
    """The rules that the object alone decides, of policies that are about every stack."""
    documents = (each.parsed for each in read([str(POLICIES)]))
    found = []
    for policy in (each for each in documents if isinstance(each, AIPolicy)):
        rules = tuple(rule for rule in policy.spec.rules if not reads_facts(rule.expression))
        spec = policy.spec.model_copy(update={"match": PolicyMatch(), "rules": rules})
        found.append(policy.model_copy(update={"spec": spec}))
    return [policy for policy in found if policy.spec.rules]


def admission_policy(
    name: str, resource: str, validations: Sequence[Manifest], **spec: object
) -> list[Manifest]:
    """A policy and its binding, which only warn, in one namespace; `canary` shows that it is in force."""
    group = "aistack.dev" if resource == "aistacks" else ""
    versions = ["v1alpha1"] if group else ["v1"]
    rule = {"apiGroups": [group], "apiVersions": versions, "operations": ["CREATE"], "resources": [resource]}
    canary = {"expression": "object.metadata.name != 'canary'", "message": f"IN FORCE {name};"}
    matches = [{"name": "here", "expression": f"object.metadata.namespace == '{NAMESPACE}'"}]
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": name}}
    whole = {
        "matchConstraints": {"resourceRules": [rule]},
        "matchConditions": matches,
        "validations": [*validations, canary],
        **spec,
    }
    return [
        {**kind, "kind": "ValidatingAdmissionPolicy", "spec": whole},
        {
            **kind,
            "kind": "ValidatingAdmissionPolicyBinding",
            "spec": {"policyName": name, "validationActions": ["Warn"]},
        },
    ]


def of_stacks(policy: AIPolicy) -> list[Manifest]:
    name = policy.metadata.name
    validations = [
        {
            "expression": re.sub(r"(?<![\w.])params\b", "variables.params", rule.expression),
            "messageExpression": f"'BROKEN {name}/{rule.id} BY ' + object.metadata.name + ';'",
        }
        for rule in policy.spec.rules
    ]
    params = json.dumps({name: list(values) for name, values in policy.spec.params.items()})
    variables = [{"name": "params", "expression": params}] if policy.spec.params else []
    return admission_policy(name, "aistacks", validations, variables=variables)


def of_functions() -> list[Manifest]:
    validations = [
        {"expression": re.sub(r"\bobject\b", OBJECT, expression), "message": f"NOT TRUE {expression}"}
        for expression in TRUE
    ]
    return admission_policy(FUNCTIONS, "configmaps", validations)


def said(cluster: ControlPlane, *objects: Manifest) -> str:
    """The warnings of creating the objects, without creating them."""
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    return cluster.kubectl("create", "--dry-run=server", "-f", "-", input=listed, check=False)


def stack(name: str, spec: Manifest) -> Manifest:
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "aistack.dev/v1alpha1", "kind": "AIStack", "metadata": metadata, "spec": spec}


def config_map(name: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": NAMESPACE}}


@pytest.fixture(scope="module")
def judging(cluster: ControlPlane) -> Iterator[ControlPlane]:
    """A cluster in which every rule is in force."""
    policies = [each for policy in shipped() for each in of_stacks(policy)] + of_functions()
    everything = json.dumps({"apiVersion": "v1", "kind": "List", "items": policies})
    cluster.kubectl("create", "namespace", NAMESPACE)
    cluster.kubectl("create", "-f", "-", input=everything)
    names = {each["metadata"]["name"] for each in policies}
    canaries = stack("canary", rows()[0].base.dump()["spec"]), config_map("canary")
    until = time.monotonic() + SECONDS_UNTIL_IN_FORCE
    while missing := names - set(re.findall(r"IN FORCE (\S+);", said(cluster, *canaries))):
        assert time.monotonic() < until, f"not in force: {missing}"
        time.sleep(1)
    yield cluster
    cluster.kubectl("delete", "-f", "-", input=everything)


def rows() -> list[Fixture]:
    """Every stack of the fixtures; what they say of facts makes no other stack."""
    return [
        row for row in fixtures(str(POLICIES)) if not any(path.startswith("facts") for path in row.changes)
    ]


def meaning(row: Fixture) -> ResolvedStack:
    parsed = AIStack.parse(changed(row.base.dump(), "spec", row.changes))
    found = resolve(parsed, row.catalog).meaning
    assert found, row.title
    return found


def broken_here(judged: ResolvedStack) -> set[str]:
    verdict = evaluate(judged, shipped(), (), {}, NOW)
    return {result.name for result in verdict.results if result.outcome is not Outcome.PASSED}


def broken_there(cluster: ControlPlane, stacks: Mapping[str, ResolvedStack]) -> dict[str, set[str]]:
    answer = said(cluster, *(stack(name, wire(judged)["spec"]) for name, judged in stacks.items()))
    assert answer.count("created (server dry run)") == len(stacks), answer
    assert "resulted in error" not in answer, answer
    found: dict[str, set[str]] = {name: set() for name in stacks}
    for rule, name in re.findall(r"BROKEN (\S+) BY (\S+);", answer):
        found[name].add(rule)
    return found


def test_shipped_rules_break_on_the_same_stacks_in_the_api_server(judging: ControlPlane) -> None:
    cases = {f"case-{number}": row for number, row in enumerate(rows())}
    stacks = {name: meaning(row) for name, row in cases.items()}
    there = broken_there(judging, stacks)
    here = {name: broken_here(judged) for name, judged in stacks.items()}
    differing = {cases[name].title: here[name] ^ there[name] for name in cases if here[name] != there[name]}
    assert differing == {}
    every = {f"{policy.metadata.name}/{rule.id}" for policy in shipped() for rule in policy.spec.rules}
    assert set().union(*there.values()) == every


def test_functions_give_the_same_in_the_api_server(judging: ControlPlane) -> None:
    answer = said(judging, config_map("asked"))
    assert "created (server dry run)" in answer
    assert re.findall(r"NOT TRUE .*|resulted in error.*", answer) == []
