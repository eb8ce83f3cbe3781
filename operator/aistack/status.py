"""What is true of a stack, as its status says it: conditions, one row a part, the inventory.

kstatus: `Ready` always; `Reconciling` and `Stalled` only while they're true, never both. The same state gives
the same status to the letter, so that it's written only when something changed.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from aistack.api import AIBudget, ConditionType, Reason
from aistack.api.budgets import AIBudgetSpec, AIBudgetStatus
from aistack.api.conditions import STALLING
from aistack.api.stack import (
    AIStackStatus,
    ComponentStatus,
    Condition,
    CostStatus,
    Endpoints,
    InventoryItem,
    PolicyStatus,
    RecordsStatus,
    RouteStatus,
)
from aistack.budget import NOTHING_RESERVED, Ledger, Reservation
from aistack.budget.refusal import summary
from aistack.causes import Cause
from aistack.cost.money import cents
from aistack.govern import Verdict
from aistack.health import Health, Part
from aistack.kinds import CONFIG_MAP, DEPLOYMENT
from aistack.observed import Failure
from aistack.problem import Problem
from aistack.resolved import ResolvedStack
from aistack.restraint import Restraint
from aistack.spending import micro
from aistack.spending.month import zone_of
from aistack.spending.summary import Spent
from aistack.spending.thresholds import action_of, reached
from aistack.units import timestamp

MESSAGE_LENGTH = 1000
NOT_JUDGED = Verdict()
Judgement = tuple[bool, Cause]
NOT_LIMITED: Mapping[ConditionType, Judgement] = {}


def refused(
    generation: int,
    problems: Sequence[Problem],
    before: AIStackStatus,
    now: datetime,
    *,
    verdict: Verdict | None = None,
    reservation: Reservation = NOTHING_RESERVED,
    records: RecordsStatus | None = None,
) -> AIStackStatus:
    """The status of a stack whose newest spec can't be served: what ran before goes on running.

    Without a `verdict` the spec could not be judged, and what policies said before stays.
    """
    reason = problems[0].reason
    judged = () if verdict is None else (ConditionType.POLICY_COMPLIANT, ConditionType.POLICY_WAIVED)
    said_anew = {*judged, ConditionType.WITHIN_BUDGET}
    message = _joined(str(problem) for problem in problems)
    broken = before.broken if before.inventory or verdict is None else verdict.broken
    return before.model_copy(
        update={
            "observed_generation": generation,
            "conditions": _conditions(
                generation,
                before.conditions,
                now,
                {
                    ConditionType.READY: (False, Cause(reason, message)),
                    ConditionType.STALLED: (True, Cause(reason, message)),
                    **_compliance(verdict or NOT_JUDGED),
                    **_solvency(reservation),
                },
                kept=[item for item in before.conditions if item.type not in said_anew],
            ),
            "policy": before.policy if verdict is None else _policy(verdict, records, broken),
            "budgets": reservation.shares,
            "records": records or before.records,
        }
    )


def stopped(before: AIStackStatus) -> AIStackStatus:
    """Without what ran: it is to be made anew, and to be asked for, when the stack goes on."""
    kept = tuple(item for item in before.inventory if item.kind != DEPLOYMENT.kind)
    policy = before.policy and before.policy.model_copy(update={"broken": ()})
    changes = {"inventory": kept, "components": (), "models_ready": None, "policy": policy}
    return before.model_copy(update=changes)


def reported(
    stack: ResolvedStack,
    health: Health,
    *,
    generation: int,
    verdict: Verdict,
    cost: CostStatus,
    reservation: Reservation,
    records: RecordsStatus | None,
    failures: Sequence[Failure],
    inventory: tuple[InventoryItem, ...],
    before: AIStackStatus,
    now: datetime,
    restraint: Restraint | None = None,
    limits: Mapping[ConditionType, Judgement] = NOT_LIMITED,
    routes: tuple[RouteStatus, ...] = (),
) -> AIStackStatus:
    """The status of a stack that was applied."""
    models = [part for part in health.parts if part.name.startswith("model/")]
    gateway = [part for part in health.parts if not part.name.startswith("model/")]
    return before.model_copy(
        update={
            "observed_generation": generation,
            "conditions": _conditions(
                generation,
                before.conditions,
                now,
                {
                    **_summary(stack, health, failures, verdict, restraint),
                    ConditionType.MODELS_READY: _concern(models),
                    ConditionType.GATEWAY_READY: _concern(gateway),
                    **_autoscaling(stack, health),
                    **_exposure(stack, health),
                    **_compliance(verdict),
                    **_solvency(reservation),
                    **_restraint(restraint),
                    **limits,
                },
            ),
            "policy": _policy(verdict, records, () if stack.spec.suspend else verdict.broken),
            "records": records,
            "budgets": reservation.shares,
            "models_ready": f"{sum(part.ready for part in models)}/{len(models)}",
            "endpoints": Endpoints(gateway=endpoint(stack), public=public_endpoint(stack)),
            "components": tuple(_row(part, before, now) for part in health.parts),
            "inventory": inventory,
            "routes": routes,
            "cost": cost,
        }
    )


def _policy(verdict: Verdict, records: RecordsStatus | None, broken: Collection[str]) -> PolicyStatus | None:
    """None where no policy is about the stack. A spec that isn't taken says nothing of what runs."""
    if not verdict.results:
        return None
    written = (item.name for item in records.objects if item.kind != CONFIG_MAP.kind) if records else ()
    return verdict.status(next(iter(written), None), broken)


def endpoint(stack: ResolvedStack) -> str:
    """Where the stack's models are called, from inside the cluster."""
    return f"http://{stack.gateway.object_name}.{stack.ref.namespace}.svc/v1"


def public_endpoint(stack: ResolvedStack) -> str | None:
    """The same from outside the cluster; None when it isn't published."""
    expose = stack.gateway.spec.expose
    if expose.type == "ClusterIP":
        return None
    if expose.gateway_ref:
        return f"{expose.gateway_ref.scheme}://{expose.host}/v1"
    return f"{'https' if expose.tls_secret_name else 'http'}://{expose.host}/v1"


def _summary(
    stack: ResolvedStack,
    health: Health,
    failures: Sequence[Failure],
    verdict: Verdict,
    restraint: Restraint | None,
) -> dict[ConditionType, Judgement]:
    """Ready, and why it isn't: Reconciling while time may heal it, Stalled when only a person can."""
    if stack.spec.suspend and verdict.suspensions:
        told = _joined(("a policy suspends the stack", *map(str, verdict.suspensions)))
        suspended = Cause(Reason.POLICY_VIOLATED, told)
        return {ConditionType.READY: (False, suspended), ConditionType.STALLED: (True, suspended)}
    if stack.spec.suspend and health.settled:
        message = "spec.suspend is true: no workload runs; data and configuration are kept"
        return {ConditionType.READY: (False, Cause(Reason.SUSPENDED, message))}
    unready = [part for part in health.parts if not part.ready and part.reason is not Reason.SUSPENDED]
    if not unready and restraint and restraint.reason is Reason.STOPPED:
        stopped = Cause(restraint.reason, restraint.message)
        return {ConditionType.READY: (False, stopped), ConditionType.STALLED: (True, stopped)}
    if not unready:
        return {ConditionType.READY: (True, Cause(Reason.READY, "every part answers"))}
    first = min(unready, key=_explains)
    cause = Cause(
        first.reason, _joined(f"{part.name}: {part.message}" for part in sorted(unready, key=_explains))
    )
    stalled = first.reason in STALLING or any(failure.lasting for failure in failures)
    return {
        ConditionType.READY: (False, cause),
        ConditionType.STALLED if stalled else ConditionType.RECONCILING: (True, cause),
    }


def _explains(part: Part) -> tuple[bool, str]:
    """What is only on its way explains nothing; a part that is stuck comes first."""
    return part.reason in {
        Reason.PROGRESSING,
        Reason.TERMINATING,
    }, part.name


def _concern(parts: Sequence[Part]) -> Judgement:
    unready = sorted((part for part in parts if not part.ready), key=_explains)
    if not unready:
        return True, Cause(Reason.READY, "")
    return False, Cause(unready[0].reason, _joined(f"{part.name}: {part.message}" for part in unready))


def _autoscaling(stack: ResolvedStack, health: Health) -> dict[ConditionType, Judgement]:
    """Only where something is to scale."""
    if health.autoscaling:
        return {ConditionType.AUTOSCALING_READY: (False, health.autoscaling)}
    if stack.gateway.replicas.autoscaled or any(model.replicas.autoscaled for model in stack.self_hosted):
        return {ConditionType.AUTOSCALING_READY: (True, Cause(Reason.READY, ""))}
    return {}


def _exposure(stack: ResolvedStack, health: Health) -> dict[ConditionType, Judgement]:
    """Only where somebody tells: of an Ingress nobody says whether it was taken up."""
    expose = stack.gateway.spec.expose
    if expose.type != "Gateway" and not expose.certificate_issuer:
        return {}
    if health.exposure:
        return {ConditionType.EXPOSED: (False, health.exposure)}
    return {ConditionType.EXPOSED: (True, Cause(Reason.READY, ""))}


def _compliance(verdict: Verdict) -> dict[ConditionType, Judgement]:
    """Only where policies are about the stack; a waived failure is counted, not told here."""
    if not verdict.results:
        return {}
    if verdict.denials:
        told = _joined(str(problem) for problem in verdict.denials)
        judged = False, Cause(Reason.POLICY_VIOLATED, told)
    else:
        warned = _joined(str(problem) for problem in verdict.warnings)
        judged = True, Cause(Reason.POLICIES_KEPT, warned)
    return {ConditionType.POLICY_COMPLIANT: judged, **_waivers(verdict)}


def _waivers(verdict: Verdict) -> dict[ConditionType, Judgement]:
    """Only where there are any; while some end soon, the message is about those."""
    ending = verdict.waivers(soon=True)
    if told := _joined(map(str, ending or verdict.waivers())):
        reason = Reason.EXCEPTION_ENDS if ending else Reason.EXCEPTION_HOLDS
        return {ConditionType.POLICY_WAIVED: (True, Cause(reason, told))}
    return {}


def _solvency(reservation: Reservation) -> dict[ConditionType, Judgement]:
    """Only where budgets count the stack."""
    if not reservation.shares:
        return {}
    if reservation.obstacles:
        told = [summary(obstacle) for obstacle in reservation.obstacles]
        return {ConditionType.WITHIN_BUDGET: (False, Cause(told[0].reason, _joined(map(str, told))))}
    held = _joined(f"{share.name} holds {share.reserved}" for share in reservation.shares)
    return {ConditionType.WITHIN_BUDGET: (True, Cause(Reason.RESERVED, held))}


def _restraint(restraint: Restraint | None) -> dict[ConditionType, Judgement]:
    """Only where a budget acts on the stack."""
    if restraint is None:
        return {}
    return {ConditionType.WITHIN_THRESHOLDS: (False, Cause(restraint.reason, restraint.message))}


def of_budget(budget: AIBudget, ledger: Ledger, now: datetime, spent: Spent | None = None) -> AIBudgetStatus:
    """The status of a budget that holds what its ledger says. What was spent stays where it isn't known."""
    generation, earlier = budget.metadata.generation, budget.status.conditions
    status = ledger.status(budget.status)
    judgements = {
        ConditionType.READY: (True, Cause(Reason.READY, "every stack that it counts is held to it")),
        ConditionType.WITHIN_LIMIT: _balance(ledger),
        **(_expenses(ledger.terms, spent) if spent else _unmetered(ledger.terms)),
    }
    kept = [] if spent else [item for item in earlier if item.type in _EXPENSES]
    return status.model_copy(
        update={
            **(_month(ledger.terms, spent) if spent else {}),
            "observed_generation": generation,
            "conditions": _conditions(generation, earlier, now, judgements, kept=kept),
        }
    )


_EXPENSES = frozenset({ConditionType.METERED, ConditionType.WITHIN_THRESHOLDS})


def _month(terms: AIBudgetSpec, spent: Spent) -> dict[str, str | None]:
    line = spent.forecast
    return {
        "month": spent.month,
        "month_to_date": cents(micro(spent.month_to_date)),
        "forecast": cents(micro(line.expected)) if line else None,
        "forecast_low": cents(micro(line.low)) if line else None,
        "forecast_high": cents(micro(line.high)) if line else None,
        "action": action_of(reached(terms, spent.month_to_date)),
        "metered_at": timestamp(spent.at),
    }


def _unmetered(terms: AIBudgetSpec) -> dict[ConditionType, Judgement]:
    """Only where it never will be."""
    if zone_of(terms.time_zone):
        return {}
    message = f"there is no time zone {terms.time_zone}, so nobody knows when its month begins"
    return {ConditionType.METERED: (False, Cause(Reason.INVALID_SPEC, message))}


def _expenses(terms: AIBudgetSpec, spent: Spent) -> dict[ConditionType, Judgement]:
    metered = {ConditionType.METERED: _completeness(spent)}
    if not terms.thresholds:
        return metered
    if not (over := reached(terms, spent.month_to_date)):
        return {**metered, ConditionType.WITHIN_THRESHOLDS: (True, Cause(Reason.BELOW_THRESHOLDS, ""))}
    limit = f"{terms.limit.amount} {terms.limit.currency}"
    told = f"{over[0].percent} % of {limit} and more was spent in {spent.month}"
    return {**metered, ConditionType.WITHIN_THRESHOLDS: (False, Cause(Reason.THRESHOLD_REACHED, told))}


def _completeness(spent: Spent) -> Judgement:
    """Gaps are said as gaps."""
    if spent.stale_since:
        told = f"not read since {timestamp(spent.stale_since)}: {', '.join(spent.silent)}"
        return False, Cause(Reason.METRICS_MISSING, _joined([told]))
    if spent.unpriced:
        return False, Cause(Reason.PRICE_UNKNOWN, _joined(("not counted, without a price", *spent.unpriced)))
    lost = (
        f"{spent.unread_seconds:.0f} s of gateways that ended or were started again were not read"
        if spent.unread_seconds
        else ""
    )
    return True, Cause(Reason.METERED, lost)


def _balance(ledger: Ledger) -> Judgement:
    if ledger.left >= 0:
        return True, Cause(Reason.RESERVED, "")
    message = (
        f"{cents(ledger.reserved)} of {cents(ledger.limit)} {ledger.terms.limit.currency} are reserved: "
        "nothing is stopped, and nothing more is admitted; raise the limit, or make a stack smaller"
    )
    return False, Cause(Reason.OVER_LIMIT, message)


def _conditions(
    generation: int,
    before: Iterable[Condition],
    now: datetime,
    judgements: dict[ConditionType, Judgement],
    kept: Iterable[Condition] = (),
) -> tuple[Condition, ...]:
    """Conditions in the order of the enumeration; a transition's time stays while its status does."""
    earlier = {condition.type: condition for condition in before}
    concerns = {item.type: item for item in kept if item.type not in _SUMMARY}
    for kind, (status, cause) in judgements.items():
        word = "True" if status else "False"
        old = earlier.get(kind)
        since = old.last_transition_time if old and old.status == word else timestamp(now)
        concerns[kind] = Condition(
            type=kind,
            status="True" if status else "False",
            reason=cause.reason,
            message=cause.message,
            last_transition_time=since,
            observed_generation=generation,
        )
    return tuple(concerns[kind] for kind in ConditionType if kind in concerns)


_SUMMARY = frozenset({ConditionType.READY, ConditionType.RECONCILING, ConditionType.STALLED})


def _row(part: Part, before: AIStackStatus, now: datetime) -> ComponentStatus:
    earlier = {row.name: row for row in before.components}.get(part.name)
    same = earlier and (earlier.ready, earlier.reason) == (part.ready, part.reason)
    return ComponentStatus(
        name=part.name,
        ready=part.ready,
        reason=part.reason,
        message=part.message,
        since=earlier.since if earlier and same else timestamp(now),
    )


def _joined(messages: Iterable[str]) -> str:
    text = "; ".join(messages)
    return text if len(text) <= MESSAGE_LENGTH else text[: MESSAGE_LENGTH - 1] + "…"
