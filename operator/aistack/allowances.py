"""Money that a managed model or a client may cost in a month.

Where it is spent, the gateway asks the model no more, and answers the client with 429, until the month turns
or the limit is raised. What was spent is metered; between two looks a gateway whose limits hold over all its
replicas counts by itself (`brake`), and any other one may go beyond a limit.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from aistack.api import ConditionType, Reason
from aistack.api.base import Money
from aistack.api.stack import AIStackSpec, CostStatus, LimitStatus
from aistack.causes import Cause
from aistack.cost import MicroUnits
from aistack.cost.money import micro_units, plain
from aistack.observed import Metered

Exhausted = Mapping[str, str]
"""The parts whose money is spent, and until when (RFC 3339, UTC)."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """One monthlyLimit, and what is known of it."""

    part: str
    """`model/gpt`, `client/web`."""
    limit: Money
    spent: MicroUnits
    """Since the month began."""
    until: str
    """When the month turns: RFC 3339, UTC."""

    @property
    def is_spent(self) -> bool:
        return is_reached(self.limit, self.spent)

    def __str__(self) -> str:
        stopped = "is not asked" if self.part.startswith("model/") else "is answered with 429"
        return (
            f"{self.part} has cost its {self.limit.amount} {self.limit.currency} of this month and {stopped} "
            f"until {self.until}, or until its monthlyLimit is raised"
        )


def is_reached(limit: Money, spent: MicroUnits) -> bool:
    return spent >= micro_units(Decimal(limit.amount))


def limits_of(spec: AIStackSpec) -> dict[str, Money]:
    """By part."""
    limits = {f"model/{model.name}": model.managed.monthly_limit for model in spec.models if model.managed}
    limits |= {f"client/{client.name}": client.monthly_limit for client in spec.gateway.clients}
    return {part: limit for part, limit in limits.items() if limit}


def allowances(
    spec: AIStackSpec, metered: Metered | None, before: CostStatus | None, now: datetime
) -> tuple[Allowance, ...]:
    """Of each limit of which something is known, as long as that month lasts. While nothing is metered, as
    after a restart, that is what the status said `before`. Less of the same month than that was not spent,
    though metering may have lost its sums.
    """
    limits = limits_of(spec)
    said = _said(before, limits) if before else {}
    if metered:
        until = metered.until
        known = {
            part: (max(spent, said.get((part, until), 0)), until) for part, spent in metered.limited.items()
        }
    else:
        known = {part: (spent, until) for (part, until), spent in said.items()}
    found = (Allowance(part, limit, *known[part]) for part, limit in limits.items() if part in known)
    return tuple(each for each in found if now < datetime.fromisoformat(each.until))


def _said(before: CostStatus, limits: Mapping[str, Money]) -> dict[tuple[str, str], MicroUnits]:
    """What was spent, by part and until when; what a limit of another currency had is nothing to this one."""
    return {
        (each.part, each.until): micro_units(Decimal(each.spent))
        for each in before.limits
        if each.part in limits and limits[each.part].currency == before.currency
    }


def exhausted(found: Iterable[Allowance]) -> Exhausted:
    return {each.part: each.until for each in found if each.is_spent}


def exhausted_before(before: CostStatus | None) -> Exhausted:
    """Those under which a stack runs, by its status."""
    return {each.part: each.until for each in before.limits if each.stopped} if before else {}


def limits_status(found: Iterable[Allowance]) -> tuple[LimitStatus, ...]:
    return tuple(
        LimitStatus(
            part=each.part,
            spent=plain(Decimal(each.spent).scaleb(-6)),
            stopped=each.is_spent,
            until=each.until,
        )
        for each in found
    )


def judgement(found: Iterable[Allowance]) -> dict[ConditionType, tuple[bool, Cause]]:
    """Only where there are limits."""
    known = tuple(found)
    if not known:
        return {}
    if told := "; ".join(str(each) for each in known if each.is_spent):
        return {ConditionType.WITHIN_MONTHLY_LIMITS: (False, Cause(Reason.LIMIT_REACHED, told))}
    return {ConditionType.WITHIN_MONTHLY_LIMITS: (True, Cause(Reason.BELOW_LIMITS, ""))}
