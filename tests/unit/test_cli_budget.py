"""`aistack budget`: what a reader sees of budgets, from objects as the API server shows them."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from aistack.api import AIBudget, AIStack
from aistack.budget import Ledger
from aistack.budget.ledger import admit, commit
from aistack.cli.budget import WIDTH, BudgetError, bar, document, report, run
from aistack.cli.showback import Metered, difference
from aistack.cost.charges import Category
from aistack.cost.prices import Price
from aistack.resolved import StackRef
from aistack.spending.book import Book
from aistack.spending.budget import opened
from aistack.spending.forecast import Forecast
from aistack.spending.gone import gone
from aistack.spending.meter import begun
from aistack.spending.money import heard
from aistack.spending.rates import Amount, Item
from aistack.spending.summary import Spent
from aistack.spending.tally import Tally
from aistack.status import of_budget
from tests.budgets import EXPIRES, budget, claim
from tests.costs import SOURCE
from tests.stacks import stack

NOW = datetime.fromisoformat(EXPIRES) - timedelta(seconds=45)


def held(limit: str = "100", **spec: Any) -> AIBudget:
    """A budget with 60 for one stack and 30 pending for another."""
    found = budget(limit=limit, **spec)
    ledger, _ = commit(Ledger.of(found), claim(60, "care/support"), running=True)
    ledger, _ = admit(ledger, claim(30, "sales/chat"), EXPIRES)
    return found.model_copy(update={"status": of_budget(found, ledger, NOW)})


def shown(found: AIBudget) -> list[str]:
    console = Console(width=200, markup=False, highlight=False)
    with console.capture() as captured:
        for line in report(found, NOW):
            console.print(line)
    return captured.get().splitlines()


def test_it_shows_what_is_left_and_the_largest_stack_first() -> None:
    headline, first, second, *_ = shown(held())
    assert headline == ("AIBudget care: 90.00 of 100.00 USD a month reserved, 10.00 left; Deny, by the most")
    assert first.split() == ["care/support", "60.00", "█" * (WIDTH * 6 // 10), "committed"]
    assert second.split() == ["sales/chat", "30.00", "█" * (WIDTH * 3 // 10), "pending,", "45s"]


def test_the_document_shows_a_budget_as_it_is_printed() -> None:
    """12600 and 6810 are 19410 of 25000, and the bars are 20.2 and 10.9 of 40 columns long."""
    found = budget(limit="25000")
    ledger, _ = commit(Ledger.of(found), claim(12_600, "care/support"), running=True)
    ledger, _ = admit(ledger, claim(6_810, "care/search"), EXPIRES)
    lines = shown(found.model_copy(update={"status": of_budget(found, ledger, NOW)}))
    document = (Path(__file__).parents[2] / "docs" / "cost.md").read_text().splitlines()
    assert lines[0].startswith("AIBudget care: 19410.00 of 25000.00")
    assert [line.count("█") for line in lines[1:3]] == [20, 10]
    for line in lines[:3]:
        assert line.rstrip() in document


def metered(**fields: Any) -> AIBudget:
    found = held()
    spent = Spent(NOW, "2026-11", NOW - timedelta(days=9), 12_345_678 * 10**6, **fields)
    return found.model_copy(update={"status": of_budget(found, Ledger.of(found), NOW, spent)})


def test_it_says_what_was_really_spent_and_where_the_month_leads() -> None:
    leads = Forecast(expected=40 * 10**12, low=30 * 10**12, high=50 * 10**12)
    _, spent, *_ = shown(metered(forecast=leads))
    assert spent == (
        "  12.35 USD spent in 2026-11, as of 2026-11-01T00:00:45Z; 40.00 at its end (30.00 to 50.00)"
    )
    assert shown(metered())[1] == "  12.35 USD spent in 2026-11, as of 2026-11-01T00:00:45Z"
    assert document(metered(forecast=leads))["spent"]["forecastHigh"] == "50.00"


def bill(cost: str, month: str = "2026-11", currency: str = "USD") -> Book:
    """What a stack has used, in one row."""
    price = Price(Decimal("0.80"), "AcceleratorClass nvidia-l4", SOURCE, "2026-11-01")
    used = Item("model/llama", "nvidia-l4 on demand", Category.COMPUTE, "Hours", price, None, "Kubernetes")
    return Book(begun(NOW), currency, now=Tally(month, {used: Amount(10**12, heard(cost))}))


def in_a_cluster(**books: Book) -> Metered:
    """By `namespace/name` of the stacks."""
    names = {f"uid-of-{title}": title.partition("/") for title in books}
    stacks = {uid: AIStack.parse(stack(name, namespace)) for uid, (namespace, _, name) in names.items()}
    return Metered(stacks, {f"uid-of-{title}": book for title, book in books.items()}, {})


@pytest.mark.parametrize(
    ("books", "said"),
    [
        pytest.param({"care/support": bill("12.34")}, "", id="the same, but for the last looks"),
        pytest.param(
            {"care/support": bill("12.34"), "sales/chat": bill("99")}, "", id="a stack of another budget"
        ),
        pytest.param(
            {"care/support": bill("90", currency="EUR")}, " 0.00 by these rows", id="one of another currency"
        ),
        pytest.param({"care/support": bill("2")}, "2.00 by these rows", id="a stack that was deleted"),
        pytest.param({"care/support": bill("80")}, "80.00 by these rows", id="one that came in"),
        pytest.param({"care/support": bill("12.34", "2026-10")}, " 0.00 by", id="none read this month"),
        pytest.param({}, "12.35 USD spent in 2026-11", id="no stack at all"),
    ],
)
def test_a_bill_that_is_not_what_the_budget_has_seen_spent_says_so(books: dict[str, Book], said: str) -> None:
    found = difference(metered(), in_a_cluster(**books))
    assert said in found
    assert bool(said) == bool(found)


def test_a_budget_that_nothing_was_metered_of_has_no_sum_to_compare_with() -> None:
    assert difference(held(), in_a_cluster(**{"care/support": bill("2")})) == ""


def test_what_a_deleted_stack_has_cost_is_on_the_bill_of_its_month() -> None:
    ref, tags = StackRef("chat", "sales", "uid-of-sales/chat"), {"team": "sales"}
    left = gone(ref, tags, bill("10.35"))
    budget = metered()
    months = {
        budget.metadata.uid: replace(opened(NOW, ZoneInfo("UTC")), month="2026-11", gone={ref.uid: left})
    }
    cluster = replace(in_a_cluster(**{"care/support": bill("2")}), budgets=months)
    assert difference(budget, cluster) == "", "2.00 and 10.35 are what it has seen"
    (found,) = cluster.gone(budget.metadata.uid, last_month=False)
    assert (found.stack, found.tags, found.tally.month) == (ref, tags, "2026-11")
    assert list(cluster.gone(budget.metadata.uid, last_month=True)) == []
    assert list(cluster.gone("uid-of-another", last_month=False)) == []


def test_each_currency_that_a_stacks_prices_had_in_the_month_is_a_bill_of_its_own() -> None:
    euros, dollars = bill("3", currency="EUR"), bill("12.35")
    cluster = in_a_cluster(**{"care/support": replace(euros, others={"USD": dollars})})
    found = cluster.bills("uid-of-care/support", last_month=False)
    assert [(each.book.currency, each.tally) for each in found] == [("EUR", euros.now), ("USD", dollars.now)]
    assert difference(metered(), cluster) == "", "the dollars are what the budget has seen"
    december = bill("3", month="2026-12", currency="EUR")
    later = in_a_cluster(**{"care/support": replace(december, others={"USD": dollars})})
    past = later.bills("uid-of-care/support", last_month=True)
    assert [each.tally.cost for each in past] == [0, dollars.now.cost]


def test_one_stack_and_the_month_before_are_told_as_bills_only() -> None:
    with pytest.raises(BudgetError, match="write --output csv with them"):
        run("care", "", "text", stack="", last_month=True)
    with pytest.raises(BudgetError, match="write --output csv with them"):
        run("", "", "json", stack="care/support", last_month=False)
    with pytest.raises(BudgetError, match="not both"):
        run("care", "", "csv", stack="care/support", last_month=False)


def test_it_says_what_is_wrong_with_the_budget() -> None:
    lines = "\n".join(shown(held(limit="50", enforcement="Warn")))
    assert "90.00 of 50.00 USD a month reserved, 40.00 over the limit; Warn" in lines
    assert "OverLimit: 90.00 of 50.00 USD are reserved" in lines


def test_a_budget_that_nobody_has_looked_at_yet_says_so() -> None:
    fresh = AIBudget.parse({**budget().dump(), "metadata": {"name": "care", "generation": 1}})
    assert "the controller hasn't seen the newest spec yet" in "\n".join(shown(fresh))


@pytest.mark.parametrize(
    ("amount", "drawn"),
    [(0, ""), (1, "▏"), (80, "█" * 10), (83, "█" * 10 + "▍"), (320, "█" * WIDTH), (9999, "█" * WIDTH)],
)
def test_a_bar_is_as_long_as_its_part_of_the_limit(amount: int, drawn: str) -> None:
    assert bar(amount, WIDTH * 8) == drawn


def test_a_program_gets_every_amount_exactly() -> None:
    found = document(held())
    assert (found["limit"], found["reserved"]) == ("100.000000", "90.000000")
    assert [(each["stack"], each["reserved"], each["phase"]) for each in found["stacks"]] == [
        ("care/support", "60.000000", "Committed"),
        ("sales/chat", "30.000000", "Pending"),
    ]
