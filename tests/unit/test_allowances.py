"""Limits on the money of models and clients: what is known of them, what they stop, what could not hold."""

from datetime import UTC, datetime
from typing import Any

import pytest

from aistack.allowances import (
    Allowance,
    allowances,
    exhausted,
    exhausted_before,
    judgement,
    limits_of,
    limits_status,
)
from aistack.api import AIStack, ConditionType, Reason
from aistack.api.stack import CostStatus
from aistack.cost.limits import limit_problems
from aistack.cost.prices import NO_PRICES
from aistack.observed import Metered
from aistack.platform import Platform
from aistack.render import render
from aistack.resolved import ResolvedRoute, ResolvedStack
from aistack.restraint import Hold, Restraint, restrained
from tests.costs import managed, priced, prices, route
from tests.stacks import catalog, hosted, stack

NOW = datetime(2026, 11, 10, tzinfo=UTC)
TURN, NEXT_TURN = "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"
DOLLAR = 1_000_000


def client(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "secretKeyRef": {"name": "keys", "key": name}, **fields}


def usd(amount: str) -> dict[str, Any]:
    return {"monthlyLimit": {"amount": amount}}


SPEC = AIStack.parse(
    stack(
        models=[hosted(), managed(**usd("10")), managed("mini")],
        gateway={"clients": [client("web", **usd("4")), client("batch")]},
    )
).spec


def known(gpt: int, web: int) -> tuple[Allowance, ...]:
    """When so many millionths were spent."""
    limited = {"model/gpt": gpt, "client/web": web}
    return allowances(SPEC, Metered("2026-11", 0, None, limited, TURN), None, NOW)


def test_a_limit_is_reached_by_its_last_cent_and_said_until_when() -> None:
    assert list(limits_of(SPEC)) == ["model/gpt", "client/web"]
    assert exhausted(known(10 * DOLLAR - 1, 4 * DOLLAR - 1)) == {}
    found = known(10 * DOLLAR, 4 * DOLLAR)
    assert exhausted(found) == {"model/gpt": TURN, "client/web": TURN}
    ((kind, (holds, cause)),) = judgement(found).items()
    assert (kind, holds, cause.reason) == (
        ConditionType.WITHIN_MONTHLY_LIMITS,
        False,
        Reason.LIMIT_REACHED,
    )
    gpt, web = cause.message.split("; ")
    assert gpt.startswith(f"model/gpt has cost its 10 USD of this month and is not asked until {TURN}")
    assert "client/web has cost its 4 USD of this month and is answered with 429" in web
    assert judgement(known(0, 0))[kind][0]
    assert judgement(()) == {}


def test_before_anything_is_metered_again_a_limit_is_as_the_status_said_while_its_month_lasts() -> None:
    before = CostStatus(limits=limits_status(known(10 * DOLLAR, 1)))
    assert exhausted_before(before) == {"model/gpt": TURN}
    assert exhausted(allowances(SPEC, None, before, NOW)) == {"model/gpt": TURN}
    assert allowances(SPEC, None, before, datetime(2026, 12, 1, tzinfo=UTC)) == ()
    assert allowances(SPEC, None, None, NOW) == ()
    anew = Metered("2026-12", 0, None, {"model/gpt": 1, "client/web": 0}, NEXT_TURN)
    assert exhausted(allowances(SPEC, anew, before, NOW)) == {}
    over = Metered("2026-11", 0, None, {"model/gpt": 10 * DOLLAR}, TURN)
    assert allowances(SPEC, over, before, datetime(2026, 12, 1, tzinfo=UTC)) == (), "no look since it turned"


def test_a_limit_stays_reached_in_its_month_though_metering_has_lost_what_was_spent() -> None:
    before = CostStatus(limits=limits_status(known(10 * DOLLAR, 1)))
    lost = Metered("2026-11", 0, None, {"model/gpt": 1, "client/web": 3}, TURN)
    assert [each.spent for each in allowances(SPEC, lost, before, NOW)] == [10 * DOLLAR, 3]
    euros = before.model_copy(update={"currency": "EUR"})
    assert [each.spent for each in allowances(SPEC, lost, euros, NOW)] == [1, 3]
    assert allowances(SPEC, None, euros, NOW) == ()


def test_no_millionth_of_a_limit_is_rounded_away_in_the_status() -> None:
    before = CostStatus(limits=limits_status(known(10 * DOLLAR - 1, 0)))
    assert [each.spent for each in before.limits] == ["9.999999", "0"]
    assert exhausted(allowances(SPEC, None, before, NOW)) == {}


def held(*targets: tuple[str, int], spent: str = "model/gpt", **fields: Any) -> ResolvedRoute:
    """A route once the money of `spent` is spent."""
    models = [managed(), {**managed("mini"), "contextWindow": 1000}, hosted()]
    made = priced(models=models, gateway={"routes": [route(*targets, **fields)]})
    return restrained(made, Hold(exhausted={spent: TURN}), prices()).gateway.routes[0]


@pytest.mark.parametrize(
    ("targets", "fallbacks", "ways"),
    [
        ([("gpt", 80), ("mini", 20)], ["llama"], [["mini", "llama"]]),
        ([("gpt", 1)], ["mini", "llama"], [["mini", "llama"]]),
        ([("gpt", 1), ("llama", 0)], ["mini"], [["mini"]]),
        ([("llama", 1)], ["gpt"], [["llama"]]),
        ([("llama", 1), ("mini", 3)], [], [["mini", "llama"], ["llama", "mini"]]),
    ],
    ids=["other targets", "the first fallback", "what gets nothing is no target", "no fallback", "no matter"],
)
def test_a_model_whose_money_is_spent_is_in_no_way_of_a_route(
    targets: list[tuple[str, int]], fallbacks: list[str], ways: list[list[str]]
) -> None:
    found = held(*targets, fallbacks=fallbacks)
    assert not found.stopped
    assert sorted([[model.name for model in way.models] for way in found.ways]) == sorted(ways)


def test_a_route_that_has_nobody_else_answers_no_more() -> None:
    assert held(("gpt", 1)).stopped
    assert held(("gpt", 1), ("mini", 0)).stopped


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_of_a_stack_only_the_gateways_running_configuration_changes(provider: str) -> None:
    """No pod is restarted and no adapter goes: all is there when the month turns."""
    credentials = {"secretKeyRef": {"name": "keys", "key": "gpt"}}
    models = [managed(provider=provider, credentials=credentials), hosted()]
    made = priced(models=models, gateway={"routes": [route(("gpt", 1), fallbacks=["llama"])]})
    before, after = (
        {(each["kind"], each["metadata"]["name"]): each for each in render(restrained(made, hold, prices()))}
        for hold in (Hold(), Hold(exhausted={"model/gpt": TURN}))
    )
    assert before.keys() == after.keys()
    changed = [key for key in before if before[key] != after[key]]
    assert changed == [("ConfigMap", "support-gateway")]


def test_a_question_is_embedded_by_no_model_whose_money_is_spent() -> None:
    """The same one still finds its answer, and no pod is restarted."""
    ada = {**managed("ada"), "task": "embedding"}
    kept = {"mode": "Semantic", "embeddingModel": "ada"}
    made = priced(models=[hosted(), ada], gateway={"routes": [route(("llama", 1), cache=kept)]})
    before, after = (
        {(each["kind"], each["metadata"]["name"]): each for each in render(restrained(made, hold, prices()))}
        for hold in (Hold(), Hold(exhausted={"model/ada": TURN}))
    )
    gateway = ("ConfigMap", "support-gateway")
    assert [key for key in before if before[key] != after[key]] == [gateway]
    routes = [manifests[gateway]["data"]["routes.json"] for manifests in (before, after)]
    assert ["chat.embedding" in text for text in routes] == [True, False]


def test_what_is_too_long_goes_to_no_model_whose_money_is_spent() -> None:
    found = held(("mini", 1), longContextFallbacks=["gpt", "llama"])
    assert [model.name for model in found.long_context_fallbacks] == ["llama"]
    instead = held(("mini", 1), spent="model/mini", fallbacks=["llama"], longContextFallbacks=["gpt"])
    assert instead.long_context_fallbacks == (), "nobody knows what is too long for llama"


def test_a_client_whose_money_is_spent_is_the_only_one_that_is_stopped() -> None:
    clients = [client("web"), client("batch")]
    made = priced(models=[managed()], gateway={"clients": clients, "routes": [route(("gpt", 1))]})
    found = restrained(made, Hold(exhausted={"client/web": TURN, "client/gone": TURN}), prices())
    assert found.gateway.spent_clients == {"web": TURN}
    assert found.gateway.routes == made.gateway.routes
    stopped = restrained(made, Hold(Restraint(Reason.STOPPED), {"client/web": TURN}), prices())
    assert stopped.gateway.stopped, "a budget may stop all of it as well"


def refused(limit: dict[str, Any], *, model: str = "gpt-x", routes: tuple[str, ...] = ()) -> list[str]:
    """The problems of a limit on the client web and on the model gpt."""
    models = [managed(model=model, monthlyLimit=limit), hosted()]
    listed = [route(("gpt", 1)), route(("llama", 1), name="free")]
    web = client("web", routes=list(routes), monthlyLimit=limit)
    made: ResolvedStack = priced(models=models, gateway={"clients": [web], "routes": listed})
    assert not list(limit_problems(made, NO_PRICES)), "nobody was asked"
    return [str(problem) for problem in limit_problems(made, prices())]


def test_a_clients_limit_wants_the_price_of_what_embeds_its_questions() -> None:
    ada = {**managed("ada", model="nobody-knows"), "task": "embedding"}
    kept = {"mode": "Semantic", "embeddingModel": "ada"}
    clients = [client("web", **usd("4"))]
    gateway = {"clients": clients, "routes": [route(("llama", 1), cache=kept)]}
    [problem] = limit_problems(priced(models=[hosted(), ada], gateway=gateway), prices())
    assert str(problem).startswith("spec.gateway.clients[web].monthlyLimit: nobody knows what ada costs")


def test_a_limit_is_refused_that_nobody_could_hold() -> None:
    assert refused({"amount": "10"}) == []
    gpt, web = refused({"amount": "10", "currency": "EUR"})
    assert gpt.startswith("spec.models[gpt].managed.monthlyLimit: prices are in USD here")
    assert web.startswith("spec.gateway.clients[web].monthlyLimit: prices are in USD here")
    gpt, web = refused({"amount": "10"}, model="nobody-knows")
    assert gpt == (
        "spec.models[gpt].managed.monthlyLimit: nobody knows what gpt costs, so no limit can hold: "
        "write tokens[openai, nobody-knows] into a PriceBook in USD"
    )
    assert web.startswith("spec.gateway.clients[web].monthlyLimit: nobody knows what gpt costs")
    assert len(refused({"amount": "10"}, model="nobody-knows", routes=("free",))) == 1, "web never asks gpt"


def test_webhook_and_controller_refuse_it_alike_and_know_what_it_means() -> None:
    """Both ask the platform; what is refused is judged and metered all the same."""
    asked = AIStack.parse(stack(models=[managed(model="nobody-knows", **usd("10"))]))
    found = Platform(catalog(), prices()).resolve(asked)
    assert [(problem.path, problem.reason) for problem in found.problems] == [
        ("spec.models[gpt].managed.monthlyLimit", Reason.PRICE_UNKNOWN)
    ]
    assert (found.stack, found.meaning is None) == (None, False)
