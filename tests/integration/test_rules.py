"""A rule gives the answer here that it gives in the API server, for every rule that both can decide.

The shipped rules stand as ValidatingAdmissionPolicies in a real API server, are asked about every stack of
the fixtures there and here, and must not differ once.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aistack.api import AIPolicy, AIStack
from aistack.api.base import LabelSelector
from aistack.api.policies import PolicyMatch
from aistack.cli.files import read
from aistack.cli.fixtures import Fixture, changed, fixtures
from aistack.govern import Outcome, evaluate, wire
from aistack.govern.rules import reads_facts
from aistack.kinds import Manifest
from aistack.resolve import resolve
from aistack.resolved import ResolvedStack
from tests.compiled import (
    CANARY,
    LABELS,
    NAME,
    NAMESPACE,
    NOW,
    broken,
    compiled,
    in_force,
    said,
    stack,
    stored,
)
from tests.controlplane import ControlPlane
from tests.generated import resolved_stacks
from tests.unit.test_govern_functions import TRUE

POLICIES = Path(__file__).parents[2] / "policies"
BATCH = 25
UPDATED = 12
FUNCTIONS = "functions-of-rules"
OBJECT = "dyn({'numbers': dyn([3, 1, 2]), 'empty': dyn([])})"


def shipped() -> list[AIPolicy]:
    """The rules that the object alone decides, of policies that deny here; `canary` shows that they do."""
    documents = (each.parsed for each in read([str(POLICIES)]))
    return [held for each in documents if isinstance(each, AIPolicy) and (held := denying(each))]


def denying(policy: AIPolicy) -> AIPolicy | None:
    rules = tuple(
        rule.model_copy(update={"message": "It is.", "remediation": None})
        for rule in policy.spec.rules
        if not reads_facts(rule.expression)
    )
    changes = {
        "match": PolicyMatch(namespace_selector=LabelSelector(match_labels={NAME: NAMESPACE})),
        "action": "Deny",
        "effective_from": None,
        "rules": (*rules, CANARY),
    }
    spec = policy.spec.model_copy(update=changes)
    return policy.model_copy(update={"spec": spec}) if rules else None


def of_functions() -> list[Manifest]:
    """A policy on ConfigMaps that wants every function to give what it gives here."""
    validations = [
        {"expression": re.sub(r"\bobject\b", OBJECT, expression), "message": f"NOT TRUE {expression}"}
        for expression in TRUE
    ]
    canary = {"expression": "object.metadata.name != 'canary'", "message": f"{FUNCTIONS}/canary"}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    constraints = {
        "namespaceSelector": {"matchLabels": {NAME: NAMESPACE}},
        "resourceRules": [rule],
    }
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": FUNCTIONS}}
    return [
        {
            **kind,
            "kind": "ValidatingAdmissionPolicy",
            "spec": {"matchConstraints": constraints, "validations": [*validations, canary]},
        },
        {
            **kind,
            "kind": "ValidatingAdmissionPolicyBinding",
            "spec": {"policyName": FUNCTIONS, "validationActions": ["Warn"]},
        },
    ]


def config_map(name: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": NAMESPACE}}


@pytest.fixture(scope="module")
def judging(cluster: ControlPlane) -> Iterator[ControlPlane]:
    """A cluster in which every rule is in force."""
    policies = [each for policy in shipped() for each in compiled(policy)] + of_functions()
    names = {FUNCTIONS, *(policy.metadata.name for policy in shipped())}
    canary = stack("canary", rows()[0].base.dump()["spec"])
    with in_force(cluster, policies, names, canary, config_map("canary")):
        yield cluster


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


def before(row: Fixture) -> ResolvedStack:
    """The stack that the fixture's changes are made to."""
    return meaning(replace(row, changes={}))


def broken_here(judged: ResolvedStack) -> set[str]:
    verdict = evaluate(judged, shipped(), (), LABELS, NOW)
    return {result.name for result in verdict.results if result.outcome is not Outcome.PASSED}


def written(stacks: Mapping[str, ResolvedStack]) -> list[Manifest]:
    return [stack(name, wire(judged)["spec"]) for name, judged in stacks.items()]


def test_shipped_rules_break_on_the_same_stacks_in_the_api_server(judging: ControlPlane) -> None:
    cases = {f"case-{number}": row for number, row in enumerate(rows())}
    stacks = {name: meaning(row) for name, row in cases.items()}
    there = broken(judging, written(stacks))
    here = {name: broken_here(judged) for name, judged in stacks.items()}
    differing = {cases[name].title: here[name] ^ there[name] for name in cases if here[name] != there[name]}
    assert differing == {}
    every = {
        f"{policy.metadata.name}/{rule.id}"
        for policy in shipped()
        for rule in policy.spec.rules
        if rule is not CANARY
    }
    assert set().union(*there.values()) == every


def test_shipped_rules_break_on_the_same_stacks_when_they_are_updated(judging: ControlPlane) -> None:
    cases = {f"case-{number}": row for number, row in enumerate(rows()[:: len(rows()) // UPDATED])}
    stacks = {name: meaning(row) for name, row in cases.items()}
    with stored(judging, written({name: before(row) for name, row in cases.items()})):
        there = broken(judging, written(stacks), verb="replace")
    assert there == {name: broken_here(judged) for name, judged in stacks.items()}
    assert any(there.values())


@settings(max_examples=max(12, settings().max_examples // 20))  # each is a batch that kubectl creates at once
@given(st.lists(resolved_stacks(rows()), min_size=BATCH, max_size=BATCH))
def test_shipped_rules_break_on_the_same_generated_stacks(
    judging: ControlPlane, made: list[ResolvedStack]
) -> None:
    stacks = {f"made-{number}": judged for number, judged in enumerate(made)}
    there = broken(judging, written(stacks))
    here = {name: broken_here(judged) for name, judged in stacks.items()}
    assert here == there


def test_functions_give_the_same_in_the_api_server(judging: ControlPlane) -> None:
    answer = said(judging, config_map("asked"))
    assert "created (server dry run)" in answer
    assert re.findall(r"NOT TRUE .*|resulted in error.*", answer) == []
