"""What budgets do to the gateway of a stack when its money is really spent: it degrades, or it stops."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from aistack.api import AIBudget, ConditionType, Reason
from aistack.api.stack import Condition
from aistack.cost import Prices
from aistack.cost.cheapest import cheapest_only
from aistack.resolve import ResolvedStack


@dataclass(frozen=True, slots=True)
class Restraint:
    """`reason` is DEGRADED or STOPPED."""

    reason: Reason
    message: str = ""


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


def standing_restraint(conditions: Iterable[Condition]) -> Restraint | None:
    """The one under which a stack runs, by its status."""
    said = (item for item in conditions if item.type == ConditionType.WITHIN_THRESHOLDS)
    return next((Restraint(Reason(item.reason), item.message) for item in said), None)


def restrained(stack: ResolvedStack, restraint: Restraint | None, prices: Prices) -> ResolvedStack:
    """The stack as its gateway is to serve it. What it may cost and what policies say of it stays."""
    if restraint is None:
        return stack
    if restraint.reason is Reason.STOPPED:
        return replace(stack, gateway=replace(stack.gateway, stopped=True))
    return cheapest_only(stack, prices)
