"""Policies as the API server's own: they hold while the operator is away.

Of a policy that denies, the rules that the object alone decides become one ValidatingAdmissionPolicy and one
binding. Left to the webhook are, because the API server knows no clock, no prices and no other objects:

- rules that read facts;
- policies that warn or report, and those whose day is still to come: nothing of them would hold anything up;
- rules with more than `MOST_WAIVED` stacks that are waived today.

A stack that an update leaves suspended is not judged: nothing of it runs.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from aistack.api import API_VERSION, AIPolicy, AIPolicyException
from aistack.api.base import LabelExpression, LabelSelector, Metadata
from aistack.api.policies import PolicyMatch, Rule
from aistack.govern.exceptions import holds
from aistack.govern.rules import Failure, condition, reads_facts
from aistack.govern.verdict import in_force
from aistack.kinds import ADMISSION_POLICY, ADMISSION_POLICY_BINDING, AISTACK, Manifest

MOST_WAIVED = 1000
"""Stacks that stand in one rule of a compiled policy as waived; beyond, the object would grow too large."""
STOOD = "oldObject != null && !oldObject.spec.?suspend.orValue(false)"
"""Before an update it was there and was not off. It is judged as if it came now: nothing was before it."""
LABELS = {"app.kubernetes.io/managed-by": "aistack", "app.kubernetes.io/component": "policy"}


def admission_policies(
    policies: Sequence[AIPolicy], exceptions: Sequence[AIPolicyException], now: datetime
) -> list[Manifest]:
    """What the API server is to hold at `now` (UTC): a policy and its binding for each that denies."""
    found = (admission_policy(policy, exceptions, now) for policy in policies)
    return [manifest for compiled in found if compiled for manifest in (compiled, _binding(compiled))]


def admission_policy(
    policy: AIPolicy, exceptions: Sequence[AIPolicyException], now: datetime
) -> Manifest | None:
    """A policy's rules that the object decides; None where there is none, or it doesn't deny at `now`."""
    if in_force(policy.spec, now).action != "Deny":
        return None
    waived = _waived(policy, exceptions, now)
    rules = [rule for rule in policy.spec.rules if _is_compiled(rule, policy, waived)]
    if not rules:
        return None
    named = {f"rule_{number}": rule for number, rule in enumerate(rules)}
    told = ", ".join(f"variables.{name}" for name in named)
    return {
        "apiVersion": ADMISSION_POLICY.api_version,
        "kind": ADMISSION_POLICY.kind,
        "metadata": _metadata(policy),
        "spec": {
            "failurePolicy": "Fail",
            # With the API server's defaults, so that what somebody adds shows as a difference.
            "matchConstraints": {
                "matchPolicy": "Equivalent",
                "objectSelector": {},
                "namespaceSelector": _selector(policy.spec.match.namespace_selector),
                "resourceRules": [
                    {
                        "apiGroups": [AISTACK.group],
                        "apiVersions": [AISTACK.version],
                        "resources": [AISTACK.plural],
                        "operations": ["CREATE", "UPDATE"],
                        "scope": "Namespaced",
                    }
                ],
            },
            "matchConditions": [
                {"name": name, "expression": expression}
                for name, expression in _conditions(policy.spec.match).items()
            ],
            "variables": [
                {"name": "params", "expression": _literal({**policy.spec.params})},
                *(
                    {"name": name, "expression": _told(rule, policy, waived.get(rule.id, ()))}
                    for name, rule in named.items()
                ),
                {"name": "broken", "expression": f"[{told}].filter(each, each != '')"},
            ],
            # One validation, so that one answer lists all that is broken.
            "validations": [
                {
                    "expression": "variables.broken.size() == 0",
                    "messageExpression": "variables.broken.join('; ')",
                    "message": f"a rule of AIPolicy {policy.metadata.name} is broken",
                    "reason": "Invalid",
                }
            ],
        },
    }


def _binding(compiled: Manifest) -> Manifest:
    return {
        "apiVersion": ADMISSION_POLICY_BINDING.api_version,
        "kind": ADMISSION_POLICY_BINDING.kind,
        "metadata": compiled["metadata"],
        "spec": {"policyName": compiled["metadata"]["name"], "validationActions": ["Deny"]},
    }


def _metadata(policy: AIPolicy) -> Manifest:
    owner = {
        "apiVersion": API_VERSION,
        "kind": "AIPolicy",
        "name": policy.metadata.name,
        "uid": policy.metadata.uid,
    }
    return {"name": object_name(policy.metadata), "labels": LABELS, "ownerReferences": [owner]}


def object_name(policy: Metadata) -> str:
    """The name of what is compiled of it."""
    return f"aistack-{policy.name}"


def _selector(selector: LabelSelector) -> Manifest:
    """As the API server shows it: without what is empty."""
    return selector.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def _is_compiled(rule: Rule, policy: AIPolicy, waived: Mapping[str, Sequence[str]]) -> bool:
    compiled = condition(rule.expression, policy.metadata.name).compiled
    return (
        not isinstance(compiled, Failure)
        and not reads_facts(rule.expression)
        and len(waived.get(rule.id, ())) <= MOST_WAIVED
    )


def _told(rule: Rule, policy: AIPolicy, waived: Sequence[str]) -> str:
    """What is wrong, or an empty text: what ran before and broke the rule, too, may be updated."""
    parts = [f"{policy.metadata.name}/{rule.id} ({rule.severity}): {rule.message.rstrip('.')}"]
    words = " ".join("; ".join(filter(None, (*parts, rule.remediation))).split())
    # A rule may end in a comment, so that it stands on its own lines.
    kept = f"(\n{_with_params(rule.expression)}\n)"
    excused = f"{kept} || {STOOD} && ![oldObject].all(object, [dyn(null)].all(oldObject, {kept}))"
    if waived:
        excused += f" || object.metadata.namespace + '/' + object.metadata.name in {_literal(waived)}"
    return f"({excused}) ? '' : {_literal(words)}"


def _with_params(expression: str) -> str:
    """The rule's `params` is its policy's; a list of one binds the name as the rule itself writes it."""
    return f"[dyn(variables.params)].all(params,\n{expression}\n)" if "params" in expression else expression


def _waived(
    policy: AIPolicy, exceptions: Sequence[AIPolicyException], now: datetime
) -> dict[str, tuple[str, ...]]:
    """The stacks, as namespace/name, that may break a rule at `now`, by the rule's id."""
    if policy.spec.exceptions == "Never":
        return {}
    found: dict[str, set[str]] = {}
    for exception in exceptions:
        if holds(exception, now):
            stacks = {f"{exception.metadata.namespace}/{name}" for name in exception.spec.stacks}
            for named in exception.spec.policies:
                if named.name == policy.metadata.name:
                    for rule in named.rules:
                        found.setdefault(rule, set()).update(stacks)
    return {rule: tuple(sorted(stacks)) for rule, stacks in found.items()}


def _conditions(match: PolicyMatch) -> dict[str, str]:
    """What must hold for a stack to be judged at all: the same that the webhook and `matches` ask."""
    conditions = {
        "the-spec-changes": (
            "request.operation != 'UPDATE' || object.metadata.generation != oldObject.metadata.generation"
        ),
        "it-runs": "request.operation != 'UPDATE' || !object.spec.?suspend.orValue(false)",
    }
    if match.environments:
        conditions["environment"] = f"object.spec.?environment.orValue('') in {_literal(match.environments)}"
    if match.risk_tiers:
        tiers = _literal(match.risk_tiers)
        conditions["risk-tier"] = f"object.spec.?governance.?riskTier.orValue('') in {tiers}"
    if labels := list(_labelled(match.stack_selector)):
        conditions["labels"] = " && ".join(labels)
    return conditions


def _labelled(selector: LabelSelector) -> Iterator[str]:
    """The selector in CEL: the API server's own would also choose by the labels before an update."""
    for key, value in selector.match_labels.items():
        yield _is_in(key, [value])
    for each in selector.match_expressions:
        yield _meets(each)


def _meets(requirement: LabelExpression) -> str:
    match requirement.operator:
        case "In":
            return _is_in(requirement.key, requirement.values)
        case "NotIn":
            return f"!{_is_in(requirement.key, requirement.values)}"
        case "Exists":
            return _has(requirement.key)
        case "DoesNotExist":
            return f"!{_has(requirement.key)}"


def _has(key: str) -> str:
    return f"(has(object.metadata.labels) && {_literal(key)} in object.metadata.labels)"


def _is_in(key: str, values: Sequence[str]) -> str:
    return f"({_has(key)} && object.metadata.labels[{_literal(key)}] in {_literal(values)})"


def _literal(value: Any) -> str:
    """JSON is CEL, as long as a character outside the basic plane stands for itself."""
    return json.dumps(value, ensure_ascii=False)
