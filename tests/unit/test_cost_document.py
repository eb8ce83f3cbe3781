"""What docs/cost.md computes by hand of what was metered is what comes out, and what a person finds."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import sqrt
from pathlib import Path
from zoneinfo import ZoneInfo

from aistack.spending.budget import BudgetBook, Share
from aistack.spending.counters import Kind, Series
from aistack.spending.forecast import forecast, linear
from aistack.spending.meter import Use
from aistack.spending.money import PICO, micro
from aistack.spending.rates import Call, costs, rates_of
from tests.costs import TRAFFIC, managed, priced, prices, route

DOCUMENT = (
    (Path(__file__).parents[2] / "docs" / "cost.md").read_text().replace("\N{MULTIPLICATION SIGN}", "x")
)
GIB = 2**30
UTC_ZONE = ZoneInfo("UTC")
MIDNIGHT = datetime(2026, 11, 16, tzinfo=UTC)


def says(words: str) -> bool:
    return words in DOCUMENT


def test_cached_input_and_traffic_cost_what_a_person_computes() -> None:
    """gpt is 2, 0.50 and 8 a million, the internet 0.09 a GiB."""
    tokens = Decimal("0.6") * 2 + Decimal("0.4") * Decimal("0.50") + Decimal("0.1") * 8
    traffic = 3 * Decimal("0.09") + 1 * Decimal("0.09")
    assert says(f"0.6 x 2 + 0.4 x 0.50 + 0.1 x 8 = {tokens:.2f}.")
    assert says(f"0.27 + 0.09 = {traffic:.2f}. Together {tokens + traffic:.2f},")
    counted: dict[Kind, int] = {
        "prompt": 1_000_000,
        "cached": 400_000,
        "completion": 100_000,
        "sent": 3 * GIB,
        "answered": 1 * GIB,
    }
    gateway = {
        "routes": [route(("gpt", 1))],
        "expose": {"type": "Ingress", "host": "ai.example.com"},
    }
    published = priced(models=[managed()], gateway=gateway, traffic=TRAFFIC)
    use = Use(120, counted={Series("web", "chat", "gpt", kind): n for kind, n in counted.items()})
    spent = costs(use, rates_of(published, prices()))
    assert micro(spent.total) == (tokens + traffic) * 10**6
    assert micro(spent.calls[Call("web", "chat", "gpt")].cost) == (tokens + traffic) * 10**6


def cost_of(day: date) -> int:
    if day.weekday() >= 5:
        return 10
    return 28 if day < date(2026, 11, 9) else 32


def test_a_month_with_its_forecast_comes_to_what_a_person_computes() -> None:
    known = [date(2026, 11, number) for number in range(1, 16)]
    to_date = 5 * 28 + 5 * 32 + 5 * 10
    expected, band = to_date + 11 * 30 + 4 * 10, 1.28 * sqrt(10 * 2**2 / 15) * sqrt(15)
    assert says(f"5 x 28 + 5 x 32 + 5 x 10 = {to_date} to date")
    assert says(f"{expected - to_date} more, {expected:.2f} at the end")
    assert says(f"1.28 x 1.633 x √15 = {band:.2f}: from {expected - band:.2f} to {expected + band:.2f}")
    month = BudgetBook(
        at=MIDNIGHT,
        month="2026-11",
        since=datetime(2026, 10, 31, 9, tzinfo=UTC),
        shares={"uid": Share("care/support", 0, sum(map(cost_of, known)) * PICO)},
        days={day.isoformat(): cost_of(day) * PICO for day in known},
    )
    found = forecast(month, UTC_ZONE)
    assert found
    assert month.month_to_date == to_date * PICO
    assert found.expected == expected * PICO
    assert abs(found.high - (expected + band) * PICO) < 0.005 * PICO
    assert abs(found.low - (expected - band) * PICO) < 0.005 * PICO
    alone = Decimal(to_date) * 30 / 15
    assert says(f"{to_date} in 15 days of 30 make {alone:.2f}")
    assert linear(to_date * PICO, MIDNIGHT - timedelta(days=16), MIDNIGHT, UTC_ZONE) == alone * PICO
