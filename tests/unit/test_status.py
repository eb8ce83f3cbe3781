"""What a status says of what is seen: never a Ready that isn't true, the cause where a person looks first."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aistack.api import ConditionType, Reason
from aistack.api.stack import AIStackStatus, BudgetShare, Condition, CostStatus, InventoryItem
from aistack.budget import NOTHING_RESERVED, Reservation
from aistack.causes import Cause
from aistack.govern import Verdict, evaluate
from aistack.health import assess
from aistack.observed import Child, Failure, Observed, Pod, Workload
from aistack.problem import Problem
from aistack.resolved import ResolvedStack
from aistack.status import refused, reported
from tests.rulebook import policy
from tests.stacks import hosted, resolved

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
SETTLED = Workload(current=True, wanted=1, replicas=1, updated=1, available=1, failure=None)
NEVER = AIStackStatus()


def deployment(component: str, part: str, workload: Workload) -> Child:
    return Child(
        kind="Deployment",
        name=f"support-{part}",
        component=component,
        part=part,
        uid=f"uid-{part}",
        resource_version="1",
        owner_uid="uid-of-the-stack",
        owned="ours",
        owns_replicas=True,
        deleting=False,
        workload=workload,
    )


def seeing(
    model: Workload, *pods: Pod, gateway: Workload = SETTLED, more: tuple[Child, ...] = ()
) -> Observed:
    children = (deployment("model", "llama", model), deployment("gateway", "gateway", gateway), *more)
    return Observed(
        children={(child.kind, child.name): child for child in children},
        pods={pod.name: pod for pod in pods},
    )


def pod(name: str, cause: Cause | None, created: str = "2026-11-01T10:00:00Z", ended: bool = False) -> Pod:
    return Pod(name, f"uid-{name}", "1", "model", "llama", created, cause is None, ended, cause)


def status_of(
    observed: Observed, stack: ResolvedStack | None = None, before: AIStackStatus = NEVER, **more: Any
) -> AIStackStatus:
    stack = stack or resolved()
    failures = more.get("failures", ())
    return reported(
        stack,
        assess(stack, observed, failures),
        generation=more.get("generation", 1),
        verdict=more.get("verdict", Verdict()),
        cost=more.get("cost", CostStatus()),
        reservation=more.get("reservation", NOTHING_RESERVED),
        records=more.get("records"),
        failures=failures,
        inventory=(),
        before=before,
        now=more.get("now", NOW),
    )


def condition(status: AIStackStatus, kind: ConditionType) -> Condition | None:
    return next((item for item in status.conditions if item.type == kind), None)


def reason(status: AIStackStatus) -> tuple[str, str]:
    ready = condition(status, ConditionType.READY)
    assert ready is not None
    return ready.status, ready.reason


STARTING = replace(SETTLED, available=0)


def test_ready_when_every_part_answers() -> None:
    status = status_of(seeing(SETTLED))
    assert reason(status) == ("True", "Ready")
    assert status.models_ready == "1/1"
    assert status.endpoints is not None
    assert status.endpoints.gateway == "http://support-gateway.care.svc/v1"


@pytest.mark.parametrize(
    ("workload", "why"),
    [
        (replace(SETTLED, current=False), "the Deployment's controller has not seen the newest spec"),
        (replace(SETTLED, replicas=2), "an old pod still runs beside the new one"),
        (replace(SETTLED, updated=0), "the pod that answers is one of the old spec"),
        (replace(SETTLED, available=0), "the new pod does not answer yet"),
        (replace(SETTLED, wanted=2), "one of two pods is missing"),
    ],
)
def test_a_rollout_that_is_half_done_is_not_ready(workload: Workload, why: str) -> None:
    assert reason(status_of(seeing(workload)))[0] == "False", why


def test_the_root_cause_in_a_pod_reaches_the_ready_condition() -> None:
    cause = Cause(Reason.UNSCHEDULABLE, "pod support-llama-x cannot be scheduled: 0/2 nodes are available")
    status = status_of(seeing(STARTING, pod("a", cause)))
    assert reason(status) == ("False", "Unschedulable")
    ready = condition(status, ConditionType.READY)
    assert ready is not None
    assert ready.message == "model/llama: pod support-llama-x cannot be scheduled: 0/2 nodes are available"


EVICTED = Cause(Reason.EVICTED, "pod llama-7c9-a was evicted: low on resource: ephemeral-storage")
PROGRESSING = Cause(Reason.PROGRESSING, "pod llama-7c9-b is starting")


@pytest.mark.parametrize(
    ("others", "wanted", "why"),
    [
        ([], "Evicted", "nothing runs in its place"),
        ([pod("llama-7c9-b", PROGRESSING)], "Evicted", "what is to replace it may end as it did"),
        ([pod("llama-5d4-b", PROGRESSING)], "Progressing", "a newer spec is rolled out"),
        ([pod("llama-7c9-b", None), pod("llama-7c9-c", PROGRESSING)], "Progressing", "it was replaced"),
    ],
)
def test_an_evicted_pod_is_the_cause_until_it_is_replaced(others: list[Pod], wanted: str, why: str) -> None:
    evicted = pod("llama-7c9-a", EVICTED, created="2026-11-01T09:00:00Z", ended=True)
    assert reason(status_of(seeing(STARTING, evicted, *others)))[1] == wanted, why


def test_of_many_pods_the_one_that_explains_most_is_named_and_always_the_same_one() -> None:
    crash = Cause(Reason.CRASH_LOOP, "ended with exit code 1")
    starting = Cause(Reason.PROGRESSING, "is starting")
    pods = [
        pod("c", crash, "2026-11-01T10:00:02Z"),
        pod("b", crash, "2026-11-01T10:00:01Z"),
        pod("a", starting),
    ]
    forwards = assess(resolved(), seeing(STARTING, *pods), ())
    backwards = assess(resolved(), seeing(STARTING, *reversed(pods)), ())
    assert forwards == backwards
    assert forwards.parts[0].reason is Reason.CRASH_LOOP


def test_a_pod_that_ended_explains_nothing() -> None:
    crash = Cause(Reason.CRASH_LOOP, "ended with exit code 1")
    health = assess(resolved(), seeing(STARTING, pod("a", crash, ended=True)), ())
    assert health.parts[0].reason is Reason.PROGRESSING


def test_a_volume_that_is_not_bound_is_named_rather_than_the_pod_that_waits_for_it() -> None:
    claim = replace(
        deployment("model", "llama", SETTLED),
        kind="PersistentVolumeClaim",
        name="support-llama-cache",
        workload=None,
        created="2026-11-01T11:59:59Z",
        problem=Cause(Reason.VOLUME_PENDING, "volume claim support-llama-cache is not bound"),
    )
    waits = pod("a", Cause(Reason.UNSCHEDULABLE, "pod has unbound immediate PersistentVolumeClaims"))
    health = assess(resolved(), seeing(STARTING, waits, more=(claim,)), ())
    assert health.parts[0].reason is Reason.VOLUME_PENDING
    assert health.unexplained[0].created == "2026-11-01T11:59:59Z", "a new claim isn't asked about at once"
    words = {subject.uid: 'storageclass "fast" not found' for subject in health.unexplained}
    assert health.explained(words).parts[0].message == (
        'volume claim support-llama-cache is not bound: storageclass "fast" not found'
    )


def test_a_part_that_is_stuck_is_named_before_one_that_is_on_its_way() -> None:
    cause = Cause(Reason.IMAGE_PULL_FAILED, "no such image")
    status = status_of(seeing(STARTING, pod("a", cause), gateway=STARTING))
    ready = condition(status, ConditionType.READY)
    assert ready is not None
    assert ready.message.startswith("model/llama: no such image; gateway:")


def test_what_could_not_be_written_is_stalled_when_only_a_person_can_help() -> None:
    taken = Failure(("model", "llama"), Reason.NAME_TAKEN, "Service support-llama exists", lasting=True)
    status = status_of(seeing(SETTLED), failures=(taken,))
    assert reason(status) == ("False", "NameTaken")
    assert condition(status, ConditionType.STALLED) is not None
    assert condition(status, ConditionType.RECONCILING) is None


def test_a_failure_outside_every_part_still_keeps_the_stack_from_being_ready() -> None:
    failure = Failure(
        ("network", "default-deny"), Reason.APPLY_FAILED, "NetworkPolicy refused", lasting=False
    )
    assert reason(status_of(seeing(SETTLED), failures=(failure,))) == ("False", "ApplyFailed")


def test_a_suspended_stack_is_neither_ready_nor_stalled() -> None:
    asleep = replace(SETTLED, wanted=0, replicas=0, updated=0, available=0)
    status = status_of(seeing(asleep, gateway=asleep), stack=resolved(suspend=True))
    assert reason(status) == ("False", "Suspended")
    assert [item.type for item in status.conditions if item.type in {"Reconciling", "Stalled"}] == []


def test_a_stack_whose_pods_are_still_ending_is_not_yet_suspended() -> None:
    ending = replace(SETTLED, wanted=0, replicas=1, available=1)
    asleep = replace(SETTLED, wanted=0, replicas=0, updated=0, available=0)
    status = status_of(seeing(ending, gateway=asleep), stack=resolved(suspend=True))
    assert reason(status) == ("False", "Terminating")


@pytest.mark.parametrize(
    ("least", "told"), [(2, "model llama stays at 2:"), (0, "model llama stays at 1 at most:")]
)
def test_replicas_that_can_not_follow_the_load_are_said_without_keeping_the_stack_from_being_ready(
    least: int, told: str
) -> None:
    stack = resolved(models=[hosted(scaling={"min": least, "max": 6})])
    status = status_of(seeing(SETTLED), stack=stack)
    scaling = condition(status, ConditionType.AUTOSCALING_READY)
    assert scaling is not None
    assert (scaling.status, scaling.reason) == ("False", "MetricsApiMissing")
    assert scaling.message.startswith(told)
    assert reason(status)[0] == "True"


def test_a_transition_keeps_its_time_until_the_status_of_the_condition_changes() -> None:
    first = status_of(seeing(STARTING))
    second = status_of(seeing(STARTING), before=first, now=NOW + timedelta(minutes=1))
    assert second == first
    third = status_of(seeing(SETTLED), before=second, now=NOW + timedelta(minutes=2))
    ready = condition(third, ConditionType.READY)
    assert ready is not None
    assert ready.last_transition_time == "2026-11-01T12:02:00Z"


def test_a_refused_spec_says_nothing_any_more_of_budgets_and_policies_that_let_go_of_the_stack() -> None:
    holding = Reservation(shares=(BudgetShare(name="care", reserved="1.00", phase="Committed"),))
    problem = Problem("spec", Reason.POLICY_VIOLATED, "broken")
    broken = evaluate(resolved(), (policy(),), (), {}, NOW)
    counted = refused(2, [problem], status_of(seeing(SETTLED)), NOW, verdict=broken, reservation=holding)
    assert condition(counted, ConditionType.WITHIN_BUDGET) is not None
    assert condition(counted, ConditionType.POLICY_COMPLIANT) is not None
    unresolved = refused(3, [problem], counted, NOW, reservation=holding)
    assert unresolved.policy == counted.policy, "nobody could judge it anew"
    free = refused(3, [problem], counted, NOW, verdict=Verdict())
    assert (free.budgets, free.policy) == ((), None)
    assert condition(free, ConditionType.WITHIN_BUDGET) is None
    assert condition(free, ConditionType.POLICY_COMPLIANT) is None


def test_a_spec_that_can_not_be_served_is_stalled_and_says_what_still_runs() -> None:
    running = status_of(seeing(SETTLED))
    problem = Problem(
        "spec.gateway.routes[chat]", Reason.INVALID_REFERENCE, "no model is named 'x'; write llama"
    )
    status = refused(2, [problem], running, NOW)
    assert reason(status) == ("False", "InvalidReference")
    assert condition(status, ConditionType.STALLED) is not None
    assert condition(status, ConditionType.MODELS_READY) is not None
    assert status.components == running.components
    assert status.observed_generation == 2


def test_the_rules_that_are_named_as_broken_are_those_of_what_runs() -> None:
    broken = evaluate(resolved(), (policy(),), (), {}, NOW)
    violation = broken.denials[:1]
    never = refused(2, violation, NEVER, NOW, verdict=broken)
    assert never.broken == ("mine/owner",)
    running = status_of(seeing(SETTLED))
    running = running.model_copy(
        update={"inventory": (InventoryItem(kind="Service", name="support", applied="1", owned="1"),)}
    )
    assert refused(2, violation, running, NOW, verdict=broken).broken == ()
    assert status_of(seeing(SETTLED), verdict=broken).broken == ("mine/owner",)
    suspended = resolved(suspend=True)
    assert status_of(seeing(SETTLED), suspended, verdict=broken).broken == (), "nothing of it runs"
