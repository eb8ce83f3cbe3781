"""What of a policy becomes the API server's own, and what is left to the webhook."""

from datetime import UTC, datetime
from typing import Any

import pytest

from aistack.api import AIPolicyException
from aistack.govern.admissionpolicy import admission_policies, admission_policy
from aistack.kinds import Manifest
from tests.rulebook import OWNED, exception, policy

NOW = datetime(2026, 11, 23, tzinfo=UTC)
PRICED = {"id": "priced", "expression": "size(facts.regions) > 0", "message": "It has a region."}


def compiled(*exceptions: AIPolicyException, now: datetime = NOW, **spec: Any) -> Manifest:
    found = admission_policy(policy(**spec), exceptions, now)
    assert found
    return found


def variables(manifest: Manifest) -> dict[str, str]:
    return {each["name"]: each["expression"] for each in manifest["spec"]["variables"]}


def conditions(**match: Any) -> dict[str, str]:
    listed = compiled(match=match)["spec"]["matchConditions"]
    return {each["name"]: each["expression"] for each in listed}


def test_a_policy_becomes_one_object_and_one_binding_that_it_owns() -> None:
    made, binding = admission_policies([policy()], (), NOW)
    assert made["metadata"] == binding["metadata"]
    assert made["metadata"]["name"] == binding["spec"]["policyName"] == "aistack-mine"
    (owner,) = made["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("AIPolicy", "mine")
    assert binding["spec"]["validationActions"] == ["Deny"]


@pytest.mark.parametrize("action", ["Warn", "Audit"])
def test_what_does_not_deny_is_left_to_the_webhook(action: str) -> None:
    assert admission_policies([policy(action=action)], (), NOW) == []


def test_before_its_day_it_denies_nothing() -> None:
    assert admission_policy(policy(effectiveFrom="2026-11-24"), (), NOW) is None
    assert admission_policy(policy(effectiveFrom="2026-11-23"), (), NOW)


def test_rules_that_read_facts_or_cannot_be_compiled_are_left_out() -> None:
    broken = {**OWNED, "id": "broken", "expression": "object.spec =="}
    assert set(variables(compiled(rules=[PRICED, OWNED, broken]))) == {"params", "rule_0", "broken"}
    assert admission_policy(policy(rules=[PRICED]), (), NOW) is None


def test_params_are_bound_as_the_rule_writes_them() -> None:
    rule = {**OWNED, "expression": "['params'].all(each, each in params.words)"}
    found = variables(compiled(rules=[rule], params={"words": ["params"]}))
    assert found["params"] == '{"words": ["params"]}'
    assert f"[dyn(variables.params)].all(params,\n{rule['expression']}\n)" in found["rule_0"]


def test_a_rule_that_ends_in_a_comment_ends_there() -> None:
    rule = {**OWNED, "expression": "true // it is"}
    assert variables(compiled(rules=[rule]))["rule_0"].count("(\ntrue // it is\n)") == 2


def test_what_an_exception_waives_today_is_waived_there() -> None:
    assert (
        "|| object.metadata.namespace + '/' + object.metadata.name in [\"care/support\"]"
        in (variables(compiled(exception()))["rule_0"])
    )
    ended = compiled(exception(), now=datetime(2027, 1, 31, tzinfo=UTC))
    assert "care/support" not in variables(ended)["rule_0"]
    assert "care/support" not in variables(compiled(exception(), exceptions="Never"))["rule_0"]


def test_a_rule_that_is_waived_for_too_many_is_left_to_the_webhook() -> None:
    many = [
        exception(f"team-{number}", stacks=[f"stack-{each}" for each in range(60)]) for number in range(20)
    ]
    assert admission_policy(policy(), many, NOW) is None


def test_it_is_about_the_stacks_that_the_policy_is_about() -> None:
    found = conditions(
        environments=["production"],
        riskTiers=["high"],
        stackSelector={
            "matchLabels": {"team": "care"},
            "matchExpressions": [
                {"key": "tier", "operator": "NotIn", "values": ["lab"]},
                {"key": "trial", "operator": "DoesNotExist"},
            ],
        },
    )
    assert set(found) == {"the-spec-changes", "it-runs", "environment", "risk-tier", "labels"}
    assert found["environment"].endswith('in ["production"]')
    assert found["risk-tier"].endswith('in ["high"]')
    assert found["labels"].count("object.metadata.labels[") == 2
    assert set(conditions()) == {"the-spec-changes", "it-runs"}


def test_words_of_a_rule_stand_on_one_line() -> None:
    rule = {**OWNED, "message": "Nobody\nanswers 'for' \"it\" 🙈."}
    told = variables(compiled(rules=[rule]))["rule_0"].rpartition(" : ")[2]
    assert told == r'"mine/owner (high): Nobody answers ' + r"'for' \"it\" 🙈; Write governance.owner." + '"'
