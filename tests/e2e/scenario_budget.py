"""A budget that a stack doesn't fit into: what kubectl says, and that no request slips through."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.controlplane import CommandFailed
from tests.e2e.running import Seen
from tests.e2e.stacks import Stack, eventually, example, namespace
from tests.e2e.webhooks import restarting, verdicts
from tests.e2e.world import World

SEEN_WITHIN = 15.0  # seconds until the webhooks know a new budget
WORDS = ("budget team of 50.00 USD a month has 50.00 left", "so it needs", "it would fit with")
"""What a refusal must say: the budget and what it has left, what the stack needs, and a way out."""


@pytest.fixture
def stack(world: World) -> Iterator[Stack]:
    """One that costs more than its budget has, to be created; with prices for all that it is made of."""
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": [prices(), budget()]})
    world.cluster.kubectl("apply", "--filename=-", input=listed)
    try:
        with namespace(world.cluster, "budget"):
            yield Stack(world.cluster, "budget", "another")
    finally:
        world.cluster.kubectl("delete", "--filename=-", input=listed)


def prices() -> dict[str, Any]:
    source = "https://cloud.example.com/pricing"
    compute = {"name": "default", "cpuHourly": "0.03", "memoryGibHourly": "0.004", "source": source}
    return {
        "apiVersion": "aistack.dev/v1alpha1",
        "kind": "PriceBook",
        "metadata": {"name": "team"},
        "spec": {"currency": "USD", "asOf": "2026-11-01", "compute": [compute]},
    }


def budget() -> dict[str, Any]:
    return {
        "apiVersion": "aistack.dev/v1alpha1",
        "kind": "AIBudget",
        "metadata": {"name": "team"},
        "spec": {
            "limit": {"amount": "50", "currency": "USD"},
            "selector": {"stackSelector": {"matchLabels": {"billed": "true"}}},
        },
    }


def another(stack: Stack) -> dict[str, Any]:
    """One that the budget counts."""
    made = example("smallest")
    made["metadata"] = {"name": stack.name, "namespace": stack.namespace, "labels": {"billed": "true"}}
    return made


def refusal(stack: Stack) -> str:
    """What kubectl says to one more stack; empty when it would be let in."""
    try:
        stack.kubectl("create", "--dry-run=server", "--filename=-", stdin=json.dumps(another(stack)))
    except CommandFailed as refused:
        return str(refused)
    return ""


def is_refused(said: str) -> bool:
    return all(word in said for word in WORDS)


def test_a_stack_that_does_not_fit_is_refused_with_the_sums_also_while_the_webhook_restarts(
    stack: Stack, seen: Seen
) -> None:
    eventually(
        lambda: all(is_refused(said) for said in verdicts(stack.cluster, another(stack))),
        lambda: f"each webhook refuses it: {verdicts(stack.cluster, another(stack))}",
        SEEN_WITHIN,
    )
    seen(refusal(stack))
    with restarting(stack.cluster):
        said = [refusal(stack) for _ in range(20)]
    assert [words for words in said if not is_refused(words)] == []
