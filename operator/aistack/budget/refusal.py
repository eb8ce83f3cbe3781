"""The words in which a stack is told that a budget has no room for it."""

from collections.abc import Sequence

from aistack.api import Reason
from aistack.api.budgets import MOST_HELD, MOST_STACKS
from aistack.budget.ledger import Ledger, Obstacle
from aistack.cost.money import cents
from aistack.problem import Problem

MOST_NAMED = 5
"""Stacks of the requester's own namespace that are named; the rest is a sum."""
MOST_UNKNOWN = 3
"""Things without a price that are named; the rest is counted."""


def problem(obstacle: Obstacle, ways: Sequence[str] = ()) -> Problem:
    """The whole on one line: the budget, what is in the way, and how to fit into it."""
    return Problem("spec", obstacle.reason, "; ".join((_told(obstacle), *_ways(obstacle, ways))))


def summary(obstacle: Obstacle) -> Problem:
    """What a condition says: without what changes with every other stack, so that it stands still."""
    ledger, claim = obstacle.ledger, obstacle.claim
    told = _told(obstacle)
    if obstacle.reason is Reason.BUDGET_EXCEEDED:
        told = (
            f"budget {ledger.name} of {_money(ledger.limit, ledger)} a month has no room for "
            f"{_money(claim.amount(ledger.terms), ledger)}; write fewer replicas at most or a cheaper class, "
            "or have its limit raised"
        )
    return Problem("spec", obstacle.reason, told)


def _told(obstacle: Obstacle) -> str:
    ledger, claim = obstacle.ledger, obstacle.claim
    match obstacle.reason:
        case Reason.CURRENCY_DIFFERS:
            return (
                f"budget {ledger.name} is in {ledger.terms.limit.currency} and the stack's prices in "
                f"{claim.currency}; write prices in {ledger.terms.limit.currency} into a PriceBook"
            )
        case Reason.PRICE_UNKNOWN:
            more = len(claim.unknown) - MOST_UNKNOWN
            named = "; ".join(claim.unknown[:MOST_UNKNOWN]) + (f"; and {more} more" if more > 0 else "")
            return f"budget {ledger.name} counts no stack with unknown prices: {named}"
        case Reason.BUDGET_FULL:
            if ledger.is_crowded(claim):
                return f"budget {ledger.name} waits for too many changes; try again in two minutes"
            return f"budget {ledger.name} counts {MOST_STACKS} stacks, as many as one can; write a second one"
        case Reason.COST_TOO_LARGE:
            return (
                f"budget {ledger.name} counts at most {_money(MOST_HELD, ledger)} a month for one stack, and "
                f"this one costs {cents(claim.cost(ledger.terms))}; divide it into several, or write prices "
                "and limits in a currency of larger units"
            )
        case _:
            return "; ".join((_standing(ledger, claim.stack), _asked(obstacle)))


def _standing(ledger: Ledger, asking: str) -> str:
    """What is reserved by whom, as far as the one who asks may know."""
    room = (
        f"has {cents(ledger.left)} left" if ledger.left >= 0 else f"is {cents(-ledger.left)} over its limit"
    )
    held = f"{cents(ledger.reserved)}{_holders(ledger, asking)}"
    return f"budget {ledger.name} of {_money(ledger.limit, ledger)} a month {room}: reserved {held}"


def _holders(ledger: Ledger, asking: str) -> str:
    """The largest of the same namespace by name, everybody else as a sum."""
    namespace = asking.partition("/")[0]
    names = {entry.uid: entry.stack for entry in ledger.entries}
    here = {uid: held for uid, held in ledger.held.items() if names[uid].partition("/")[0] == namespace}
    named = sorted(here, key=lambda uid: (-here[uid], names[uid]))[:MOST_NAMED]
    others = [held for uid, held in ledger.held.items() if uid not in named]
    told = [f"{names[uid]} {cents(here[uid])}" for uid in named]
    if others:
        told.append(f"{len(others)} other{'s' if len(others) > 1 else ''} {cents(sum(others))}")
    return f" ({', '.join(told)})" if told else ""


def _asked(obstacle: Obstacle) -> str:
    ledger, claim = obstacle.ledger, obstacle.claim
    monthly, held = claim.monthly, ledger.held.get(claim.uid, 0)
    basis = "the most" if ledger.terms.basis == "Max" else "the expected"
    adds = cents(claim.amount(ledger.terms) - held)
    return (
        f"this stack costs {cents(monthly.min)} at least, {cents(monthly.expected)} expected, "
        f"{cents(monthly.max)} at most; {basis} counts, so it needs {adds}" + (" more" if held else "")
    )


def _ways(obstacle: Obstacle, ways: Sequence[str]) -> tuple[str, ...]:
    if obstacle.reason is not Reason.BUDGET_EXCEEDED:
        return ()
    ledger, claim = obstacle.ledger, obstacle.claim
    enough = ledger.reserved - ledger.held.get(claim.uid, 0) + claim.amount(ledger.terms)
    raised = f"a limit of {_money(enough, ledger)} in AIBudget {ledger.name}"
    return ("it would fit with " + ", or ".join((*ways, raised)),)


def _money(micro: int, ledger: Ledger) -> str:
    return f"{cents(micro)} {ledger.terms.limit.currency}"
