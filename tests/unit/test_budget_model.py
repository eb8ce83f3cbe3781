"""Whatever happens in whatever order, a budget that denies never lets in what exceeds its limit.

What runs may exceed it: its price rises, or the limit is lowered. Then nothing more comes in, and what is
held only falls. A budget that doesn't deny counts everything.

A second, simpler book is kept by hand: what each stack holds is the most of what was asked and not yet given
back. The ledger's sums must be the same, and what fits by hand must be what it lets in.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from aistack.api.budgets import AIBudgetStatus
from aistack.budget import Ledger
from aistack.budget.claim import STANDING, Claim
from aistack.budget.ledger import MOST_SPECS, admit, commit, hold, is_committed, kept, release, withdraw
from tests.budgets import UNIT, budget, claim

STACKS = ("care/a", "care/b", "sales/c", "sales/d")
START = datetime(2026, 11, 1, tzinfo=UTC)
PATIENCE = timedelta(seconds=90)

stacks = st.sampled_from(STACKS)
costs = st.integers(min_value=0, max_value=60)
limits = st.integers(min_value=0, max_value=150)


class Budget(RuleBasedStateMachine):
    """Stacks come, change, are rolled out and go; requests are admitted, stored or lost."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.numbers = iter(range(1_000_000))
        self.committed: dict[str, int] = {}
        """By hand: what is held for each stack that was committed."""
        self.running: dict[str, Claim] = {}
        self.waiting: list[tuple[Claim, datetime]] = []
        """By hand: what was admitted and neither came nor expired."""

    @initialize(
        limit=limits,
        enforcement=st.sampled_from(["Deny", "Deny", "Warn", "Audit"]),
        basis=st.sampled_from(["Max", "Expected"]),
    )
    def begin(self, limit: int, enforcement: str, basis: str) -> None:
        self.limit = self.most = limit * UNIT
        """`most`: what may be held at most, the limit or what was held when it was exceeded."""
        self.denies, self.basis = enforcement == "Deny", basis
        self.terms = {"enforcement": enforcement, "basis": basis}
        self.ledger = Ledger.of(budget(limit=str(limit), **self.terms))

    def held(self, stack: str, without: Claim | None = None) -> int:
        waiting = [self.cost(each) for each, _ in self.waiting if each.stack == stack and each != without]
        return max([self.committed.get(stack, 0), *waiting])

    def total(self) -> int:
        return sum(self.held(stack) for stack in STACKS)

    def fits(self, asked: Claim) -> bool:
        more = self.cost(asked) - self.held(asked.stack)
        return more <= 0 or self.total() + more <= self.limit

    def has_room(self, stack: str) -> bool:
        return sum(each.stack == stack for each, _ in self.waiting) < MOST_SPECS

    def cost(self, asked: Claim) -> int:
        return asked.monthly.max if self.basis == "Max" else asked.monthly.expected

    @rule(stack=stacks, cost=costs)
    def ask(self, stack: str, cost: int) -> None:
        asked = claim(cost, stack, spec=f"spec-{next(self.numbers)}")
        expires = self.now + PATIENCE
        before = self.ledger
        self.ledger, obstacle = admit(before, asked, expires.strftime("%Y-%m-%dT%H:%M:%SZ"))
        assert (obstacle is None) == (self.fits(asked) and self.has_room(stack))
        if obstacle is None or not obstacle.denies:
            self.waiting.append((asked, expires))
        else:
            assert self.ledger is before

    @rule(data=st.data())
    def see(self, data: st.DataObject) -> None:
        """The controller sees a spec that was admitted: it fits, for its money is held."""
        if self.waiting:
            asked, _ = data.draw(st.sampled_from(self.waiting))
            self.commit(asked)
            assert is_committed(self.ledger, asked)

    @rule(stack=stacks, cost=costs)
    def see_unasked(self, stack: str, cost: int) -> None:
        """The controller sees a spec that no webhook was asked about."""
        asked = claim(cost, stack, spec=f"spec-{next(self.numbers)}")
        comes_in = self.fits(asked) or not self.denies
        self.commit(asked)
        assert is_committed(self.ledger, asked) == comes_in

    def commit(self, asked: Claim) -> None:
        self.ledger, obstacle = commit(self.ledger, asked, running=False)
        if obstacle is None:
            self.waiting = [each for each in self.waiting if each[0] != asked]
            self.committed[asked.stack] = max(self.committed.get(asked.stack, 0), self.cost(asked))
            self.running[asked.stack] = asked

    @rule(limit=limits)
    def change_limit(self, limit: int) -> None:
        """It stops nothing that runs, and drops nothing that waits."""
        self.limit = limit * UNIT
        self.ledger = replace(self.ledger, terms=budget(limit=str(limit), **self.terms).spec)
        self.most = max(self.limit, self.total())

    @rule(data=st.data(), cost=costs)
    def change_price(self, data: st.DataObject, cost: int) -> None:
        """What runs is counted at its new price, whether or not that fits."""
        if self.running:
            before = self.running[data.draw(st.sampled_from(sorted(self.running)))]
            now = replace(before, monthly=claim(cost).monthly)
            self.ledger, _ = commit(self.ledger, now, running=True)
            self.count_anyway(now)

    @rule(data=st.data(), cost=costs)
    def switch_off(self, data: st.DataObject, cost: int) -> None:
        """Never refused, whatever is left: it only stops what runs."""
        if self.running:
            stack = data.draw(st.sampled_from(sorted(self.running)))
            off = claim(cost, stack, spec=f"spec-{next(self.numbers)}", suspended=True)
            self.ledger, _ = commit(self.ledger, off, running=True)
            self.count_anyway(off)

    @rule(stack=stacks, cost=costs)
    def find_running(self, stack: str, cost: int) -> None:
        """A stack runs whose newest spec is not taken: it is counted where nothing is held for it yet."""
        found = claim(cost, stack, spec=STANDING)
        self.ledger, _ = hold(self.ledger, found)
        if stack not in self.committed:
            self.count_anyway(found)

    def count_anyway(self, runs: Claim) -> None:
        assert is_committed(self.ledger, runs)
        self.running[runs.stack] = runs
        self.committed[runs.stack] = max(self.committed.get(runs.stack, 0), self.cost(runs))
        self.most = max(self.most, self.total())

    @rule(data=st.data())
    def roll_out(self, data: st.DataObject) -> None:
        if self.running:
            asked = self.running[data.draw(st.sampled_from(sorted(self.running)))]
            self.ledger = release(self.ledger, asked)
            self.committed[asked.stack] = self.cost(asked)

    @rule(data=st.data())
    def refuse_elsewhere(self, data: st.DataObject) -> None:
        if self.waiting:
            asked, _ = data.draw(st.sampled_from(self.waiting))
            self.ledger = withdraw(self.ledger, asked)
            self.waiting = [each for each in self.waiting if each[0] != asked]

    @rule(stack=stacks)
    def delete(self, stack: str) -> None:
        self.running.pop(stack, None)
        self.committed.pop(stack, None)
        self.keep_books()

    @rule(seconds=st.integers(min_value=1, max_value=120))
    def pass_time(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        self.waiting = [(each, expires) for each, expires in self.waiting if self.now < expires]
        self.keep_books()

    def keep_books(self) -> None:
        self.ledger = kept(
            self.ledger, lambda entry: entry.stack in self.committed, lambda _: False, self.now
        )

    @rule()
    def read_again(self) -> None:
        """What was written says everything."""
        written = budget(limit=str(self.limit // UNIT), **self.terms).model_copy(
            update={"status": self.ledger.status(AIBudgetStatus())}
        )
        assert Ledger.of(written) == self.ledger
        self.ledger = Ledger.of(written)

    @invariant()
    def what_comes_in_never_exceeds_the_limit(self) -> None:
        if self.denies:
            assert self.ledger.reserved <= self.most
            self.most = max(self.limit, self.ledger.reserved)

    @invariant()
    def it_holds_what_the_book_kept_by_hand_says(self) -> None:
        assert self.ledger.reserved == self.total()


TestBudget = Budget.TestCase
