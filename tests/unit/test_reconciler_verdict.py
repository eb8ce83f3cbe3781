"""What a run makes of policies: of a spec that can't be served, and of a stack that one of them suspends."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aistack.api import AIPolicyException
from aistack.govern import Policies
from aistack.platform import Platform
from tests.reconciled import Reconciled
from tests.rulebook import exception, policy
from tests.stacks import catalog, hosted, stack

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
ENDS = datetime(2027, 1, 31, tzinfo=UTC)
UNSERVED: dict[str, Any] = {"gateway": {"expose": {"type": "ClusterIP", "host": "support.example"}}}
UNKNOWN: dict[str, Any] = {"gateway": {"routes": [{"name": "chat", "targets": [{"model": "nobody"}]}]}}
OWNED: dict[str, Any] = {"governance": {"owner": "care@acme.example"}}
KEPT = ("True", "PoliciesKept")
VIOLATED = ("False", "PolicyViolated")


def held(*exceptions: AIPolicyException, now: datetime = NOW, on_violation: str = "BlockUpdates") -> Platform:
    """A platform with reports whose one policy wants an owner."""
    wanted = policy(onViolation=on_violation)
    return Platform(catalog(open_reports=True), policies=Policies([wanted], exceptions, now=now))


async def running(*exceptions: AIPolicyException, **spec: Any) -> Reconciled:
    """A stack that was let in."""
    cluster = Reconciled(stack(**spec))
    await cluster.run(held(*exceptions), NOW)
    assert replicas(cluster) == 1
    return cluster


def replicas(cluster: Reconciled) -> int:
    found: int = cluster.applied["Deployment", "support-llama"]["spec"]["replicas"]
    return found


async def test_a_spec_that_can_not_be_served_is_judged_and_counted_all_the_same() -> None:
    cluster = await running(**OWNED)
    cluster.ask(stack(**UNSERVED))
    outcome = await cluster.run(held(), NOW)
    assert cluster.condition("Ready") == ("False", "NotSupported")
    assert cluster.condition("PolicyCompliant") == VIOLATED
    counts = {"passed": 0, "failed": 1, "warned": 0, "waived": 0, "broken": []}
    assert cluster.status["policy"] == {**counts, "report": "support"}, (
        "what runs breaks nothing, and has its report"
    )
    assert outcome.results == {("mine", "failed"): 1}


async def test_a_spec_that_can_not_be_judged_leaves_what_was_said_and_counted() -> None:
    cluster = await running(**OWNED)
    before = cluster.status["policy"]
    cluster.ask(stack(**UNKNOWN))
    outcome = await cluster.run(held(), NOW)
    assert cluster.condition("Ready") == ("False", "InvalidReference")
    assert cluster.condition("PolicyCompliant") == KEPT
    assert cluster.status["policy"] == before
    assert outcome.results is None


async def test_the_end_of_an_exception_stops_what_a_policy_suspends_and_was_told_before() -> None:
    cluster = await running(exception())
    for day, said in (
        (ENDS - timedelta(days=15), "ExceptionHolds"),
        (ENDS - timedelta(days=13), "ExceptionEnds"),
    ):
        await cluster.run(held(exception(), now=day, on_violation="Suspend"), day)
        assert cluster.condition("PolicyWaived") == ("True", said)
        assert replicas(cluster) == 1
    await cluster.run(held(exception(), now=ENDS, on_violation="Suspend"), ENDS)
    assert cluster.condition("Ready") == VIOLATED
    assert replicas(cluster) == 0
    longer = exception(expiresAt="2027-02-28T00:00:00Z")
    await cluster.run(held(longer, now=ENDS, on_violation="Suspend"), ENDS)
    assert replicas(cluster) == 1, "it goes on once it is excused again"


async def test_what_a_policy_suspends_loses_its_deployments_also_where_it_can_not_be_served() -> None:
    cluster = await running(**OWNED)
    before = {*cluster.applied}
    cluster.ask(stack(**UNSERVED))
    await cluster.run(held(on_violation="Suspend"), NOW)
    deployments = {("Deployment", "support-llama"), ("Deployment", "support-gateway")}
    assert before - {*cluster.applied} == deployments
    assert cluster.condition("PolicyCompliant") == VIOLATED
    cluster.ask(stack(**OWNED))
    await cluster.run(held(on_violation="Suspend"), NOW)
    assert deployments <= {*cluster.applied}


async def test_a_status_that_says_that_nothing_runs_keeps_nothing_from_being_stopped() -> None:
    cluster = await running(**OWNED)
    cluster.ask(stack())
    cluster.stack["status"] = {}
    await cluster.run(held(on_violation="Suspend"), NOW)
    assert replicas(cluster) == 0
    assert cluster.status["inventory"]


async def test_what_runs_and_breaks_a_rule_may_be_changed_and_break_no_further_one() -> None:
    cluster = Reconciled(stack())
    await cluster.run(Platform(catalog()), NOW)
    await cluster.run(held(), NOW)
    assert cluster.status["policy"]["broken"] == ["mine/owner"]
    cluster.ask(stack(models=[hosted(scaling={"min": 2, "max": 2})]))
    await cluster.run(held(), NOW)
    assert replicas(cluster) == 2
    cluster.ask(stack(**OWNED))
    await cluster.run(held(), NOW)
    cluster.ask(stack(models=[hosted(scaling={"min": 3, "max": 3})]))
    await cluster.run(held(), NOW)
    assert cluster.condition("Ready") == VIOLATED
    assert replicas(cluster) == 1, "the owner was there, and is taken away"
    await cluster.run(held(), NOW)
    assert replicas(cluster) == 1, "what was refused stands for nothing at the next look"


async def test_what_was_off_is_not_switched_on_to_break_a_rule() -> None:
    cluster = Reconciled(stack())
    await cluster.run(Platform(catalog()), NOW)
    cluster.ask(stack(suspend=True))
    await cluster.run(held(), NOW)
    assert replicas(cluster) == 0
    cluster.ask(stack())
    await cluster.run(held(), NOW)
    assert replicas(cluster) == 0
    assert cluster.condition("Ready") == VIOLATED


async def breaking() -> Reconciled:
    """A stack that ran before there was a policy which it breaks, and whose status knows of that."""
    cluster = Reconciled(stack())
    await cluster.run(Platform(catalog()), NOW)
    await cluster.run(held(), NOW)
    return cluster


def rendered_otherwise(cluster: Reconciled, **policy: Any) -> None:
    """What another version applied of the same spec, and what its status says of policies."""
    status = cluster.status
    inventory = [{**item, "applied": "of-another-version"} for item in status["inventory"]]
    cluster.stack["status"] = {**status, "inventory": inventory, "policy": {**status["policy"], **policy}}


@pytest.mark.parametrize("on_violation", ["BlockUpdates", "Report"])
async def test_what_runs_is_kept_up_whatever_it_breaks_when_another_version_renders_it(
    on_violation: str,
) -> None:
    cluster = await breaking()
    rendered_otherwise(cluster, broken=[])
    await cluster.run(held(on_violation=on_violation), NOW)
    assert "of-another-version" not in {item["applied"] for item in cluster.status["inventory"]}
    assert cluster.status["policy"]["broken"] == ["mine/owner"]
    cluster.ask(stack(models=[hosted(scaling={"min": 2, "max": 2})]))
    await cluster.run(held(on_violation=on_violation), NOW)
    assert replicas(cluster) == 2


async def test_what_runs_is_kept_up_whatever_it_breaks_when_its_status_was_lost() -> None:
    cluster = await breaking()
    del cluster.stack["status"]
    await cluster.run(held(), NOW)
    assert cluster.condition("Ready") != VIOLATED
    assert cluster.status["policy"]["broken"] == ["mine/owner"]


async def test_what_a_policy_had_switched_off_is_not_switched_on_because_it_only_blocks_now() -> None:
    cluster = await breaking()
    await cluster.run(held(on_violation="Suspend"), NOW)
    assert replicas(cluster) == 0
    for _ in range(2):
        await cluster.run(held(), NOW)
        assert replicas(cluster) == 0
        assert cluster.condition("Ready") == VIOLATED


async def test_what_was_refused_is_refused_again_when_another_version_renders_it() -> None:
    cluster = await running(**OWNED)
    cluster.ask(stack(models=[hosted(scaling={"min": 3, "max": 3})]))
    await cluster.run(held(), NOW)
    rendered_otherwise(cluster)
    await cluster.run(held(), NOW)
    assert cluster.condition("Ready") == VIOLATED
    assert replicas(cluster) == 1
