"""What stacks may cost together: which budgets count a stack, and what they hold for it.

`claim` is what a stack asks, `ledger` the arithmetic of one budget, `reservation` what all of them answer,
`refusal` the words for that, `fitting` what would fit instead. All of it is pure; `aistack.accounts` writes.
"""

from aistack.budget.claim import NO_BUDGETS, Budgets, Claim, claim_of, standing_claim
from aistack.budget.ledger import Ledger, Obstacle
from aistack.budget.reservation import NOTHING_RESERVED, Reservation

__all__ = [
    "NOTHING_RESERVED",
    "NO_BUDGETS",
    "Budgets",
    "Claim",
    "Ledger",
    "Obstacle",
    "Reservation",
    "claim_of",
    "standing_claim",
]
