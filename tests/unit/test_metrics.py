"""What the controller tells Prometheus and the kubelet."""

import asyncio

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import Collector

from aistack.api.budgets import AIBudgetStatus
from aistack.api.policies import PolicyStatus
from aistack.api.stack import CostStatus, MonthlyRange
from aistack.budget import Ledger
from aistack.budget.ledger import admit, commit
from aistack.errors import SettingsError
from aistack.runtime.endpoint import endpoint
from aistack.runtime.metrics import BudgetAmounts, PolicyResults, StackCosts, StackStates, count_request
from tests import budgets


async def fetched(port: int, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.text()


def samples(collector: Collector) -> dict[str, float]:
    """As Prometheus would read them, by name and labels."""
    registry = CollectorRegistry()
    registry.register(collector)
    lines = generate_latest(registry).decode().splitlines()
    found = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in found}


def stacks_counted(states: StackStates) -> dict[str, float]:
    return {name.removeprefix("aistack_stacks"): value for name, value in samples(states).items()}


def test_stacks_are_counted_by_readiness_and_reason() -> None:
    states = StackStates()
    states.set(("care", "a"), True, "Ready")
    states.set(("care", "b"), False, "Unschedulable")
    states.set(("care", "c"), False, "Unschedulable")
    assert stacks_counted(states) == {
        '{ready="true",reason="Ready"}': 1.0,
        '{ready="false",reason="Unschedulable"}': 2.0,
    }
    states.set(("care", "b"), True, "Ready")
    states.forget(("care", "c"))
    assert stacks_counted(states) == {'{ready="true",reason="Ready"}': 2.0}
    states.clear()
    assert stacks_counted(states) == {}


def test_results_of_policies_are_added_up_over_all_stacks() -> None:
    results = PolicyResults()
    results.set(("care", "a"), {("baseline", "passed"): 2, ("baseline", "failed"): 1})
    results.set(("care", "b"), {("baseline", "passed"): 3})
    assert samples(results) == {
        'aistack_policy_results{policy="baseline",result="passed"}': 5.0,
        'aistack_policy_results{policy="baseline",result="failed"}': 1.0,
    }
    results.forget(("care", "a"))
    assert samples(results) == {'aistack_policy_results{policy="baseline",result="passed"}': 3.0}


def test_a_stack_that_can_not_be_judged_holds_up_no_count_and_keeps_what_was_said_of_it() -> None:
    results = PolicyResults()
    assert not results.cover({("care", "a"), ("care", "b")})
    results.set(("care", "a"), {("baseline", "failed"): 1})
    for name in ("a", "b"):
        results.pass_over(("care", name))
    assert results.cover({("care", "a"), ("care", "b")})
    assert results.statuses() == {"baseline": PolicyStatus(stacks=1, violating=1)}


def test_a_state_is_news_only_when_it_differs() -> None:
    states = StackStates()
    assert states.set(("care", "a"), False, "Starting")
    assert not states.set(("care", "a"), False, "Starting")
    assert states.set(("care", "a"), True, "Ready")


def test_each_stack_has_its_cost_and_each_budget_what_it_holds() -> None:
    costs = StackCosts()
    monthly = MonthlyRange(min="1.00", expected="2.50", max="4.00")
    costs.set(("care", "a"), CostStatus(currency="EUR", monthly=monthly))
    costs.set(("care", "b"), CostStatus())
    of_a = 'currency="EUR",namespace="care",stack="a"'
    assert samples(costs) == {
        f'aistack_stack_cost_monthly{{bound="{bound}",{of_a}}}': amount
        for bound, amount in (("min", 1.0), ("expected", 2.5), ("max", 4.0))
    }
    costs.forget(("care", "a"))
    assert samples(costs) == {}

    ledger, _ = commit(Ledger.of(budgets.budget()), budgets.claim(60), running=True)
    ledger, _ = admit(ledger, budgets.claim(30, "care/b"), budgets.EXPIRES)
    held = budgets.budget().model_copy(update={"status": ledger.status(AIBudgetStatus())})
    assert samples(BudgetAmounts(lambda: {"care": held})) == {
        f'aistack_budget_{what}{{budget="care",currency="USD"}}': amount
        for what, amount in (("limit", 100.0), ("reserved", 90.0), ("committed", 60.0))
    }


async def test_requests_are_shown_by_verb_and_code() -> None:
    count_request("apply", 201, 0.003)
    async with endpoint(0, lambda: True) as port:
        status, text = await fetched(port, "/metrics")
    assert status == 200
    assert 'aistack_api_requests_total{code="201",verb="apply"}' in text
    assert 'aistack_api_request_seconds_bucket{le="0.005",verb="apply"}' in text


async def test_a_process_is_alive_before_it_is_ready() -> None:
    ready = asyncio.Event()
    async with endpoint(0, ready.is_set) as port:
        assert (await fetched(port, "/healthz"))[0] == 200
        assert (await fetched(port, "/readyz"))[0] == 503
        ready.set()
        assert (await fetched(port, "/readyz"))[0] == 200
        assert (await fetched(port, "/else"))[0] == 404


async def test_a_port_that_is_taken_is_named_with_what_to_write() -> None:
    async with endpoint(0, lambda: True) as port:
        with pytest.raises(SettingsError, match=f"AISTACK_METRICS_PORT is {port}.*write a port that is free"):
            async with endpoint(port, lambda: True):
                pass
