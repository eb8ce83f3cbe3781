"""Which stacks a policy is about."""

from collections.abc import Mapping

from aistack.api.base import LabelExpression, LabelSelector
from aistack.api.policies import PolicyMatch
from aistack.resolved import ResolvedStack


def matches(match: PolicyMatch, stack: ResolvedStack, namespace_labels: Mapping[str, str]) -> bool:
    """All that is set must match."""
    spec = stack.spec
    return (
        (not match.environments or spec.environment in match.environments)
        and (not match.risk_tiers or spec.governance.risk_tier in match.risk_tiers)
        and selects(match.namespace_selector, namespace_labels)
        and selects(match.stack_selector, stack.metadata.labels)
    )


def selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Whether an object with these labels is selected, as Kubernetes decides it."""
    return all(labels.get(key) == value for key, value in selector.match_labels.items()) and all(
        _meets(requirement, labels) for requirement in selector.match_expressions
    )


def _meets(requirement: LabelExpression, labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value in requirement.values
        case "NotIn":
            return value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
