"""What a stack costs.

`prices` says what a thing costs and where that stands, `demand` how much of it the traffic needs, `charges`
multiplies, `estimate` sums up; `breakeven` and `matrix` compare.
"""

from aistack.cost.estimate import Estimate, cost_status, estimate
from aistack.cost.money import MicroUnits
from aistack.cost.prices import Prices, index

__all__ = [
    "Estimate",
    "MicroUnits",
    "Prices",
    "cost_status",
    "estimate",
    "index",
]
