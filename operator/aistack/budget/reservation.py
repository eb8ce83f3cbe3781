"""What all budgets together say of a claim."""

from collections.abc import Mapping
from dataclasses import dataclass

from aistack.api.stack import BudgetShare
from aistack.budget.claim import Claim
from aistack.budget.ledger import Entered, Ledger, Obstacle, is_committed
from aistack.cost.money import cents

MOST_SHARES = 16
"""As many as a stack's status.budgets holds."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """Whether the money is there, and what is in the way; not every obstacle denies."""

    denied: bool = False
    obstacles: tuple[Obstacle, ...] = ()
    """In the order of the budgets' names."""
    shares: tuple[BudgetShare, ...] = ()
    """What the stack holds of each budget, as its status says it."""


NOTHING_RESERVED = Reservation()


def asked(entered: Mapping[str, Entered]) -> Reservation:
    """The answer to a spec that somebody wants to store."""
    obstacles = _obstacles(entered)
    return Reservation(any(obstacle.denies for obstacle in obstacles), obstacles)


def committed(entered: Mapping[str, Entered], claim: Claim) -> Reservation:
    """The answer to a spec that is there."""
    refused = refusing(entered, claim)
    shares = tuple(_share(ledger, claim, refused) for ledger, _ in entered.values())
    return Reservation(bool(refused), _obstacles(entered), shares[:MOST_SHARES])


def standing(entered: Mapping[str, Entered], claim: Claim) -> Reservation:
    """What is held for what runs, whatever becomes of the newest spec."""
    left_out = {name for name, (ledger, _) in entered.items() if claim.uid not in ledger.committed}
    shares = tuple(_share(ledger, claim, left_out) for ledger, _ in entered.values())
    return Reservation(obstacles=_obstacles(entered), shares=shares[:MOST_SHARES])


def refusing(entered: Mapping[str, Entered], claim: Claim) -> set[str]:
    """The names of the budgets that left the claim out."""
    return {name for name, (ledger, _) in entered.items() if not is_committed(ledger, claim)}


def _obstacles(entered: Mapping[str, Entered]) -> tuple[Obstacle, ...]:
    return tuple(obstacle for _, obstacle in entered.values() if obstacle)


def _share(ledger: Ledger, claim: Claim, refused: set[str]) -> BudgetShare:
    held = cents(ledger.held.get(claim.uid, 0))
    if ledger.name in refused:
        return BudgetShare(name=ledger.name, reserved=held, phase="Refused")
    return BudgetShare(name=ledger.name, reserved=held, phase="Pending" if refused else "Committed")
