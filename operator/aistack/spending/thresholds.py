"""Which of a budget's thresholds are reached by what was really spent."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

from aistack.api.budgets import AIBudgetSpec, Threshold
from aistack.cost.money import micro_units
from aistack.spending.money import PicoUnits, micro


def reached(terms: AIBudgetSpec, spent: PicoUnits) -> Sequence[Threshold]:
    """The highest first; of a limit of nothing every threshold is reached by the first expense."""
    limit = micro_units(Decimal(terms.limit.amount))
    found = [each for each in terms.thresholds if spent and micro(spent) * 100 >= each.percent * limit]
    return sorted(found, key=lambda each: each.percent, reverse=True)


def action_of(over: Sequence[Threshold]) -> Literal["Degrade", "Stop"] | None:
    """What is done where these thresholds are reached: the hardest that one of them asks for."""
    wanted = {each.action for each in over}
    if "Stop" in wanted:
        return "Stop"
    return "Degrade" if "Degrade" in wanted else None
