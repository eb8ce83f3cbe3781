"""The arithmetic of one budget, in whole millionths of its currency.

A stack holds one amount: what was committed for it or what is pending for it, whichever is more. Two specs
of one stack never add up, and an update holds the larger of both until it is rolled out. All that is held
never exceeds the limit by what happens here, except for what runs already: a price that rises, a limit that
is lowered and a budget that begins to count a stack stop nothing, so they only make the truth visible.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import cached_property

from aistack.api import AIBudget, Reason
from aistack.api.budgets import (
    MOST_HELD,
    MOST_STACKS,
    AIBudgetSpec,
    AIBudgetStatus,
    PendingReservation,
    StackReservation,
)
from aistack.budget.claim import Claim
from aistack.cost import MicroUnits
from aistack.cost.money import cents, micro_units

MOST_SPECS = 16
"""Specs of one stack that may be pending at once: who changes it in a loop must not fill the budget."""
MOST_PERCENT = 1_000_000
"""As many as status.reservedPercent holds."""

UNCOUNTABLE = frozenset({Reason.BUDGET_FULL, Reason.COST_TOO_LARGE})
"""The object itself can't hold it, whatever its enforcement: looked for first."""

EntryKey = tuple[str, str]
"""(uid of the stack, digest of the spec)."""


@dataclass(frozen=True)
class Ledger:
    """What one budget holds for whom, under its terms. It is never changed: every step is a new one."""

    name: str
    terms: AIBudgetSpec
    committed: Mapping[str, StackReservation]
    """By the stack's uid."""
    pending: Mapping[EntryKey, PendingReservation]

    @classmethod
    def of(cls, budget: AIBudget) -> "Ledger":
        return cls(
            name=budget.metadata.name,
            terms=budget.spec,
            committed={entry.uid: entry for entry in budget.status.stacks},
            pending={(entry.uid, entry.spec_hash): entry for entry in budget.status.pending},
        )

    @cached_property
    def limit(self) -> MicroUnits:
        return micro_units(Decimal(self.terms.limit.amount))

    @cached_property
    def held(self) -> Mapping[str, MicroUnits]:
        """What each stack holds, by its uid."""
        held = {uid: entry.micro_units for uid, entry in self.committed.items()}
        for (uid, _), entry in self.pending.items():
            held[uid] = max(entry.micro_units, held.get(uid, 0))
        return held

    @cached_property
    def reserved(self) -> MicroUnits:
        """All that is held: committed and pending."""
        return sum(self.held.values())

    @property
    def entries(self) -> Iterable[StackReservation]:
        yield from self.committed.values()
        yield from self.pending.values()

    @property
    def left(self) -> MicroUnits:
        """What is not held yet; less than nothing where more is held than the limit."""
        return self.limit - self.reserved

    def obstacle(self, claim: Claim) -> "Obstacle | None":
        """Why a claim doesn't fit; None when it does. A claim for no more than is held always fits."""
        return next((Obstacle(reason, self, claim) for reason in self._reasons(claim)), None)

    def _reasons(self, claim: Claim) -> Iterable[Reason]:
        if claim.uid not in self.held and len(self.committed) + len(self.pending) >= MOST_STACKS:
            yield Reason.BUDGET_FULL
        # What is switched off costs less, whatever the price: the kill switch must work.
        counted = claim.suspended and claim.uid in self.committed
        if claim.cost(self.terms) > MOST_HELD and not counted:
            yield Reason.COST_TOO_LARGE
        if claim.currency != self.terms.limit.currency and not counted:
            yield Reason.CURRENCY_DIFFERS
        if claim.unknown and not counted:
            yield Reason.PRICE_UNKNOWN
        more = claim.amount(self.terms) - self.held.get(claim.uid, 0)
        if more > 0 and more > self.left:
            yield Reason.BUDGET_EXCEEDED

    def is_crowded(self, claim: Claim) -> bool:
        """Whether more specs are pending than a budget keeps, of this stack or of all."""
        own = sum(uid == claim.uid for uid, _ in self.pending)
        known = (claim.uid, claim.spec_hash) in self.pending
        return not known and (own >= MOST_SPECS or len(self.pending) >= MOST_STACKS)

    def status(self, before: AIBudgetStatus) -> AIBudgetStatus:
        """As the budget's status shows it; the sums are computed anew."""
        return before.model_copy(
            update={
                "reserved": cents(self.reserved),
                "reserved_percent": self._percent(),
                "committed": cents(sum(entry.micro_units for entry in self.committed.values())),
                "pending": tuple(sorted(self.pending.values(), key=_order)),
                "stacks": tuple(sorted(self.committed.values(), key=_order)),
                "stack_count": len(self.held),
            }
        )

    def _percent(self) -> int:
        if not self.limit:
            return MOST_PERCENT if self.reserved else 0
        return min(self.reserved * 100 // self.limit, MOST_PERCENT)


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a claim doesn't fit, as the ledger was when that was decided."""

    reason: Reason
    ledger: Ledger
    claim: Claim

    @property
    def denies(self) -> bool:
        """Whether the claim is left out. Nobody can be counted whom the object can't hold."""
        return self.ledger.terms.enforcement == "Deny" or self.reason in UNCOUNTABLE


Entered = tuple[Ledger, Obstacle | None]
"""The ledger after a step, and what is in the claim's way: only where that denies was it left out."""


def admit(ledger: Ledger, claim: Claim, expires_at: str) -> Entered:
    """Holds what a spec costs that was asked for, until it is committed or `expires_at` has passed."""
    obstacle = ledger.obstacle(claim)
    if (obstacle and obstacle.denies) or is_committed(ledger, claim):
        return ledger, obstacle
    if ledger.is_crowded(claim):
        return ledger, Obstacle(Reason.BUDGET_FULL, ledger, claim)
    entry = PendingReservation(
        stack=claim.stack,
        uid=claim.uid,
        spec_hash=claim.spec_hash,
        micro_units=claim.amount(ledger.terms),
        expires_at=expires_at,
    )
    pending = {**ledger.pending, (claim.uid, claim.spec_hash): entry}
    return replace(ledger, pending=pending), obstacle


def withdraw(ledger: Ledger, claim: Claim) -> Ledger:
    """Takes back what `admit` held, where another budget did not admit the same spec."""
    key = (claim.uid, claim.spec_hash)
    return replace(ledger, pending={each: entry for each, entry in ledger.pending.items() if each != key})


def commit(ledger: Ledger, claim: Claim, *, running: bool) -> Entered:
    """Turns what is pending for a spec that was seen into what is held for it.

    `running`: the spec runs already, or only stops what runs, so what it costs is counted whether it fits or
    not; the same goes for a spec that was committed before at another price.
    """
    before = ledger.committed.get(claim.uid)
    stops = running and claim.suspended
    counts_anyway = stops or (before.spec_hash == claim.spec_hash if before else running)
    obstacle = ledger.obstacle(claim)
    if obstacle and (obstacle.reason is Reason.BUDGET_FULL or (obstacle.denies and not counts_anyway)):
        return ledger, obstacle
    entry = StackReservation(
        stack=claim.stack,
        uid=claim.uid,
        spec_hash=claim.spec_hash,
        micro_units=max(claim.amount(ledger.terms), before.micro_units if before else 0),
    )
    entered = replace(withdraw(ledger, claim), committed={**ledger.committed, claim.uid: entry})
    return entered, entered.obstacle(claim)


def hold(ledger: Ledger, claim: Claim) -> Entered:
    """Counts what runs of a stack whose newest spec is not taken, where nothing is held for it yet."""
    if claim.uid in ledger.committed:
        return ledger, None
    return commit(ledger, claim, running=True)


def restore(ledger: Ledger, claim: Claim, earlier: StackReservation | None) -> Ledger:
    """Takes back what `commit` entered, where another budget has refused the same spec."""
    others = {uid: entry for uid, entry in ledger.committed.items() if uid != claim.uid}
    return replace(ledger, committed=others | ({claim.uid: earlier} if earlier else {}))


def is_committed(ledger: Ledger, claim: Claim) -> bool:
    """Whether `commit` would change nothing."""
    entry = ledger.committed.get(claim.uid)
    return (
        entry is not None
        and entry.spec_hash == claim.spec_hash
        and entry.micro_units >= claim.amount(ledger.terms)
        and (claim.uid, claim.spec_hash) not in ledger.pending
    )


def release(ledger: Ledger, claim: Claim) -> Ledger:
    """Lets go of what an older spec, or an older price, cost more: the claim's spec is rolled out."""
    entry = ledger.committed.get(claim.uid)
    amount = claim.amount(ledger.terms)
    if entry is None or entry.spec_hash != claim.spec_hash or entry.micro_units <= amount:
        return ledger
    lowered = entry.model_copy(update={"micro_units": amount})
    return replace(ledger, committed={**ledger.committed, claim.uid: lowered})


def kept(
    ledger: Ledger,
    counts: Callable[[StackReservation], bool],
    awaited: Callable[[PendingReservation], bool],
    now: datetime,
) -> Ledger:
    """Without the entries of stacks that are gone or belong elsewhere, and without what has expired.

    `counts`: the budget counts the stack of this entry, and something of it is there. `awaited`: the spec of
    this entry is there and waits for its turn. `now` is UTC.
    """
    return replace(
        ledger,
        committed={uid: entry for uid, entry in ledger.committed.items() if counts(entry)},
        pending={
            key: entry
            for key, entry in ledger.pending.items()
            if now < datetime.fromisoformat(entry.expires_at) or awaited(entry)
        },
    )


def _order(entry: StackReservation) -> tuple[str, str, str]:
    return entry.stack, entry.uid, entry.spec_hash
