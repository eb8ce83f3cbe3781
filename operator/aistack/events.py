"""Kubernetes events: what changed in a stack's conditions and broken rules that somebody should hear of, and
what is wrong with an object that has no conditions of ours."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from aistack.api import ConditionType, Reason
from aistack.api.stack import AIStackStatus, Condition
from aistack.kinds import EVENT, Manifest
from aistack.observed import digest
from aistack.problem import Problem
from aistack.units import timestamp

TOLD = (
    ConditionType.POLICY_COMPLIANT,
    ConditionType.POLICY_WAIVED,
    ConditionType.WITHIN_THRESHOLDS,
    ConditionType.WITHIN_MONTHLY_LIMITS,
)
"""The conditions whose changes are events: what people decide about, not what pods do."""
ALARMING = frozenset(
    {
        Reason.POLICY_VIOLATED,
        Reason.EXCEPTION_ENDS,
        Reason.DEGRADED,
        Reason.STOPPED,
        Reason.LIMIT_REACHED,
    }
)
MOST_NAMED = 16
"""Rules that one event names; the rest is counted."""
MESSAGE_LENGTH = 1024
"""Characters that the API server takes."""


def events(raw: Manifest, before: AIStackStatus, after: AIStackStatus, now: datetime) -> Iterator[Manifest]:
    """One for each condition of `TOLD` that has another reason than before, and one for the rules that are
    newly broken and in none of those; `raw` is the AIStack."""
    earlier = {condition.type: condition for condition in before.conditions}
    news = [each for each in after.conditions if each.type in TOLD and _is_news(each, earlier)]
    yield from (event(raw, condition, now) for condition in news)
    told = " ".join(condition.message for condition in news)
    if fresh := [name for name in _newly_broken(before, after) if f"{name} (" not in told]:
        yield _broken(raw, fresh, after, now)


def _is_news(condition: Condition, earlier: Mapping[str, Condition]) -> bool:
    """What is in order from the beginning is none."""
    old = earlier.get(condition.type)
    return condition.reason in ALARMING if old is None else old.reason != condition.reason


def _newly_broken(before: AIStackStatus, after: AIStackStatus) -> list[str]:
    return [name for name in after.broken if name not in before.broken]


def _broken(raw: Manifest, rules: Sequence[str], after: AIStackStatus, now: datetime) -> Manifest:
    more = f" and {len(rules) - MOST_NAMED} more" if len(rules) > MOST_NAMED else ""
    report = "; the report says what was found" if after.policy and after.policy.report else ""
    return _event(
        raw,
        told=["broken", *rules, timestamp(now)],
        alarming=True,
        reason=Reason.POLICY_VIOLATED,
        message=f"newly broken: {', '.join(rules[:MOST_NAMED])}{more}{report}",
        now=now,
    )


def event(raw: Manifest, condition: Condition, now: datetime) -> Manifest:
    """Its name is that of the change, so that the same one is told once."""
    time = timestamp(now)
    return _event(
        raw,
        told=[condition.type, condition.reason, time],
        alarming=condition.reason in ALARMING,
        reason=condition.reason,
        message=condition.message,
        now=now,
    )


def warning(raw: Manifest, problem: Problem, now: datetime) -> Manifest:
    """What is wrong with an object, told once for as long as the event is kept."""
    told = [problem.reason, problem.message]
    return _event(raw, told=told, alarming=True, reason=problem.reason, message=problem.message, now=now)


def _event(
    raw: Manifest, *, told: Sequence[str], alarming: bool, reason: str, message: str, now: datetime
) -> Manifest:
    """Those of objects without a namespace are in `default`, as the API server wants it."""
    meta, time = raw["metadata"], timestamp(now)
    namespace = meta.get("namespace", "")
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.kind,
        "metadata": {
            "name": f"{meta['name']}.{digest([meta['uid'], *told])}",
            "namespace": namespace or "default",
        },
        "involvedObject": {
            "apiVersion": raw["apiVersion"],
            "kind": raw["kind"],
            "namespace": namespace,
            "name": meta["name"],
            "uid": meta["uid"],
        },
        "type": "Warning" if alarming else "Normal",
        "reason": reason,
        "message": message[:MESSAGE_LENGTH] or reason,
        "source": {"component": "aistack"},
        "reportingComponent": "aistack.dev/controller",
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    }
