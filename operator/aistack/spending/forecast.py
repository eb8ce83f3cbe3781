"""Where a month leads: what was spent, and what is still to come.

Once two whole weeks are known, each day to come costs what its weekday has cost on average in the last four;
before that, what an average second of this month has cost. Days are taken to vary independently, so the band
is 1.28 standard deviations wide on either side: four months of five end within it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from math import sqrt
from statistics import fmean, pstdev
from zoneinfo import ZoneInfo

from aistack.spending.budget import BudgetBook
from aistack.spending.money import PicoUnits
from aistack.spending.month import Month, month_of

DAY = 86_400.0
WEEK, WEEKS = 7, 4
TWO_WEEKS = 14
BAND = 1.28
"""Of a normal distribution four fifths lie within so many standard deviations."""
UNSURE = 0.5
"""Of what is to come, on either side, while less than a week is known."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """At the month's end."""

    expected: PicoUnits
    low: PicoUnits
    high: PicoUnits


def forecast(book: BudgetBook, zone: ZoneInfo) -> Forecast | None:
    """None before a day of the month is known."""
    month, spent = month_of(book.at, zone), book.month_to_date
    known = (book.at - max(month.begin, book.since)).total_seconds()
    if known < DAY:
        return None
    days = _whole_days(book, zone)
    rhythm = _rhythm(days)
    left = _left(book.at, month, zone)
    if rhythm:
        coming = sum(share * rhythm[day.weekday()] for day, share in left.items())
    else:
        coming = _metered(book) / known * (month.end - book.at).total_seconds()
    around = _deviation(days, rhythm) * sqrt(sum(left.values())) * BAND
    if len(days) < WEEK:
        around = coming * UNSURE
    return Forecast(
        expected=spent + round(coming),
        low=spent + round(max(0.0, coming - around)),
        high=spent + round(coming + around),
    )


def linear(spent: PicoUnits, since: datetime, now: datetime, zone: ZoneInfo) -> PicoUnits | None:
    """What a month comes to if it goes on as it went; None before a day of it is known."""
    month = month_of(now, zone)
    known = (now - max(month.begin, since)).total_seconds()
    if known < DAY:
        return None
    return spent + round(spent / known * (month.end - now).total_seconds())


def _metered(book: BudgetBook) -> PicoUnits:
    """What came in this month since metering for the budget began: of one whose book was lost less than its
    month to date, which it has from its status.
    """
    return sum(amount for day, amount in book.days.items() if day.startswith(book.month))


def _whole_days(book: BudgetBook, zone: ZoneInfo) -> dict[date, float]:
    """What each day of the last four weeks has cost that was metered from midnight to midnight."""
    first, today = book.since.astimezone(zone).date(), book.at.astimezone(zone).date()
    named = {date.fromisoformat(name): amount for name, amount in book.days.items()}
    oldest = max(first + timedelta(days=1), today - timedelta(days=WEEK * WEEKS))
    count = max(0, (today - oldest).days)
    return {
        day: float(named.get(day, 0)) for day in (oldest + timedelta(days=number) for number in range(count))
    }


def _rhythm(days: Mapping[date, float]) -> Mapping[int, float]:
    """What each day of the week costs on average; empty while less than two weeks are known."""
    if len(days) < TWO_WEEKS:
        return {}
    return {
        weekday: fmean(amount for day, amount in days.items() if day.weekday() == weekday)
        for weekday in range(WEEK)
    }


def _deviation(days: Mapping[date, float], rhythm: Mapping[int, float]) -> float:
    """How much a day differs from what was to be expected of it."""
    if len(days) < WEEK:
        return 0.0
    if not rhythm:
        return pstdev(days.values())
    return sqrt(fmean((amount - rhythm[day.weekday()]) ** 2 for day, amount in days.items()))


def _left(now: datetime, month: Month, zone: ZoneInfo) -> dict[date, float]:
    """The days that are left, and how much of each."""
    left: dict[date, float] = {}
    at = now
    while at < month.end:
        day = at.astimezone(zone).date()
        midnight = datetime.combine(day, time(), zone).astimezone(UTC)
        next_midnight = datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC)
        left[day] = (next_midnight - at) / (next_midnight - midnight)
        at = next_midnight
    return left
