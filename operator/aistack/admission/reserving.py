"""The last step of a review: the money. What anything else refuses reserves nothing."""

import asyncio
from dataclasses import replace

from aistack.accounts import Accounts
from aistack.admission.request import AdmissionRequest
from aistack.admission.review import Priced, Verdict
from aistack.cost.money import cents
from aistack.platform import Platform, overspending, unaffordable

PATIENCE = 3.5
"""Seconds: the API server waits 5 s for the whole review."""
TOO_MANY = (
    "spec: too many stacks ask for money at once, and it could not be reserved in time; nothing was decided, "
    "try again"
)


async def reserve(
    request: AdmissionRequest, verdict: Verdict, platform: Platform, accounts: Accounts
) -> Verdict:
    """The verdict with what budgets say of the stack, and the money held if it is still allowed.

    A dry run holds nothing and is told what the stack costs. ApiError when a budget can't be read or written.
    """
    wanted = verdict.priced
    if not verdict.allowed or wanted is None or not (wanted.counting or request.dry_run):
        return verdict
    take = accounts.ask if request.dry_run else accounts.admit
    try:
        async with asyncio.timeout(PATIENCE):
            reservation = await take(wanted.claim, wanted.counting)
    except TimeoutError:
        return replace(verdict, problems=(TOO_MANY,))
    obstacles = reservation.obstacles
    if reservation.denied:
        return replace(verdict, problems=tuple(map(str, unaffordable(wanted.stack, obstacles, platform))))
    told = [_cost(wanted)] if request.dry_run else []
    return replace(verdict, warnings=(*told, *map(str, overspending(obstacles)), *verdict.warnings))


def _cost(wanted: Priced) -> str:
    claim = wanted.claim
    names = ", ".join(budget.metadata.name for budget in wanted.counting)
    return (
        f"a month costs {cents(claim.monthly.min)} {claim.currency} at least, "
        f"{cents(claim.monthly.expected)} expected, {cents(claim.monthly.max)} at most"
        + (f"; {len(claim.unknown)} prices are unknown" if claim.unknown else "")
        + (f"; counted by budget {names}" if names else "")
    )
