"""A policy that denies: what kubectl says, what becomes of what runs, and who may not slip through."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.controlplane import CommandFailed
from tests.e2e.running import Seen
from tests.e2e.stacks import Stack, eventually, example
from tests.e2e.webhooks import restarting, verdicts
from tests.e2e.world import World

SEEN_WITHIN = 15.0  # seconds until webhooks and controller know a new policy
WORDS = ("owned/owner", "spec.governance.owner", "Nobody answers for the system", "AIPolicyException")
"""What a denial must say: the rule, the field, what is wrong, and the way out."""


@pytest.fixture
def owned(hello: Stack, world: World) -> Iterator[None]:
    """A policy that every stack names its owner; it comes while `hello`, which names none, runs."""
    world.cluster.kubectl("apply", "--filename=-", input=json.dumps(policy()))
    try:
        yield
    finally:
        world.cluster.kubectl("delete", "aipolicy", "owned")
        eventually(lambda: hello.is_ready() and not breaks(hello), hello.story, SEEN_WITHIN)


def policy() -> dict[str, Any]:
    rule = {
        "id": "owner",
        "severity": "high",
        "expression": "object.spec.governance.?owner.hasValue()",
        "field": "spec.governance.owner",
        "message": "Nobody answers for the system.",
        "remediation": "Write governance.owner, an address that is read.",
    }
    return {
        "apiVersion": "aistack.dev/v1alpha1",
        "kind": "AIPolicy",
        "metadata": {"name": "owned"},
        "spec": {"action": "Deny", "rules": [rule]},
    }


def another(stack: Stack) -> dict[str, Any]:
    made = example("smallest")
    made["metadata"] = {"name": "another", "namespace": stack.namespace}
    return made


def denial(stack: Stack) -> str:
    """What kubectl says to a new stack without an owner; empty when it would be let in."""
    try:
        stack.kubectl("create", "--dry-run=server", "--filename=-", stdin=json.dumps(another(stack)))
    except CommandFailed as denied:
        return str(denied)
    return ""


def compliance(stack: Stack) -> dict[str, Any]:
    return stack.conditions().get("PolicyCompliant", {})


def breaks(stack: Stack) -> bool:
    """Whether its status says that it breaks a rule."""
    return bool(compliance(stack).get("status") == "False")


@pytest.mark.usefixtures("owned")
def test_a_denial_names_the_rule_and_the_way_out_also_while_the_webhook_restarts(
    hello: Stack, seen: Seen
) -> None:
    eventually(
        lambda: all(verdicts(hello.cluster, another(hello))), lambda: "each webhook denies it", SEEN_WITHIN
    )
    seen(denial(hello))
    with restarting(hello.cluster):
        said = [denial(hello) for _ in range(20)]
    assert [words for words in said if not all(word in words for word in WORDS)] == []


@pytest.mark.usefixtures("owned")
def test_what_runs_when_a_policy_comes_serves_on_and_says_what_it_breaks(hello: Stack) -> None:
    with hello.load("qwen") as load:
        eventually(lambda: breaks(hello), hello.story, SEEN_WITHIN)
        load.goes_on()
    assert load.failed == []
    assert all(word in compliance(hello)["message"] for word in WORDS), compliance(hello)
