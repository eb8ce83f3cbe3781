"""What is wrong with a budget itself."""

from collections.abc import Iterator

from aistack.api import Reason
from aistack.api.budgets import AIBudgetSpec
from aistack.problem import Problem
from aistack.spending.month import zone_of


def terms_problems(spec: AIBudgetSpec) -> Iterator[Problem]:
    """Every field that can't be kept to, and what to write instead."""
    if zone_of(spec.time_zone) is None:
        message = f"there is no time zone {spec.time_zone}; write one such as Europe/Berlin, or UTC"
        yield Problem("spec.timeZone", Reason.INVALID_SPEC, message)
