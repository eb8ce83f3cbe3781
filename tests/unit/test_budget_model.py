"""Whatever happens in whatever order, a budget that denies never holds more than its limit.

A second, simpler book is kept by hand: what each stack holds is the most of what was asked and not yet given
back. The ledger's sums must be the same, and what fits by hand must be what it lets in.
"""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from aistack.api.budgets import AIBudgetStatus
from aistack.budget import Ledger
from aistack.budget.claim import Claim
from aistack.budget.ledger import MOST_SPECS, admit, commit, is_committed, kept, release, withdraw
from tests.budgets import UNIT, budget, claim

STACKS = ("care/a", "care/b", "sales/c", "sales/d")
START = datetime(2026, 11, 1, tzinfo=UTC)
PATIENCE = timedelta(seconds=90)

stacks = st.sampled_from(STACKS)
costs = st.integers(min_value=0, max_value=60)


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

    @initialize(limit=st.integers(min_value=0, max_value=150))
    def begin(self, limit: int) -> None:
        self.limit = limit
        self.ledger = Ledger.of(budget(limit=str(limit)))

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

    @staticmethod
    def cost(asked: Claim) -> int:
        return asked.monthly.max // UNIT

    @rule(stack=stacks, cost=costs)
    def ask(self, stack: str, cost: int) -> None:
        asked = claim(cost, stack, spec=f"spec-{next(self.numbers)}")
        expires = self.now + PATIENCE
        before = self.ledger
        self.ledger, obstacle = admit(before, asked, expires.strftime("%Y-%m-%dT%H:%M:%SZ"))
        assert (obstacle is None) == (self.fits(asked) and self.has_room(stack))
        if obstacle is None:
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
        fits = self.fits(asked)
        self.commit(asked)
        assert is_committed(self.ledger, asked) == fits

    def commit(self, asked: Claim) -> None:
        self.ledger, obstacle = commit(self.ledger, asked, running=False)
        if obstacle is None:
            self.waiting = [each for each in self.waiting if each[0] != asked]
            self.committed[asked.stack] = max(self.committed.get(asked.stack, 0), self.cost(asked))
            self.running[asked.stack] = asked

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
        written = budget(limit=str(self.limit)).model_copy(
            update={"status": self.ledger.status(AIBudgetStatus())}
        )
        assert Ledger.of(written) == self.ledger
        self.ledger = Ledger.of(written)

    @invariant()
    def it_never_holds_more_than_its_limit(self) -> None:
        assert self.ledger.reserved <= self.limit * UNIT

    @invariant()
    def it_holds_what_the_book_kept_by_hand_says(self) -> None:
        assert self.ledger.reserved == self.total() * UNIT


TestBudget = Budget.TestCase
