"""What a stack asks of budgets, and which of them count it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aistack.api import AIBudget
from aistack.api.base import Metadata
from aistack.api.budgets import MOST_HELD, AIBudgetSpec
from aistack.api.stack import AIStackSpec
from aistack.cost import Estimate, MicroUnits
from aistack.cost.money import Range, same
from aistack.govern.matching import selects
from aistack.observed import digest
from aistack.resolve import ResolvedStack


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
        """What a budget with these terms holds for it; nothing of another currency."""
        if self.currency != terms.limit.currency:
            return 0
        return min(self.monthly.max if terms.basis == "Max" else self.monthly.expected, MOST_HELD)


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
        found = [
            budget
            for budget in self.budgets
            if selects(budget.spec.selector.namespace_selector, labels)
            and selects(budget.spec.selector.stack_selector, stack.labels)
        ]
        return tuple(sorted(found, key=lambda budget: budget.metadata.name))


NO_BUDGETS = Budgets()
