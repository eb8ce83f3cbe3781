"""One measured number, its goal, and the table of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, isnan
from statistics import median


@dataclass(frozen=True, slots=True)
class Measure:
    """A number that is better when it is smaller; `goal` is the most that it should be.

    NaN is a number that this machine can't tell. `low` and `high` are the extremes of several rounds.
    """

    what: str
    stacks: int
    value: float
    unit: str = ""
    goal: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def verdict(self) -> str:
        """`met`, `missed`, or empty where there is no goal or no number."""
        if self.goal is None or isnan(self.value):
            return ""
        return "met" if self.value <= self.goal else "missed"


def of_rounds(
    what: str, stacks: int, values: Sequence[float], unit: str = "", goal: float | None = None
) -> Measure:
    """The median of several rounds with its extremes; one round has no spread."""
    spread = (min(values), max(values)) if len(values) > 1 else (None, None)
    return Measure(what, stacks, median(values), unit, goal, *spread)


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that at least this share of them does not exceed (nearest rank)."""
    return sorted(values)[max(1, ceil(share * len(values))) - 1]


def table(measures: Sequence[Measure]) -> str:
    """Markdown, one row a measure."""
    head = ["| measure | stacks | measured | spread | goal | |", "|---|---:|---:|---:|---:|---|"]
    return "\n".join([*head, *map(_row, measures)])


def _row(measure: Measure) -> str:
    low, high = measure.low, measure.high
    spread = "" if low is None or high is None else f"{_digits(low)} to {_digits(high)}"
    goal = "" if measure.goal is None else f"≤ {measure.goal:g}"
    value = "not known" if isnan(measure.value) else f"{_digits(measure.value)} {measure.unit}".rstrip()
    return f"| {measure.what} | {measure.stacks:,} | {value} | {spread} | {goal} | {measure.verdict} |"


def _digits(value: float) -> str:
    """Three digits that count, or all of a larger number's whole ones."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
