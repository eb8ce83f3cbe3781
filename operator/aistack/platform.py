"""What the platform team provides, and what that makes of a stack: the same for webhook and controller."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import localcontext
from zoneinfo import ZoneInfo

from aistack.api import AIStack, Reason
from aistack.api.base import Metadata
from aistack.bill import money
from aistack.brake import braked
from aistack.budget import NO_BUDGETS, Budgets, Ledger, Obstacle, claim_of
from aistack.budget.fitting import ways
from aistack.budget.refusal import problem, summary
from aistack.catalog import Catalog
from aistack.cost import Estimate, Prices, estimate
from aistack.cost.assumptions import DEFAULTS
from aistack.cost.cheapest import cheapest_first
from aistack.cost.demand import shortages
from aistack.cost.limits import limit_problems
from aistack.cost.money import EXACT
from aistack.cost.prices import NO_PRICES
from aistack.govern import NO_POLICIES, Money, Policies, Verdict, facts_of, judge
from aistack.govern.facts import Facts
from aistack.kinds import AIBUDGET
from aistack.problem import Problem
from aistack.resolve import Resolution, resolve
from aistack.resolved import ResolvedStack
from aistack.spending.month import zone_of
from aistack.unreadable import Unreadable


@dataclass(frozen=True, slots=True)
class Platform:
    """What names refer to, what that costs, and what every stack must keep."""

    catalog: Catalog
    prices: Prices = NO_PRICES
    policies: Policies = NO_POLICIES
    budgets: Budgets = NO_BUDGETS
    unreadable: tuple[Unreadable, ...] = ()
    """Budgets and policies of which nobody knows what they ask."""

    def doubts(self, stack: Metadata) -> tuple[Problem, ...]:
        """What keeps anything new of this stack from running, whatever its spec says."""
        return tuple(each.problem for each in self._concerning(stack))

    def may_restrain(self, stack: Metadata) -> bool:
        """Whether a budget that can't be read may be what restrains this stack."""
        return any(each.kind == AIBUDGET.kind for each in self._concerning(stack))

    def _concerning(self, stack: Metadata) -> Iterator[Unreadable]:
        labels = self.budgets.namespaces.get(stack.namespace, {})
        return (each for each in self.unreadable if each.concerns(stack, labels))

    def resolve(self, stack: AIStack) -> Resolution:
        """Looks up every name in `stack`, and what lowestCost and monthlyLimit ask of the prices."""
        found = resolve(stack, self.catalog)
        if found.meaning is None:
            return found
        meaning = with_prices(found.meaning, self.prices, self.zone(stack.metadata))
        problems = (*found.problems, *limit_problems(meaning, self.prices))
        warnings = (*found.warnings, *_too_few_replicas(meaning))
        return Resolution(None if problems else meaning, problems, warnings, meaning)

    def zone(self, stack: Metadata) -> ZoneInfo:
        """Where the stack's month begins: where that of the first budget does that counts it."""
        zones = (zone_of(budget.spec.time_zone) for budget in self.budgets.counting(stack))
        return next((zone for zone in zones if zone), ZoneInfo("UTC"))


def with_prices(stack: ResolvedStack, prices: Prices, zone: ZoneInfo) -> ResolvedStack:
    """The same stack, with what its gateway has from prices; its months begin in `zone`."""
    return braked(cheapest_first(stack, prices), prices, zone)


def _too_few_replicas(stack: ResolvedStack) -> Iterator[Problem]:
    with localcontext(EXACT):
        found = tuple(shortages(stack, DEFAULTS))
    for model, needed in found:
        if needed is not None:
            yield Problem(
                f"spec.models[{model.name}].selfHosted.scaling.max",
                Reason.UNSCHEDULABLE,
                f"the declared traffic needs {needed} replicas, and at most {model.replicas.max} may run; "
                "what they can't serve waits, or goes on to other models in no estimate: write more",
            )


def judged(
    stack: ResolvedStack, platform: Platform, old: ResolvedStack | None = None
) -> tuple[Estimate, Verdict]:
    """What a stack costs, and what policies say of it, its cost included; `old` is it before an update."""
    estimated = priced(stack, platform)
    if not platform.policies.policies:
        return estimated, Verdict()
    return estimated, judge(stack, platform.policies, _money(stack, estimated, platform), old)


def facts(stack: ResolvedStack, platform: Platform, today: date) -> Facts:
    """What policies can ask of a stack, its cost included. `today` is UTC's."""
    return facts_of(stack, today, _money(stack, priced(stack, platform), platform))


def _money(stack: ResolvedStack, estimated: Estimate, platform: Platform) -> Money:
    return money(stack, estimated, platform.prices, _fits(stack, estimated, platform))


def priced(stack: ResolvedStack, platform: Platform) -> Estimate:
    """What a stack costs, by what stands in the platform's prices."""
    return estimate(stack, platform.prices)


def _fits(stack: ResolvedStack, estimated: Estimate, platform: Platform) -> dict[str, bool]:
    """Whether each budget that counts the stack has room for it, as far as is known here."""
    counting = platform.budgets.counting(stack.metadata)
    if not counting:
        return {}
    claim = claim_of(stack, estimated)
    return {budget.metadata.name: Ledger.of(budget).obstacle(claim) is None for budget in counting}


def unaffordable(
    stack: AIStack | None, obstacles: Sequence[Obstacle], platform: Platform
) -> tuple[Problem, ...]:
    """Why budgets refuse a stack, and what of it would fit, where its spec says anything today."""
    denying = [obstacle for obstacle in obstacles if obstacle.denies]

    def fits(changed: AIStack) -> bool:
        resolved = platform.resolve(changed).stack
        if resolved is None:
            return False
        claim = claim_of(resolved, priced(resolved, platform))
        return all(each.ledger.obstacle(claim) is None for each in denying)

    classes, currency = platform.catalog.accelerator_classes, platform.prices.currency
    found = ways(stack, classes, currency, fits) if stack else ()
    return tuple(problem(obstacle, found) for obstacle in denying)


def overspending(obstacles: Sequence[Obstacle]) -> tuple[Problem, ...]:
    """What budgets that only warn say of a stack."""
    return tuple(summary(each) for each in obstacles if each.ledger.terms.enforcement == "Warn")
