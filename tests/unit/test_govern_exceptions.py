"""A waiver reaches what it names, in its own namespace, until it expires."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aistack.govern.exceptions import waiver
from aistack.resolve import StackRef
from tests.rulebook import exception, policy

EXPIRY = datetime(2027, 1, 31, tzinfo=UTC)
STACK = StackRef("support", "care", "uid")
OTHERS = {"policies": [{"name": "other", "rules": ["owner"]}]}


def holds(now: datetime = EXPIRY - timedelta(days=1), namespace: str = "care", **spec: Any) -> bool:
    return waiver([exception(namespace, **spec)], policy(), "owner", STACK, now) is not None


def test_it_holds_until_the_instant_of_its_expiry_and_no_longer() -> None:
    assert holds(EXPIRY - timedelta(microseconds=1))
    assert not holds(EXPIRY)


@pytest.mark.parametrize(
    ("why", "changes"),
    [
        ("another stack", {"stacks": ["other"]}),
        ("another policy", OTHERS),
        ("another rule", {"policies": [{"name": "mine", "rules": ["other"]}]}),
        ("another namespace", {"namespace": "sales"}),
    ],
)
def test_it_reaches_nothing_that_it_does_not_name(why: str, changes: dict[str, Any]) -> None:
    assert not holds(**changes), why


def test_the_one_that_holds_longest_is_named() -> None:
    both = [exception(ticket="GOV-1", expiresAt="2027-03-01T00:00:00Z"), exception(ticket="GOV-2")]
    found = waiver(both, policy(), "owner", STACK, datetime(2026, 11, 23, tzinfo=UTC))
    assert found is not None
    assert found.spec.ticket == "GOV-1"


def test_a_policy_can_take_none() -> None:
    now = EXPIRY - timedelta(days=1)
    assert waiver([exception()], policy(exceptions="Never"), "owner", STACK, now) is None
