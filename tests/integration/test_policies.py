"""What a policy denies cannot run: not past the webhook, not past the controller when there is no webhook."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.controllers import Stacks, eventually
from tests.stacks import API_VERSION, stack

pytestmark = pytest.mark.usefixtures("controller")

OWNED: dict[str, Any] = {"governance": {"owner": "care@acme.example"}}


@pytest.fixture
def policy(stacks: Stacks) -> Iterator[dict[str, Any]]:
    """Denies stacks without an owner in the namespace of this test."""
    selector = {"matchLabels": {"kubernetes.io/metadata.name": stacks.namespace}}
    rule = {
        "id": "owner",
        "expression": "has(object.spec.governance) && has(object.spec.governance.owner)",
        "message": "a stack has an owner who answers for it",
        "remediation": "write spec.governance.owner",
    }
    yield {
        "apiVersion": API_VERSION,
        "kind": "AIPolicy",
        "metadata": {"name": f"owned-{stacks.namespace}"},
        "spec": {"action": "Deny", "match": {"namespaceSelector": selector}, "rules": [rule]},
    }
    stacks.cluster.kubectl("delete", "aipolicies", f"owned-{stacks.namespace}", "--ignore-not-found")


def create(stacks: Stacks, obj: dict[str, Any]) -> None:
    stacks.cluster.kubectl("apply", "--server-side", "--filename=-", input=json.dumps(obj))


def waiver(stacks: Stacks, policy: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": "AIPolicyException",
        "metadata": {"name": "for-now", "namespace": stacks.namespace},
        "spec": {
            "policies": [{"name": policy["metadata"]["name"], "rules": ["owner"]}],
            "stacks": ["support"],
            "reason": "the team is being formed",
            "ticket": "GOV-1",
            "approvedBy": "governance@acme.example",
            "expiresAt": "2099-01-01T00:00:00Z",
        },
    }


def test_a_stack_that_a_policy_denies_gets_no_object(stacks: Stacks, policy: dict[str, Any]) -> None:
    create(stacks, policy)
    stacks.apply(stack())
    message = stacks.wait_reason("support", "PolicyViolated")
    assert "a stack has an owner who answers for it" in message
    assert "write spec.governance.owner" in message
    assert stacks.condition("support", "PolicyCompliant")["status"] == "False"
    assert stacks.children() == {}
    stacks.apply(stack(**OWNED))
    stacks.wait_ready("support")
    assert stacks.condition("support", "PolicyCompliant")["status"] == "True"
    assert stacks.get("aistack", "support")["status"]["policy"] == {
        "passed": 1,
        "failed": 0,
        "warned": 0,
        "waived": 0,
        "broken": [],
    }


def test_a_stack_that_runs_when_a_policy_comes_is_told_and_goes_on(
    stacks: Stacks, policy: dict[str, Any]
) -> None:
    stacks.apply(stack())
    stacks.wait_ready("support")
    create(stacks, policy)
    eventually(
        lambda: stacks.condition("support", "PolicyCompliant").get("status") == "False",
        "the condition says that a policy is violated",
    )
    assert stacks.condition("support")["status"] == "True"
    stacks.cluster.kubectl("delete", "service", "support-llama", f"--namespace={stacks.namespace}")
    eventually(lambda: stacks.get("service", "support-llama"), "what runs is kept as it is")
    stacks.apply(stack(gateway={"replicas": {"min": 3, "max": 3}}))
    eventually(
        lambda: stacks.get("deployment", "support-gateway")["spec"]["replicas"] == 3,
        "what makes nothing worse is rolled out",
    )


def test_a_stack_that_runs_is_not_changed_to_break_a_rule(stacks: Stacks, policy: dict[str, Any]) -> None:
    create(stacks, policy)
    stacks.apply(stack(**OWNED))
    stacks.wait_ready("support")
    before = stacks.get("deployment", "support-gateway")["metadata"]["generation"]
    stacks.apply(stack(gateway={"replicas": {"min": 3, "max": 3}}))
    stacks.wait_reason("support", "PolicyViolated")
    assert stacks.get("deployment", "support-gateway")["metadata"]["generation"] == before


def test_an_exception_lets_it_through_and_is_counted(stacks: Stacks, policy: dict[str, Any]) -> None:
    create(stacks, policy)
    stacks.apply(stack())
    stacks.wait_reason("support", "PolicyViolated")
    create(stacks, waiver(stacks, policy))
    stacks.wait_ready("support")
    assert stacks.get("aistack", "support")["status"]["policy"]["waived"] == 1


def changed(policy: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {**policy, "spec": {**policy["spec"], **spec}}


def test_a_policy_that_suspends_stops_what_runs_and_lets_it_on_when_it_is_mended(
    stacks: Stacks, policy: dict[str, Any]
) -> None:
    def replicas() -> int:
        found: int = stacks.get("deployment", "support-llama")["spec"]["replicas"]
        return found

    stacks.apply(stack())
    stacks.wait_ready("support")
    create(stacks, changed(policy, onViolation="Suspend"))
    message = stacks.wait_reason("support", "PolicyViolated")
    assert message.startswith("a policy suspends the stack; ")
    assert replicas() == 0
    stacks.apply(stack(**OWNED))
    stacks.wait_ready("support")
    assert replicas() == 1


def counted(stacks: Stacks, policy: Mapping[str, Any]) -> dict[str, int]:
    """What the policy's status says."""
    told = stacks.cluster.kubectl(
        "get", "aipolicies", policy["metadata"]["name"], "--output=jsonpath={.status}"
    )
    return dict(json.loads(told or "{}"))


def test_the_end_of_an_exception_is_told_before_and_stops_nothing(
    stacks: Stacks, policy: dict[str, Any]
) -> None:
    waived = waiver(stacks, policy)
    create(stacks, policy)
    create(stacks, waived)
    stacks.apply(stack())
    stacks.wait_ready("support")
    eventually(
        lambda: counted(stacks, policy) == {"stacks": 1, "violating": 0},
        "it is about one stack, which is excused",
    )
    before = stacks.children()
    ends = datetime.now(UTC) + timedelta(seconds=20)
    waived["spec"]["expiresAt"] = ends.strftime("%Y-%m-%dT%H:%M:%SZ")
    create(stacks, waived)
    eventually(
        lambda: stacks.condition("support", "PolicyWaived").get("reason") == "ExceptionEnds",
        "the end is told of",
    )
    assert datetime.now(UTC) < ends, "before"
    eventually(
        lambda: stacks.condition("support", "PolicyCompliant")["status"] == "False",
        "nothing but the date has changed, and the condition says so",
        patience=120,
    )
    assert datetime.now(UTC) >= ends - timedelta(seconds=1)
    eventually(
        lambda: counted(stacks, policy) == {"stacks": 1, "violating": 1}, "it says how many stacks break it"
    )
    assert stacks.condition("support")["status"] == "True", "what runs goes on"
    assert stacks.condition("support", "PolicyWaived") == {}
    assert {name: item["metadata"]["uid"] for name, item in stacks.children().items()} == {
        name: item["metadata"]["uid"] for name, item in before.items()
    }
    told = stacks.cluster.kubectl(
        "get", "events", f"--namespace={stacks.namespace}", "--output=jsonpath={.items[*].reason}"
    )
    assert {"ExceptionEnds", "PolicyViolated"} <= set(told.split())
