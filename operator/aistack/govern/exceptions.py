"""Dated waivers: which of them lets a stack break a rule now. Nothing else decides when one has expired."""

from collections.abc import Iterable
from datetime import datetime

from aistack.api import AIPolicy, AIPolicyException
from aistack.resolve import StackRef


def waiver(
    exceptions: Iterable[AIPolicyException], policy: AIPolicy, rule: str, stack: StackRef, now: datetime
) -> AIPolicyException | None:
    """The exception under which `stack` may break `rule`; the one that holds longest when there are several.

    `now` is UTC. A policy that allows no exceptions, such as that of prohibited practices, has none.
    """
    if policy.spec.exceptions == "Never":
        return None
    name = policy.metadata.name
    applying = [each for each in exceptions if covers(each, name, rule, stack) and holds(each, now)]
    return max(applying, key=expiry, default=None)


def covers(exception: AIPolicyException, policy: str, rule: str, stack: StackRef) -> bool:
    """Whether it names this rule and this stack; it reaches only stacks of its own namespace."""
    return (
        exception.metadata.namespace == stack.namespace
        and stack.name in exception.spec.stacks
        and any(each.name == policy and rule in each.rules for each in exception.spec.policies)
    )


def holds(exception: AIPolicyException, now: datetime) -> bool:
    """Until the instant of its expiry, and no longer."""
    return now < expiry(exception)


def expiry(exception: AIPolicyException) -> datetime:
    return datetime.fromisoformat(exception.spec.expires_at)
