"""The arithmetic of one budget: what fits, what is held, what is given back."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from aistack.api import Reason
from aistack.api.budgets import MOST_HELD, AIBudgetStatus
from aistack.budget import Ledger
from aistack.budget.claim import Claim
from aistack.budget.ledger import MOST_SPECS, admit, commit, is_committed, kept, release, restore, withdraw
from aistack.budget.refusal import problem
from aistack.cost.money import same
from tests.budgets import EXPIRES, UNIT, budget, claim

NOW = datetime(2026, 11, 1, tzinfo=UTC)
EMPTY = Ledger.of(budget())


def admitted(*claims: Claim, ledger: Ledger = EMPTY) -> Ledger:
    for each in claims:
        ledger, obstacle = admit(ledger, each, EXPIRES)
        assert obstacle is None
    return ledger


def running(*claims: Claim, ledger: Ledger = EMPTY) -> Ledger:
    for each in claims:
        ledger, obstacle = commit(ledger, each, running=False)
        assert obstacle is None
    return ledger


def refused(ledger: Ledger, asked: Claim) -> Reason | None:
    """Why it is; None when it isn't."""
    after, obstacle = admit(ledger, asked, EXPIRES)
    assert (after is ledger) == (obstacle is not None)
    return obstacle.reason if obstacle else None


def test_what_fits_is_held_to_the_last_unit() -> None:
    ledger = admitted(claim(60, "care/a"), claim(40, "care/b"))
    assert ledger.left == 0
    assert refused(ledger, replace(claim(1, "care/c"), monthly=same(1))) is Reason.BUDGET_EXCEEDED


def test_a_spec_that_comes_takes_the_place_of_its_pending_entry() -> None:
    ledger = running(claim(60), ledger=admitted(claim(60)))
    assert ledger.pending == {}
    assert ledger.reserved == 60 * UNIT


def test_an_update_needs_only_what_it_costs_more() -> None:
    ledger = running(claim(60))
    assert refused(ledger, claim(100, spec="second")) is None
    assert refused(ledger, claim(101, spec="second")) is Reason.BUDGET_EXCEEDED


def test_an_update_holds_the_larger_of_both_until_it_is_rolled_out() -> None:
    smaller = claim(20, spec="second")
    ledger = running(smaller, ledger=admitted(smaller, ledger=running(claim(60))))
    assert ledger.reserved == 60 * UNIT
    assert release(ledger, claim(60)) is ledger, "an older spec gives nothing back"
    assert release(ledger, smaller).reserved == 20 * UNIT


def test_a_stack_that_costs_less_fits_into_a_budget_that_is_over_its_limit() -> None:
    before = budget(limit="10")
    over = replace(running(claim(60)), terms=before.spec)
    assert over.left < 0
    assert refused(over, claim(50, spec="second")) is None
    assert refused(over, claim(61, spec="second")) is Reason.BUDGET_EXCEEDED
    assert refused(over, claim(1, "care/other")) is Reason.BUDGET_EXCEEDED


def test_two_specs_of_a_stack_that_are_asked_for_at_once_hold_the_larger() -> None:
    ledger = admitted(claim(60), claim(50, spec="second"))
    assert ledger.reserved == 60 * UNIT


@pytest.mark.parametrize("enforcement", ["Warn", "Audit"])
def test_a_budget_that_does_not_deny_counts_what_does_not_fit(enforcement: str) -> None:
    ledger, obstacle = admit(Ledger.of(budget(enforcement=enforcement)), claim(150), EXPIRES)
    assert obstacle is not None
    assert not obstacle.denies
    assert ledger.left == -50 * UNIT
    ledger, _ = commit(ledger, claim(150), running=False)
    assert is_committed(ledger, claim(150))


def test_the_basis_says_what_is_held() -> None:
    assert admitted(claim(60), ledger=Ledger.of(budget(basis="Expected"))).reserved == 30 * UNIT


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (claim(1, unknown=("gateway: CPU: write a price",)), Reason.PRICE_UNKNOWN),
        (claim(1, currency="EUR"), Reason.CURRENCY_DIFFERS),
    ],
)
def test_what_cannot_be_counted_is_refused(asked: Claim, reason: Reason) -> None:
    assert refused(EMPTY, asked) is reason


def test_what_is_switched_off_is_never_refused() -> None:
    ledger, _ = commit(EMPTY, claim(60, unknown=("its price",)), running=True)
    off = claim(0, spec="off", unknown=("its price",), suspended=True)
    after, obstacle = commit(ledger, off, running=False)
    assert obstacle is None
    assert release(after, off).reserved == 0


def test_what_only_stops_counts_in_a_budget_that_has_no_room_for_it() -> None:
    full, off = running(claim(100, "care/a")), claim(5, "care/b", suspended=True)
    after, _ = commit(full, off, running=True)
    assert after.reserved == 105 * UNIT
    assert commit(full, off, running=False)[0] is full, "what never ran has nothing to stop"


@pytest.mark.parametrize(
    ("before", "asked", "why"),
    [
        (EMPTY, claim(150), "it ran before the budget counted it"),
        (running(claim(60)), claim(150), "its price has risen"),
    ],
)
def test_what_runs_counts_whether_it_fits_or_not(before: Ledger, asked: Claim, why: str) -> None:
    after, obstacle = commit(before, asked, running=True)
    assert obstacle is None, why
    assert after.reserved == 150 * UNIT
    assert refused(after, claim(1, "care/other")) is Reason.BUDGET_EXCEEDED


def test_a_new_spec_must_fit_even_where_an_older_one_runs() -> None:
    ledger = running(claim(60))
    after, obstacle = commit(ledger, claim(150, spec="second"), running=True)
    assert after is ledger
    assert obstacle is not None


def test_what_is_committed_needs_no_write() -> None:
    ledger = running(claim(60))
    assert is_committed(ledger, claim(60))
    assert is_committed(ledger, claim(50)), "a price that fell is given back when nothing is rolling out"
    assert not is_committed(ledger, claim(61))
    assert not is_committed(ledger, claim(60, spec="second"))
    assert admit(ledger, claim(60), EXPIRES) == (ledger, None)


def test_what_another_budget_refused_is_taken_back() -> None:
    ledger = running(claim(60))
    second = claim(80, spec="second")
    assert withdraw(admitted(second, ledger=ledger), second) == ledger
    committed, _ = commit(ledger, second, running=False)
    assert restore(committed, second, ledger.committed[second.uid]) == ledger
    assert restore(running(second), second, None) == EMPTY


def test_a_stack_that_changes_in_a_loop_does_not_fill_the_budget() -> None:
    ledger = admitted(*(claim(1, spec=f"spec-{number}") for number in range(MOST_SPECS)))
    assert refused(ledger, claim(1, spec="one-more")) is Reason.BUDGET_FULL
    assert refused(ledger, claim(1, "care/other")) is None
    assert admit(ledger, claim(1, spec="spec-3"), EXPIRES)[1] is None, "asked again about the same"
    committed = running(claim(1, spec="one-more"), ledger=ledger)
    assert is_committed(committed, claim(1, spec="one-more")), "what is there counts"


def test_a_budget_that_holds_as_many_as_it_can_refuses_the_next_even_where_it_only_warns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("aistack.budget.ledger.MOST_STACKS", 2)
    full = running(claim(1, "care/a"), claim(1, "care/b"), ledger=Ledger.of(budget(enforcement="Warn")))
    over = claim(150, "care/c")  # that it has no room either is nothing that a warning could mend
    for step in (
        admit(full, claim(1, "care/c"), EXPIRES),
        admit(full, over, EXPIRES),
        commit(full, over, running=True),
    ):
        assert step[0] is full
        assert step[1] is not None
        assert step[1].reason is Reason.BUDGET_FULL
        assert step[1].denies


@pytest.mark.parametrize("enforcement", ["Deny", "Warn", "Audit"])
def test_a_stack_that_costs_more_than_a_number_can_hold_is_never_counted_as_less(enforcement: str) -> None:
    huge = Ledger.of(budget(limit="20000000000", enforcement=enforcement))
    most = replace(claim(1, "care/a"), monthly=same(MOST_HELD))
    assert admitted(most, ledger=huge).reserved == MOST_HELD, "to the last millionth"
    for asked in (claim(15_000_000_000), replace(most, monthly=same(MOST_HELD + 1))):
        _, obstacle = admit(huge, asked, EXPIRES)
        assert obstacle is not None
        assert obstacle.denies
        assert "counts at most 9007199254.74 USD a month for one stack" in problem(obstacle).message
        assert refused(huge, asked) is Reason.COST_TOO_LARGE


def test_a_sum_that_the_status_can_not_say_is_still_the_sum_and_lets_nobody_in() -> None:
    full = Ledger.of(budget(limit="999999999999.999999"))
    for number in range(120):
        full, _ = commit(full, claim(15_000_000_000, f"care/s{number}"), running=True)
    assert full.reserved == 120 * MOST_HELD
    status = full.status(AIBudgetStatus())
    assert AIBudgetStatus.parse(status.dump()) == status
    assert status.reserved == "999999999999.99", "the most that an amount says"
    assert refused(full, claim(1)) is Reason.BUDGET_EXCEEDED
    assert Ledger.of(budget(limit="999999999999.999999").model_copy(update={"status": status})) == full


def test_what_runs_at_more_than_a_number_can_hold_is_counted_with_the_most_and_can_be_switched_off() -> None:
    huge = Ledger.of(budget(limit="9000000000"))
    runs, _ = commit(huge, claim(15_000_000_000), running=True)
    assert runs.reserved == MOST_HELD
    assert runs.left < 0, "and it shows"
    assert is_committed(runs, claim(15_000_000_000)), "once"
    off = claim(9_100_000_000, spec="off", suspended=True)
    assert admit(runs, off, EXPIRES)[1] is None


def test_pending_entries_end_when_they_expire_and_no_sooner() -> None:
    ledger = admitted(claim(60))
    expired = datetime.fromisoformat(EXPIRES)
    just_before = expired - timedelta(seconds=1)
    assert kept(ledger, lambda _: True, lambda _: False, just_before) == ledger
    assert kept(ledger, lambda _: True, lambda _: False, expired) == EMPTY
    assert kept(ledger, lambda _: True, lambda _: True, expired) == ledger, "its stack waits for its turn"


def test_a_stack_that_is_gone_holds_nothing() -> None:
    ledger = running(claim(60, "care/a"), claim(30, "care/b"))
    assert kept(ledger, lambda entry: entry.stack == "care/a", lambda _: False, NOW).reserved == 60 * UNIT


def test_the_status_says_the_sums_and_reads_back_as_the_same_ledger() -> None:
    ledger = admitted(claim(40, "care/b"), ledger=running(claim(30, "care/a")))
    status = ledger.status(AIBudgetStatus())
    assert (status.reserved, status.committed, status.reserved_percent) == ("70.00", "30.00", 70)
    assert status.stack_count == 2
    assert Ledger.of(budget().model_copy(update={"status": status})) == ledger
    assert AIBudgetStatus.parse(status.dump()) == status


def test_a_limit_of_nothing_is_used_up_by_anything() -> None:
    ledger, _ = commit(Ledger.of(budget(limit="0")), claim(1), running=True)
    assert ledger.status(AIBudgetStatus()).reserved_percent == 1_000_000
