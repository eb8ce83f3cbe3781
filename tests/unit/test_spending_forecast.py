"""Where a month leads, from what its days have cost."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistack.api.budgets import AIBudgetStatus
from aistack.spending.book import Book
from aistack.spending.budget import BudgetBook, Share, looked, reopened
from aistack.spending.forecast import Forecast, forecast, linear
from aistack.spending.meter import begun
from aistack.spending.money import PICO

ZONE = ZoneInfo("Europe/Berlin")
MIDNIGHT = datetime(2026, 11, 15, 23, tzinfo=UTC)
"""The 16th of November begins in Berlin: 15 of 30 days have passed. It is a Monday."""


def book(days: list[float], at: datetime = MIDNIGHT) -> BudgetBook:
    """After days that have cost so much; the last of them ended just now."""
    today = at.astimezone(ZONE).date()
    named = {today - timedelta(days=len(days) - number): int(cost * PICO) for number, cost in enumerate(days)}
    spent = sum(amount for day, amount in named.items() if (day.year, day.month) == (today.year, today.month))
    return BudgetBook(
        at=at,
        month=f"{today:%Y-%m}",
        since=at - timedelta(days=len(days) + 1),
        shares={"a": Share("care/a", spent, spent)},
        days={day.isoformat(): amount for day, amount in named.items()},
    )


def month(days: list[float], at: datetime = MIDNIGHT) -> Forecast | None:
    return forecast(book(days, at), ZONE)


def test_a_month_that_goes_on_as_it_went_comes_to_twice_its_half() -> None:
    found = month([10.0] * 15)
    assert found is not None
    assert found.expected == 300 * PICO
    assert (found.low, found.high) == (found.expected, found.expected), "no day was different"


def test_before_a_day_is_known_nothing_is_said() -> None:
    new = BudgetBook(at=MIDNIGHT, month="2026-11", since=MIDNIGHT - timedelta(hours=23), shares={})
    assert forecast(new, ZONE) is None


def test_a_few_days_are_taken_at_their_mean_with_a_wide_band() -> None:
    found = month([10.0, 20.0])
    assert found is not None
    # Three days are known, the first of them without a cost: ten a day, and fifteen days to come.
    assert found.expected == pytest.approx((30 + 15 * 10) * PICO)
    assert found.low == pytest.approx((30 + 15 * 5) * PICO)
    assert found.high == pytest.approx((30 + 15 * 15) * PICO)


def test_what_a_lost_book_is_known_to_have_cost_is_no_pace() -> None:
    """Two thousand until the 15th; a hundred in the day that it is metered again, and fifteen to come."""
    status = AIBudgetStatus(month="2026-11", month_to_date="2000.00")
    metered = reopened(status, MIDNIGHT - timedelta(days=1), ZONE)
    for at, total in ((metered.at, 5000), (MIDNIGHT, 5100)):
        stack = Book(begun(MIDNIGHT - timedelta(days=20)), "USD", total * PICO)
        metered = looked(metered, {"a": ("care/a", stack)}, at, ZONE)
    found = forecast(metered, ZONE)
    assert found is not None
    assert found.expected == pytest.approx((2100 + 15 * 100) * PICO)


def test_weekends_that_cost_nothing_go_on_to_cost_nothing() -> None:
    days = [
        float(10 * ((MIDNIGHT - timedelta(days=28 - n)).astimezone(ZONE).weekday() < 5)) for n in range(28)
    ]
    found = month(days)
    assert found is not None
    spent = sum(days[-15:])
    working = sum(date(2026, 11, day).weekday() < 5 for day in range(16, 31))
    assert working == 11
    assert found.expected == pytest.approx((spent + 11 * 10) * PICO)
    assert found.high == pytest.approx(found.expected)


def test_restless_days_make_the_band_wide_and_it_narrows_towards_the_end() -> None:
    restless = [0.0, 20.0] * 14
    early, late = month(restless), month(restless, at=MIDNIGHT + timedelta(days=14))
    assert early is not None
    assert late is not None
    assert early.high - early.low > late.high - late.low > 0


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60), st.integers(0, 29), st.integers(0, 23))
def test_it_is_never_less_than_what_was_spent_and_lies_within_its_band(
    days: list[float], day: int, hour: int
) -> None:
    at = datetime(2026, 10, 31, 23, tzinfo=UTC) + timedelta(days=day, hours=hour)
    found = month(days, at)
    if found is not None:
        assert book(days, at).month_to_date <= found.low <= found.expected <= found.high


def test_a_stacks_forecast_is_a_straight_line() -> None:
    since = MIDNIGHT - timedelta(days=30)
    assert linear(150 * PICO, since, MIDNIGHT, ZONE) == 300 * PICO
    assert linear(150 * PICO, MIDNIGHT - timedelta(hours=5), MIDNIGHT, ZONE) is None
