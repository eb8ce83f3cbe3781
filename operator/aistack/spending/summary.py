"""What a budget's status says of what was spent."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from aistack.api.budgets import AIBudgetSpec
from aistack.cost.money import micro_units
from aistack.spending.book import KEPT_FOR, Book
from aistack.spending.budget import BudgetBook
from aistack.spending.forecast import Forecast, forecast
from aistack.spending.money import PicoUnits, micro
from aistack.spending.thresholds import reached

NOTABLE = 100
"""A hundredth of the limit is worth being told."""


@dataclass(frozen=True, slots=True)
class Spent:
    """One budget's month as it is known now."""

    at: datetime
    month: str
    since: datetime
    month_to_date: PicoUnits
    forecast: Forecast | None = None
    unpriced: tuple[str, ...] = ()
    """What was used and has no price: `care/support: model/llama`; or one of another currency."""
    silent: tuple[str, ...] = ()
    """The stacks whose gateways have not all been read lately."""
    stale_since: datetime | None = None
    """When the first of those was read last."""
    unread_seconds: float = 0
    """How long gateways counted this month without being read before they ended or were started again."""


def summary(
    book: BudgetBook,
    stacks: Iterable[tuple[str, Book]],
    zone: ZoneInfo,
    patience: timedelta,
    *,
    currency: str,
    missing: Mapping[str, datetime],
) -> Spent:
    """`stacks` are those that the budget counts; a gateway may be silent for so long as `patience`.

    `missing` are those that run and are not metered, with since when.
    """
    known = list(stacks)
    read: dict[str, datetime | None] = {name: spent.meter.read_at for name, spent in known}
    read.update(missing)
    stale = {name: at for name, at in read.items() if at and book.at - at > patience}
    return Spent(
        at=book.at,
        month=book.month,
        since=book.since,
        month_to_date=book.month_to_date,
        forecast=forecast(book, zone),
        unpriced=tuple(line for name, spent in known for line in _unpriced(name, spent, currency)),
        silent=tuple(sorted(stale)),
        stale_since=min(stale.values(), default=None),
        unread_seconds=sum(spent.now.unread_seconds for _, spent in known),
    )


def _unpriced(name: str, spent: Book, currency: str) -> Iterator[str]:
    if spent.currency == currency:
        yield from (f"{name}: {part}" for part in spent.now.unpriced)
    else:
        yield f"{name}: counted in {spent.currency}"


def says_more(terms: AIBudgetSpec, told: Spent, spent: Spent) -> bool:
    """Whether to write a budget's status: a threshold, something missing, a hundredth of its limit more.

    What only goes on as it did is told once an hour.
    """
    if (told.month, told.silent, told.unpriced) != (spent.month, spent.silent, spent.unpriced):
        return True
    if spent.at < told.at:
        return True  # a clock was ahead
    if reached(terms, told.month_to_date) != reached(terms, spent.month_to_date):
        return True
    more = micro(spent.month_to_date - told.month_to_date)
    return more > 0 and (
        more * NOTABLE >= micro_units(Decimal(terms.limit.amount)) or spent.at - told.at >= KEPT_FOR
    )
