"""What a budget's status says of what was spent."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from aistack.spending.book import Book
from aistack.spending.budget import BudgetBook
from aistack.spending.forecast import Forecast, forecast
from aistack.spending.money import PicoUnits


@dataclass(frozen=True, slots=True)
class Spent:
    """One budget's month as it is known now."""

    at: datetime
    month: str
    since: datetime
    month_to_date: PicoUnits
    forecast: Forecast | None = None
    unpriced: tuple[str, ...] = ()
    """What was used and has no price: `care/support: model/llama`."""
    silent: tuple[str, ...] = ()
    """The stacks whose gateways have not all been read lately."""
    stale_since: datetime | None = None
    """When the first of those was read last."""
    unread_seconds: float = 0
    """How long gateways that have ended counted this month without being read."""


def summary(
    book: BudgetBook, stacks: Iterable[tuple[str, Book]], zone: ZoneInfo, patience: timedelta
) -> Spent:
    """`stacks` are those that the budget counts; a gateway may be silent for so long as `patience`."""
    known = list(stacks)
    read = {
        name: min((each.at for each in spent.meter.known.values()), default=None) for name, spent in known
    }
    stale = {name: at for name, at in read.items() if at and book.at - at > patience}
    return Spent(
        at=book.at,
        month=book.month,
        since=book.since,
        month_to_date=book.month_to_date,
        forecast=forecast(book, zone),
        unpriced=tuple(f"{name}: {part}" for name, spent in known for part in spent.unpriced),
        silent=tuple(sorted(stale)),
        stale_since=min(stale.values(), default=None),
        unread_seconds=sum(spent.unread_seconds for _, spent in known),
    )
