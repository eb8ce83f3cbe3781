"""What a stack asks of budgets, and which of them count it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from aistack.api import AIBudget
from aistack.api.base import Metadata
from aistack.api.budgets import MOST_HELD, AIBudgetSpec
from aistack.api.stack import AIStackSpec, AIStackStatus, MonthlyRange
from aistack.cost import Estimate, MicroUnits
from aistack.cost.money import Range, micro_units, same
from aistack.govern.matching import selects
from aistack.observed import digest
from aistack.resolved import ResolvedStack

STANDING = "standing"
"""In the place of a spec's digest: what runs, whatever the newest spec says."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One spec of one stack, and what a month of it costs."""

    stack: str
    """`care/support`."""
    uid: str
    spec_hash: str
    currency: str
    monthly: Range[MicroUnits]
    """What is known of the cost."""
    unknown: tuple[str, ...] = ()
    """What has no price: where, and what to write."""
    suspended: bool = False

    def amount(self, terms: AIBudgetSpec) -> MicroUnits:
        """What a budget with these terms holds for it: its cost, as far as that can be held."""
        return min(self.cost(terms), MOST_HELD)

    def cost(self, terms: AIBudgetSpec) -> MicroUnits:
        """What counts by these terms, be it more than can be held; nothing of another currency."""
        if self.currency != terms.limit.currency:
            return 0
        return self.monthly.max if terms.basis == "Max" else self.monthly.expected


def claim_of(stack: ResolvedStack, estimated: Estimate) -> Claim:
    return Claim(
        stack=f"{stack.ref.namespace}/{stack.ref.name}",
        uid=stack.ref.uid,
        spec_hash=spec_hash(stack.spec),
        currency=estimated.currency,
        monthly=estimated.monthly or same(0),
        unknown=tuple(map(str, estimated.unknown)),
        suspended=stack.spec.suspend,
    )


def standing_claim(stack: Metadata, status: AIStackStatus) -> Claim | None:
    """What runs of a stack whose newest spec is not taken, at what its status says it costs.

    None when nothing was ever applied.
    """
    if not status.inventory or status.cost is None:
        return None
    monthly = status.cost.counted or status.cost.monthly  # an older version said no more than cents
    return Claim(
        stack=f"{stack.namespace}/{stack.name}",
        uid=stack.uid,
        spec_hash=STANDING,
        currency=status.cost.currency,
        monthly=_range(monthly) if monthly else same(0),
        unknown=status.cost.unknown_prices,
    )


def _range(monthly: MonthlyRange) -> Range[MicroUnits]:
    return Range(*(micro_units(Decimal(amount)) for amount in (monthly.min, monthly.expected, monthly.max)))


def spec_hash(spec: AIStackSpec) -> str:
    """What a reservation is for: the same for every spec that means the same."""
    return digest(spec.dump())


@dataclass(frozen=True, slots=True)
class Budgets:
    """Every budget, and the labels of every namespace: by them budgets choose their stacks."""

    budgets: Sequence[AIBudget] = ()
    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def counting(self, stack: Metadata) -> tuple[AIBudget, ...]:
        """Those that count the stack of this metadata, by name."""
        labels = self.namespaces.get(stack.namespace, {})
        found = [budget for budget in self.budgets if counts(budget.spec, stack, labels)]
        return tuple(sorted(found, key=lambda budget: budget.metadata.name))


def counts(terms: AIBudgetSpec, stack: Metadata, namespace_labels: Mapping[str, str]) -> bool:
    """Whether a budget with these terms counts the stack of this metadata."""
    selector = terms.selector
    return selects(selector.namespace_selector, namespace_labels) and selects(
        selector.stack_selector, stack.labels
    )


NO_BUDGETS = Budgets()
