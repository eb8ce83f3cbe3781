"""What a stack costs, and the money reserved for it.

`prices` says what a thing costs and where that stands, `demand` how much of it the traffic needs, `charges`
multiplies, `estimate` sums up; `breakeven` and `matrix` compare. Nothing is reserved yet: every stack passes.
"""

from dataclasses import dataclass

from aistack.cost.estimate import Estimate, cost_status, estimate
from aistack.cost.money import MicroUnits
from aistack.cost.prices import Prices, index
from aistack.problem import Problem

__all__ = [
    "Estimate",
    "MicroUnits",
    "Prices",
    "Reservation",
    "cost_status",
    "estimate",
    "index",
    "reserve",
]


@dataclass(frozen=True, slots=True)
class Reservation:
    """What budgets say of an estimate: `refusals` keep the stack from changing."""

    refusals: tuple[Problem, ...] = ()


def reserve(_estimate: Estimate) -> Reservation:
    """Reserves an estimate in every budget that counts the stack."""
    return Reservation()
