"""What budgets do to gateways when money is really spent, and what stays as it was."""

from typing import Any

import pytest

from aistack.api import AIBudget, ConditionType, Reason
from aistack.api.budgets import Threshold
from aistack.api.stack import Condition
from aistack.cost import estimate
from aistack.resolved import ResolvedRoute
from aistack.restraint import Hold, Restraint, restrained, restraint_of, standing_restraint
from aistack.spending.thresholds import action_of, reached
from tests.budgets import UNIT, budget
from tests.costs import GPT, TRAFFIC, managed, priced, prices, route
from tests.stacks import hosted

DEGRADED, STOPPED = Restraint(Reason.DEGRADED), Restraint(Reason.STOPPED)
MINI = {**GPT, "model": "gpt-mini", "inputPerMillion": "0.1", "outputPerMillion": "0.4"}


def acting(name: str, action: str | None) -> AIBudget:
    found = budget(name)
    status = found.status.model_copy(update={"action": action, "month": "2026-11"})
    return found.model_copy(update={"status": status})


def degraded(*targets: str, fallbacks: tuple[str, ...] = (), **fields: Any) -> ResolvedRoute:
    models = [
        managed(),
        {**managed("mini", model="gpt-mini"), "contextWindow": 1000},
        managed("odd", model="nobody-knows"),
        hosted(),
    ]
    named = [(target, 1) for target in targets]
    routes = [route(*named, fallbacks=list(fallbacks), **fields)]
    stack = priced(models=models, gateway={"routes": routes}, traffic=TRAFFIC)
    return restrained(stack, Hold(DEGRADED), prices(GPT, MINI)).gateway.routes[0]


def test_the_hardest_action_counts_and_says_which_budget_and_until_when() -> None:
    assert restraint_of([budget("a"), budget("b")]) is None
    found = restraint_of([acting("a", "Degrade"), acting("b", "Stop"), acting("c", "Stop")])
    assert found is not None
    assert found.reason is Reason.STOPPED
    assert found.message.startswith("budget b has stopped the gateway until its month turns after 2026-11")
    (only,) = [restraint_of([acting("a", "Degrade")])]
    assert only is not None
    assert only.reason is Reason.DEGRADED


def test_what_nobody_may_lift_stays_unless_more_is_asked_for() -> None:
    stop, degrade = Restraint(Reason.STOPPED, "before"), Restraint(Reason.DEGRADED, "before")
    asking = [acting("a", "Degrade")]
    assert restraint_of([], stop) == restraint_of(asking, stop) == stop
    assert restraint_of([], degrade) == degrade
    assert restraint_of(asking, degrade) == restraint_of(asking)
    assert restraint_of([acting("b", "Stop")], degrade) == restraint_of([acting("b", "Stop")])


def test_the_restraint_under_which_a_stack_runs_stands_in_its_status() -> None:
    said = Condition(
        type=ConditionType.WITHIN_THRESHOLDS,
        status="False",
        reason="Stopped",
        message="why",
        last_transition_time="2026-11-01T00:00:00Z",
        observed_generation=1,
    )
    assert standing_restraint([said]) == Restraint(Reason.STOPPED, "why")
    assert standing_restraint([]) is None


@pytest.mark.parametrize(
    ("targets", "fallbacks", "tried"),
    [
        (("gpt", "mini"), (), ["mini"]),
        (("gpt", "mini"), ("llama",), ["llama"]),
        (("odd", "gpt"), (), ["gpt"]),
        (("gpt",), ("odd",), ["gpt"]),
    ],
    ids=["the cheaper one", "what is paid anyway", "an unknown price could be any", "a lone target stays"],
)
def test_a_route_that_degrades_leads_to_its_cheapest_target(
    targets: tuple[str, ...], fallbacks: tuple[str, ...], tried: list[str]
) -> None:
    (way,) = degraded(*targets, fallbacks=fallbacks).ways
    assert [model.name for model in way.models] == tried


def test_a_dearer_model_is_no_way_out_for_long_requests_either() -> None:
    found = degraded("mini", longContextFallbacks=["gpt"])
    assert found.long_context_fallbacks == ()
    kept = degraded("mini", longContextFallbacks=["llama"])
    assert [model.name for model in kept.long_context_fallbacks] == ["llama"]
    unknown = degraded("mini", fallbacks=("llama",), longContextFallbacks=["llama"])
    assert unknown.long_context_fallbacks == (), "nobody knows what is too long for llama"


def test_what_a_stack_may_cost_is_not_changed_by_what_is_done_to_its_gateway() -> None:
    stack = priced(models=[hosted(), managed()], gateway={"routes": [route(("gpt", 1))]}, traffic=TRAFFIC)
    assert restrained(stack, Hold(), prices()) is stack
    stopped = restrained(stack, Hold(STOPPED), prices())
    assert stopped.gateway.stopped
    assert estimate(stopped, prices()) == estimate(stack, prices())


def test_thresholds_are_reached_by_what_was_spent_and_the_hardest_action_is_done() -> None:
    asked = [(80, "Warn"), (100, "Degrade"), (120, "Stop")]
    terms = budget(limit="10", thresholds=[{"percent": p, "action": action} for p, action in asked]).spec

    def after(units: float) -> tuple[list[int], str | None]:
        over = reached(terms, int(units * UNIT * 10**6))
        return [each.percent for each in over], action_of(over)

    assert after(7.999) == ([], None)
    assert after(8) == ([80], None)
    assert after(10) == ([100, 80], "Degrade")
    assert after(12) == ([120, 100, 80], "Stop")
    assert action_of([Threshold(percent=1, action="Warn")]) is None
