"""Kubernetes events on a stack: what changed in its conditions that somebody should hear of."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from aistack.api import ConditionType, Reason
from aistack.api.stack import AIStackStatus, Condition
from aistack.kinds import EVENT, Manifest
from aistack.observed import digest

TOLD = (ConditionType.POLICY_COMPLIANT, ConditionType.POLICY_WAIVED)
"""The conditions whose changes are events: what people decide about, not what pods do."""
ALARMING = frozenset({Reason.POLICY_VIOLATED, Reason.EXCEPTION_ENDS})
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
    meta = raw["metadata"]
    time = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    told = digest([meta["uid"], condition.type, condition.reason, time])
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.kind,
        "metadata": {"name": f"{meta['name']}.{told}", "namespace": meta["namespace"]},
        "involvedObject": {
            "apiVersion": raw["apiVersion"],
            "kind": raw["kind"],
            "namespace": meta["namespace"],
            "name": meta["name"],
            "uid": meta["uid"],
        },
        "type": "Warning" if condition.reason in ALARMING else "Normal",
        "reason": condition.reason,
        "message": condition.message[:MESSAGE_LENGTH] or condition.reason,
        "source": {"component": "aistack"},
        "reportingComponent": "aistack.dev/controller",
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    }
