"""What a stack and a budget have spent: months, moves, ends, and what is read back after a restart."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistack.cost.charges import Category
from aistack.cost.prices import Price
from aistack.resolved import StackRef
from aistack.spending import book as stack_book
from aistack.spending import budget as budget_book
from aistack.spending.book import Book, entered, in_currency
from aistack.spending.budget import BudgetBook, looked, opened
from aistack.spending.counters import Series
from aistack.spending.gone import gone, packed, unpacked
from aistack.spending.meter import Known, Meter, Use, begun
from aistack.spending.money import PICO, micro
from aistack.spending.month import month_name, month_of
from aistack.spending.rates import Amount, Call, Called, Costs, Item
from aistack.spending.tally import Tally
from aistack.spending.tariffs import Listed
from aistack.spending.throughput import Busy, Throughput
from aistack.units import timestamp

PRICE = Price(Decimal("0.03"), "PriceBook default", "https://prices.example", "2026-11-01")
CPU = Item("gateway", "CPU", Category.COMPUTE, "Core-Hours", PRICE, None, "Kubernetes")
TOKENS = Item("model/gpt", "gpt-x input tokens", Category.AI, "1000000 Tokens", PRICE, "eu", "openai")
UTC_ZONE, BERLIN = ZoneInfo("UTC"), ZoneInfo("Europe/Berlin")
START = datetime(2026, 11, 10, tzinfo=UTC)
USED = {CPU: Amount(1, 3), TOKENS: Amount(2, 5)}
CALLERS = st.builds(
    Call, st.sampled_from(["", "web"]), st.sampled_from("ab"), st.sampled_from(["llama", "gpt"])
)


def months_of(*days: tuple[int, int]) -> Book:
    """One that is looked at on these days of months, and each time has used the same."""
    spent = Costs(USED, {Call("web", "chat", "gpt"): Called(0, 5)}, frozenset({"tier"}))
    book = Book(begun(START), "USD")
    for month, day in days:
        meter = Meter(START, datetime(2026, month, day, tzinfo=UTC))
        book = entered(book, meter, Use(60, unread_seconds=7), spent, UTC_ZONE)
    return book


def stack(total: int, since: datetime = START) -> Book:
    """One that has cost so many whole units since it is metered."""
    return Book(begun(since), "USD", total * PICO)


class Months:
    """A budget that looks every ten minutes."""

    def __init__(self, begin: datetime = START, zone: ZoneInfo = UTC_ZONE) -> None:
        self.now, self.zone = begin, zone
        self.book: BudgetBook = opened(begin, zone)

    def sees(self, **stacks: Book | None) -> int:
        """The month to date, in whole units."""
        self.now += timedelta(minutes=10)
        named = {uid: (f"care/{uid}", book) for uid, book in stacks.items()}
        self.book = looked(self.book, named, self.now, self.zone)
        return self.book.month_to_date // PICO


def test_a_month_is_the_budgets_own() -> None:
    last = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)
    assert (month_name(last, UTC_ZONE), month_name(last, BERLIN)) == ("2026-10", "2026-11")
    november, march = month_of(last, BERLIN), month_of(datetime(2026, 3, 5, tzinfo=UTC), BERLIN)
    assert november.begin == datetime(2026, 10, 31, 23, tzinfo=UTC)
    assert november.end == datetime(2026, 11, 30, 23, tzinfo=UTC)
    assert march.seconds == (31 * 24 - 1) * 3600, "an hour of it is skipped"
    assert month_of(datetime(2026, 12, 31, tzinfo=UTC), UTC_ZONE).end == datetime(2027, 1, 1, tzinfo=UTC)


def test_a_stacks_month_is_by_item_client_and_route_and_begins_anew() -> None:
    book = months_of((11, 11), (11, 20), (12, 1))
    assert (book.total, book.now.cost, book.now.month) == (24, 8, "2026-12")
    assert (book.now.components, book.now.clients) == ({"gateway": 3, "model/gpt": 5}, {"web": 5})
    assert (book.now.routes, book.now.items) == ({"chat": 5}, USED)
    assert (book.now.unpriced, book.now.unread_seconds) == (("tier",), 7)
    assert (book.last.month, book.last.cost) == ("2026-11", 16), "the bill of the month before can be had"


def used_on(book: Book, month: int, day: int) -> Book:
    """With what is used between its last look and one on this day."""
    meter = Meter(START, datetime(2026, month, day, tzinfo=UTC))
    return entered(book, meter, Use(60), Costs(USED, {}, frozenset()), UTC_ZONE)


def test_what_was_used_in_another_currency_stays_on_its_bill_and_goes_on_where_that_comes_back() -> None:
    dollars = months_of((11, 11), (11, 12))
    euros = used_on(in_currency(dollars, "EUR"), 11, 20)
    assert (euros.currency, euros.total, euros.now.cost) == ("EUR", 8, 8)
    assert euros.others["USD"].now == dollars.now
    again = used_on(in_currency(euros, "USD"), 11, 21)
    assert (again.currency, again.total, again.now.cost) == ("USD", 24, 24)
    assert {currency: each.total for currency, each in again.others.items()} == {"EUR": 8}
    assert in_currency(again, "USD") is again


@pytest.mark.parametrize("turned", [False, True], ids=["in the month", "with the month's turn"])
def test_another_currencys_month_is_forgotten_when_that_of_the_next_is_over(turned: bool) -> None:
    dollars = months_of((11, 11))
    euros = used_on(in_currency(dollars, "EUR"), *((12, 1) if turned else (11, 20)))
    december = used_on(euros, 12, 2)
    assert december.others["USD"].of_month("2026-11") == dollars.now
    january = entered(
        december, Meter(START, datetime(2027, 1, 1, tzinfo=UTC)), Use(60), Costs({}, {}), UTC_ZONE
    )
    assert january.others == {}


def test_a_clock_that_was_ahead_over_a_months_turn_takes_no_month_away() -> None:
    book = months_of((11, 11), (12, 1), (11, 12))
    assert (book.now.month, book.now.cost) == ("2026-11", 16)
    assert (book.last.month, book.last.cost) == ("2026-12", 8)
    turned = months_of((11, 11), (12, 1), (11, 12), (12, 2))
    assert (turned.now.cost, turned.last.cost) == (16, 16), "each once"


def test_what_a_self_hosted_model_costs_is_shared_out_by_the_tokens_of_the_month() -> None:
    llama = Item("model/llama", "nvidia-l4 on demand", Category.COMPUTE, "Hours", PRICE, None, "Kubernetes")
    calls = {
        Call("web", "chat", "llama"): Called(75, 0),
        Call("batch", "chat", "llama"): Called(15, 0),
        Call("batch", "search", "llama"): Called(10, 2),
        Call("web", "chat", "gpt"): Called(0, 5),
    }
    used = Tally("2026-11", {llama: Amount(1, 1000), CPU: Amount(1, 3), TOKENS: Amount(2, 5)}, calls)
    assert used.clients == {"web": 755, "batch": 252}
    assert used.routes == {"chat": 905, "search": 102}
    idle = Tally("2026-11", {llama: Amount(1, 1000)})
    assert (idle.clients, idle.cost) == ({}, 1000), "what nobody has used is nobody's"


def test_a_model_that_ran_here_before_it_was_managed_has_spent_nothing_of_its_limit_by_that() -> None:
    ran = Item("model/gpt", "nvidia-l4 on demand", Category.COMPUTE, "Hours", PRICE, None, "Kubernetes")
    used = Tally("2026-11", {ran: Amount(1, 1000), TOKENS: Amount(2, 5)})
    assert used.limited(["model/gpt", "client/web"]) == {"model/gpt": 5, "client/web": 0}


@given(st.lists(st.tuples(CALLERS, st.integers(0, 10**9), st.integers(0, 10**15)), max_size=20))
def test_no_more_is_shared_out_than_was_spent(looks: list[tuple[Call, int, int]]) -> None:
    llama = Item("model/llama", "cpu", Category.COMPUTE, "Hours", PRICE, None, "Kubernetes")
    tally, used_by_somebody = Tally("2026-11"), False
    for call, tokens, cost in looks:
        hosted = call.target == "llama"
        called = Called(tokens, 0) if hosted else Called(0, cost)
        tally = tally.plus(Costs({llama if hosted else TOKENS: Amount(1, cost)}, {call: called}), 0)
        used_by_somebody |= hosted and tokens > 0
    for shared in (sum(tally.clients.values()), sum(tally.routes.values())):
        left = tally.cost - shared
        assert 0 <= left <= (len(tally.calls) if used_by_somebody else tally.components.get("model/llama", 0))


def test_a_stacks_book_is_read_back_as_it_was_kept() -> None:
    known = {"uid-a": Known(START, {Series("web", "chat", "gpt", "prompt"): 12})}
    meter, used = Meter(START, START + timedelta(seconds=1.5), known), {CPU: Amount(7, 3)}
    calls = {Call("web", "chat", "gpt"): Called(0, 2), Call("", "chat", "llama"): Called(7, 1)}
    now, last = Tally("2026-11", used, calls, ("tier",), 1.5), Tally("2026-10", {TOKENS: Amount(1, 1)})
    busy = Throughput("digest", "support-llama-7f", (Busy(START, 900.5),), 900, timestamp(START))
    other = Book(Meter(START, START), "USD", 7, "UTC", Tally("2026-11", USED, calls), last)
    tariffs = {"gpt": Listed({"prompt": TOKENS, "sent": None}, START), "llama": Listed({}, START)}
    sums = Book(meter, "EUR", 10**21 + 7, "Europe/Berlin", now, last)
    book = replace(sums, throughput={"llama": busy}, others={"USD": other}, tariffs=tariffs)
    kept = stack_book.dumped(book)
    assert stack_book.loaded(kept) == book
    assert stack_book.dumped(stack_book.loaded(kept)) == kept
    assert '"total": "1000000000.000000000007"' in kept["data"][stack_book.BOOK]


@pytest.mark.parametrize(
    "broken", [{}, {"data": {}}, {"data": {stack_book.BOOK: "{}"}}, {"data": {stack_book.BOOK: "["}}]
)
def test_a_book_that_is_none_says_so(broken: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="holds no spending"):
        stack_book.loaded(broken)
    with pytest.raises(ValueError, match="holds no spending"):
        budget_book.loaded({"data": {budget_book.BOOK: "[1]"}})


def noise(seed: str) -> str:
    """Text that nothing compresses."""
    return "".join(hashlib.sha256(f"{seed}-{part}".encode()).hexdigest() for part in range(30))


def test_of_very_many_deleted_stacks_the_latest_are_kept_within_what_the_api_server_takes() -> None:
    used = Book(begun(START), "USD", now=Tally("2026-11", USED))
    alike = {f"uid-{n}": gone(StackRef("chat", "care", f"uid-{n}"), {}, used) for n in range(400)}
    assert unpacked(packed(alike.values())) == alike
    unlike = {uid: replace(each, tags={"team": noise(uid)}) for uid, each in alike.items()}
    kept = unpacked(packed(unlike.values()))
    assert 50 < len(kept) < len(unlike)
    assert list(kept) == list(unlike)[-len(kept) :]


def test_looking_twice_adds_nothing() -> None:
    months = Months()
    assert [months.sees(a=stack(5)) for _ in range(3)] == [5, 5, 5]
    assert months.sees(a=stack(7)) == 7


def test_a_stack_that_was_there_before_the_budget_begins_at_zero() -> None:
    months = Months()
    before = START - timedelta(days=3)
    assert months.sees(a=stack(50, since=before)) == 0
    assert months.sees(a=stack(53, since=before)) == 3


def test_a_look_into_the_past_sees_nothing() -> None:
    months = Months()
    months.sees(a=stack(5))
    months.now -= timedelta(days=40)
    assert months.sees(a=stack(7)) == 5
    assert months.book.month == "2026-11"


def test_a_stack_that_goes_leaves_behind_what_it_spent() -> None:
    months = Months()
    months.sees(a=stack(5), b=stack(1))
    assert months.sees(b=stack(2)) == 7


def test_a_stack_that_moves_away_and_back_is_counted_only_while_it_is_here() -> None:
    months = Months()
    months.sees(a=stack(5))
    months.sees()
    assert months.sees(a=stack(100)) == 5
    assert months.sees(a=stack(103)) == 8


def test_a_stack_whose_book_can_not_be_read_is_counted_when_it_can() -> None:
    months = Months()
    months.sees(a=stack(5))
    assert months.sees(a=None) == 5
    assert months.sees(a=stack(9)) == 9


def test_a_stack_whose_book_was_lost_goes_on_from_there() -> None:
    months = Months()
    months.sees(a=stack(50))
    assert months.sees(a=stack(2)) == 50
    assert months.sees(a=stack(6)) == 54


def test_a_new_month_begins_at_zero_where_the_budget_is() -> None:
    months = Months(datetime(2026, 10, 31, 22, 35, tzinfo=UTC), BERLIN)
    months.sees(a=stack(5, since=months.now), b=stack(5, since=months.now))
    months.sees(a=stack(6), b=stack(6))
    assert (months.book.month, months.sees(a=stack(8))) == ("2026-10", 2), "and b has ended"
    assert (months.book.month, months.book.days) == (
        "2026-11",
        {"2026-10-31": 12 * PICO, "2026-11-01": 2 * PICO},
    )
    assert set(months.book.shares) == {"a"}


@pytest.mark.parametrize(
    ("zone", "month", "seen"),
    [("UTC", "2026-12", 3), ("Asia/Tokyo", "2026-12", 3), ("UTC", "2026-11", 90)],
)
def test_after_an_outage_no_more_is_in_the_new_month_than_in_the_stacks_own(
    zone: str, month: str, seen: int
) -> None:
    months = Months()
    months.sees(a=stack(5))
    months.now += timedelta(days=21)
    spending = replace(stack(95), zone=zone, now=Tally(month, {CPU: Amount(1, 3 * PICO)}))
    assert months.sees(a=spending) == seen
    assert months.sees(a=spending) == seen


def test_of_a_stack_that_could_not_be_read_when_the_month_turned_the_new_one_has_its_own() -> None:
    months = Months()
    months.sees(a=stack(5))
    months.now += timedelta(days=21)
    assert months.sees(a=None) == 0
    spending = replace(stack(95), now=Tally("2026-12", {CPU: Amount(1, 3 * PICO)}))
    assert months.sees(a=spending) == 3


def test_stacks_that_come_and_go_all_month_are_one_sum_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget_book, "MOST_SHARES", 3)
    months = Months()
    for number in range(9):
        months.sees(**{f"run-{number}": stack(2, since=months.now)}, stays=stack(number))
    assert months.sees(stays=stack(9)) == 9 * 2 + 9
    assert len(months.book.shares) <= 4


def test_a_budgets_book_is_read_back_as_it_was_kept() -> None:
    months = Months()
    months.sees(a=stack(5), b=stack(1))
    months.sees(a=stack(6))
    assert budget_book.loaded(budget_book.dumped(months.book)) == months.book


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 50), st.booleans()), max_size=40))
def test_the_days_and_the_shares_add_up_to_what_was_spent_here(steps: list[tuple[str, int, bool]]) -> None:
    months, totals, here = Months(), {"a": 0, "b": 0}, 0
    months.sees(a=stack(0), b=stack(0))
    for uid, more, restarts in steps:
        totals[uid] += more
        here += more
        months.sees(**{each: stack(total) for each, total in totals.items()})
        if restarts:
            months.book = budget_book.loaded(budget_book.dumped(months.book))
    assert months.book.month_to_date == here * PICO == sum(months.book.days.values())


def test_it_is_rounded_up_once_where_it_is_shown() -> None:
    assert (micro(1), micro(1_000_000), micro(1_000_001), micro(0)) == (1, 1, 2, 0)
