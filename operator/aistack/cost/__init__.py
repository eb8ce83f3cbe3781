"""What a stack costs, and the money reserved for it.

Nothing is priced or reserved yet: the steps pass every stack on, and the status says nothing about cost.
"""

from dataclasses import dataclass

from aistack.problem import Problem
from aistack.resolve import ResolvedStack

MicroUnits = int
"""Millionths of a currency unit."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A month's cost at the least, the expected and the most replicas; None is unknown, never zero."""

    min: MicroUnits | None = None
    expected: MicroUnits | None = None
    max: MicroUnits | None = None


@dataclass(frozen=True, slots=True)
class Reservation:
    """What budgets say of an estimate: `refusals` keep the stack from changing."""

    refusals: tuple[Problem, ...] = ()


def estimate(_stack: ResolvedStack) -> Estimate:
    """The estimate of a stack."""
    return Estimate()


def reserve(_estimate: Estimate) -> Reservation:
    """Reserves an estimate in every budget that counts the stack."""
    return Reservation()
