"""A stack's events: a change that people decide about is told once."""

from datetime import UTC, datetime

from aistack.api.stack import AIStackStatus, Condition
from aistack.events import events
from aistack.kinds import Manifest
from tests.stacks import stack

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


def status(**reasons: str) -> AIStackStatus:
    """`PolicyCompliant="PolicyViolated"` is that condition with this reason."""
    conditions = tuple(
        Condition(
            type=kind,
            status="True",
            reason=reason,
            message=f"because of {reason}",
            last_transition_time="2026-11-01T00:00:00Z",
        )
        for kind, reason in reasons.items()
    )
    return AIStackStatus(conditions=conditions)


def told(before: AIStackStatus, after: AIStackStatus) -> list[Manifest]:
    return list(events(stack(), before, after, NOW))


def test_a_violation_is_a_warning_and_its_end_is_not() -> None:
    (violated,) = told(status(PolicyCompliant="PoliciesKept"), status(PolicyCompliant="PolicyViolated"))
    assert (violated["type"], violated["reason"]) == ("Warning", "PolicyViolated")
    assert violated["message"] == "because of PolicyViolated"
    assert violated["involvedObject"]["uid"] == "uid-of-the-stack"
    assert violated["lastTimestamp"] == "2026-11-23T09:30:00Z"
    (kept,) = told(status(PolicyCompliant="PolicyViolated"), status(PolicyCompliant="PoliciesKept"))
    assert (kept["type"], kept["reason"]) == ("Normal", "PoliciesKept")


def test_what_stays_as_it_is_or_begins_in_order_is_no_news() -> None:
    violated = status(PolicyCompliant="PolicyViolated")
    assert told(violated, violated) == []
    assert told(AIStackStatus(), status(PolicyCompliant="PoliciesKept", Ready="Ready")) == []
    assert len(told(AIStackStatus(), violated)) == 1


def test_an_exception_that_begins_to_end_is_told() -> None:
    (ending,) = told(status(PolicyWaived="ExceptionHolds"), status(PolicyWaived="ExceptionEnds"))
    assert ending["type"] == "Warning"


def test_the_same_change_has_the_same_name() -> None:
    before, after = status(PolicyCompliant="PoliciesKept"), status(PolicyCompliant="PolicyViolated")
    assert told(before, after) == told(before, after)
