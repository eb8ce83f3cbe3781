"""What of a stack is to run now: what its spec means, as policies, money, latencies and demand bend it."""

from dataclasses import dataclass
from datetime import datetime

from aistack.allowances import Allowance, allowances, exhausted
from aistack.api import AIBudget, AIStack
from aistack.api.stack import AIStackStatus, RouteStatus
from aistack.balance import balanced, shared_out
from aistack.cost import Estimate, estimate
from aistack.cost.assumptions import Assumptions, measured
from aistack.cost.estimate import known_throughput
from aistack.govern import Verdict
from aistack.observed import Observed
from aistack.platform import Platform, judged, priced
from aistack.resolved import ResolvedStack
from aistack.restraint import Hold, Restraint, restrained, restraint_of, standing_hold
from aistack.waking import woken


@dataclass(frozen=True, slots=True)
class Intent:
    """What is to run, and why it is that."""

    meant: ResolvedStack
    """What the spec asks for: by it the stack is paid. Without its workloads where a policy suspends it."""
    wanted: ResolvedStack
    """What of it is to run now."""
    last: ResolvedStack
    """What of it was to run by what the status says, whichever models were at zero."""
    verdict: Verdict
    estimated: Estimate
    """What it costs by what is declared: this is reserved, and doesn't move with what is measured."""
    assumptions: Assumptions
    """With what is measured where nothing is declared."""
    quoted: Estimate
    """What it costs by these: this is said."""
    counting: tuple[AIBudget, ...]
    """The budgets that it belongs to."""
    restraint: Restraint | None
    """What they have come to ask of it."""
    limits: tuple[Allowance, ...]
    """What clients and models have spent of their own."""
    routes: tuple[RouteStatus, ...]
    """The shares of targets that follow their latencies."""


def intent_of(
    stack: AIStack,
    resolved: ResolvedStack,
    before: AIStackStatus,
    *,
    observed: Observed,
    platform: Platform,
    now: datetime,
) -> Intent:
    """`resolved` is what `stack` means, `now` UTC."""
    estimated, verdict = judged(resolved, platform)
    if verdict.suspensions and before.inventory:
        resolved = platform.resolve(stack.suspended()).stack or resolved
        estimated = priced(resolved, platform)
    assumptions = measured(resolved, known_throughput(observed.metered, before.cost))
    counting = platform.budgets.counting(stack.metadata)
    earlier = standing_hold(before)
    limits = allowances(stack.spec, observed.metered, before.cost, now)
    hold = Hold(
        restraint_of(counting, earlier.restraint if platform.may_restrain(stack.metadata) else None),
        exhausted(limits),
    )
    routes = balanced(resolved, before.routes, observed.latencies, now)
    return Intent(
        meant=resolved,
        wanted=woken(restrained(shared_out(resolved, routes), hold, platform.prices), observed),
        last=restrained(shared_out(resolved, before.routes), earlier, platform.prices),
        verdict=verdict,
        estimated=estimated,
        assumptions=assumptions,
        quoted=estimate(resolved, platform.prices, assumptions) if assumptions.throughput else estimated,
        counting=counting,
        restraint=hold.restraint,
        limits=limits,
        routes=routes,
    )
