"""What becomes of the gateway of a stack when money is really spent: it degrades or stops, as a whole for a
budget, in part for a monthlyLimit."""

from collections.abc import Iterable, Set
from dataclasses import dataclass, field, replace

from aistack.allowances import Exhausted, exhausted_before
from aistack.api import AIBudget, ConditionType, Reason
from aistack.api.stack import AIStackStatus, Condition
from aistack.cost import Prices
from aistack.cost.cheapest import cheapest_only
from aistack.resolved import ResolvedRoute, ResolvedStack, WeightedTarget


@dataclass(frozen=True, slots=True)
class Restraint:
    """`reason` is DEGRADED or STOPPED."""

    reason: Reason
    message: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """All that a gateway is held back by."""

    restraint: Restraint | None = None
    exhausted: Exhausted = field(default_factory=dict)


def restraint_of(counting: Iterable[AIBudget], standing: Restraint | None = None) -> Restraint | None:
    """The hardest of what the budgets that count a stack ask for; of equals the first by name.

    `standing` is one that nobody may lift: it stays unless as much is asked for.
    """
    asking = [budget for budget in counting if budget.status.action]
    asking.sort(key=lambda budget: (budget.status.action != "Stop", budget.metadata.name))
    asked = _restraint(asking[0]) if asking else None
    if asked is None:
        return standing
    if standing and standing.reason is Reason.STOPPED and asked.reason is Reason.DEGRADED:
        return standing
    return asked


def _restraint(budget: AIBudget) -> Restraint:
    name, month = budget.metadata.name, budget.status.month
    until = f"until its month turns after {month}, or its limit is raised"
    if budget.status.action == "Stop":
        told = f"budget {name} has stopped the gateway {until}: every request is answered with 402"
        return Restraint(Reason.STOPPED, told)
    told = f"budget {name} has every route lead to the cheapest of its targets and fallbacks {until}"
    return Restraint(Reason.DEGRADED, told)


def standing_hold(status: AIStackStatus) -> Hold:
    """That under which a stack runs, by its status."""
    return Hold(standing_restraint(status.conditions), exhausted_before(status.cost))


def standing_restraint(conditions: Iterable[Condition]) -> Restraint | None:
    """The one under which a stack runs, by its status."""
    said = (item for item in conditions if item.type == ConditionType.WITHIN_THRESHOLDS)
    return next((Restraint(Reason(item.reason), item.message) for item in said), None)


def restrained(stack: ResolvedStack, hold: Hold, prices: Prices) -> ResolvedStack:
    """The stack as its gateway is to serve it. What it may cost and what policies say of it stays."""
    if hold.exhausted:
        stack = _without(stack, hold.exhausted)
    if hold.restraint is None:
        return stack
    if hold.restraint.reason is Reason.STOPPED:
        return replace(stack, gateway=replace(stack.gateway, stopped=True))
    return cheapest_only(stack, prices)


def _without(stack: ResolvedStack, exhausted: Exhausted) -> ResolvedStack:
    spent = {model.name for model in stack.managed if f"model/{model.name}" in exhausted}
    clients = {
        client.name: exhausted[part]
        for client in stack.gateway.clients
        if (part := f"client/{client.name}") in exhausted
    }
    gateway = replace(
        stack.gateway,
        routes=tuple(_avoiding(spent, route) for route in stack.gateway.routes),
        spent_clients=clients,
        resting=tuple(model for model in stack.gateway.reached if model.name in spent),
    )
    return replace(stack, gateway=gateway)


def _avoiding(spent: Set[str], route: ResolvedRoute) -> ResolvedRoute:
    """Its other targets, or else its first fallback in their place; without one it answers no more."""
    targets = tuple(target for target in route.targets if target.model.name not in spent)
    fallbacks = tuple(model for model in route.fallbacks if model.name not in spent)
    if not any(target.weight for target in targets):
        if not fallbacks:
            return replace(route, stopped=True)
        targets = (WeightedTarget(fallbacks[0], 1),)
    known = all(target.model.spec.context_window for target in targets if target.weight)
    longer = tuple(model for model in route.long_context_fallbacks if known and model.name not in spent)
    return replace(route, targets=targets, fallbacks=fallbacks, long_context_fallbacks=longer)
