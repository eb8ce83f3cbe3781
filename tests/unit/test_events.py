"""A stack's events: a change that people decide about is told once."""

from datetime import UTC, datetime

from aistack.api.stack import AIStackStatus, Condition, PolicyStatus
from aistack.events import MOST_NAMED, events
from aistack.kinds import Manifest
from tests.stacks import stack

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


def status(*broken: str, **reasons: str) -> AIStackStatus:
    """`PolicyCompliant="PolicyViolated"` is that condition with this reason; `broken` are rules."""
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
    return AIStackStatus(conditions=conditions, policy=PolicyStatus(broken=broken, report="support"))


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


def test_a_further_rule_that_is_broken_is_told_and_one_that_is_mended_is_not() -> None:
    one = status("mine/owner", PolicyCompliant="PolicyViolated")
    two = status("mine/owner", "mine/purpose", PolicyCompliant="PolicyViolated")
    (further,) = told(one, two)
    assert (further["type"], further["reason"]) == ("Warning", "PolicyViolated")
    assert further["message"] == "newly broken: mine/purpose; the report says what was found"
    assert told(two, one) == told(two, two) == []


def test_a_report_is_named_only_where_there_is_one() -> None:
    unreported = AIStackStatus(policy=PolicyStatus(broken=("mine/purpose",)))
    (event,) = told(AIStackStatus(), unreported)
    assert event["message"] == "newly broken: mine/purpose"


def test_a_rule_that_only_warns_or_reports_is_told_when_it_is_broken() -> None:
    kept, warned = status(PolicyCompliant="PoliciesKept"), status("mine/age", PolicyCompliant="PoliciesKept")
    (event,) = told(kept, warned)
    assert "mine/age" in event["message"]
    assert len(told(AIStackStatus(), warned)) == 1, "also of a new stack"


def test_what_the_condition_says_of_a_rule_is_not_said_twice() -> None:
    after = status("mine/owner", "mine/age", PolicyCompliant="PolicyViolated")
    violated = after.conditions[0].model_copy(update={"message": "spec: mine/owner (high): Nobody does."})
    first, second = told(AIStackStatus(), after.model_copy(update={"conditions": (violated,)}))
    assert first["message"] == violated.message
    assert second["message"].startswith("newly broken: mine/age;")


def test_many_rules_that_are_broken_at_once_are_one_event_of_bounded_length() -> None:
    rules = [f"policy-{number:03}/{'x' * 30}" for number in range(MOST_NAMED + 100)]
    (event,) = told(AIStackStatus(), status(*rules))
    assert " and 100 more; the report" in event["message"]
    assert len(event["message"]) <= 1024
