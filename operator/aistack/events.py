"""Kubernetes events: what changed in a stack's conditions that somebody should hear of, and what is wrong
with an object that has no conditions of ours."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from aistack.api import ConditionType, Reason
from aistack.api.stack import AIStackStatus, Condition
from aistack.kinds import EVENT, Manifest
from aistack.observed import digest
from aistack.problem import Problem

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
MESSAGE_LENGTH = 1024
"""Characters that the API server takes."""


def events(raw: Manifest, before: AIStackStatus, after: AIStackStatus, now: datetime) -> Iterator[Manifest]:
    """One for each condition of `TOLD` that has another reason than before; `raw` is the AIStack."""
    earlier = {condition.type: condition for condition in before.conditions}
    for condition in after.conditions:
        if condition.type in TOLD and _is_news(condition, earlier):
            yield event(raw, condition, now)


def _is_news(condition: Condition, earlier: Mapping[str, Condition]) -> bool:
    """What is in order from the beginning is none."""
    old = earlier.get(condition.type)
    return condition.reason in ALARMING if old is None else old.reason != condition.reason


def event(raw: Manifest, condition: Condition, now: datetime) -> Manifest:
    """Its name is that of the change, so that the same one is told once."""
    time = now.strftime("%Y-%m-%dT%H:%M:%SZ")
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
    meta, time = raw["metadata"], now.strftime("%Y-%m-%dT%H:%M:%SZ")
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
