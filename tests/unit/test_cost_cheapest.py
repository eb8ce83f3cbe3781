"""The strategy lowestCost asks first where one more request costs least."""

from typing import Any

import pytest

from aistack.api import AIStack
from aistack.cost.cheapest import cheapest_first
from aistack.platform import Platform
from tests.costs import GPT, TRAFFIC, managed, priced, prices, route
from tests.stacks import catalog, hosted, stack

CHEAP = {**GPT, "model": "cheap", "inputPerMillion": "0.1", "outputPerMillion": "0.4"}
TALKATIVE = {**GPT, "model": "talkative", "inputPerMillion": "0.01", "outputPerMillion": "100"}
BOOK = prices(GPT, CHEAP, TALKATIVE)


def order(*models: dict[str, Any], **spec: Any) -> list[str]:
    targets = [(model["name"], 1) for model in models]
    spec = {"traffic": TRAFFIC, **spec}
    strategy = spec.pop("strategy", "lowestCost")
    stack = priced(models=list(models), gateway={"routes": [route(*targets, strategy=strategy)]}, **spec)
    [found] = cheapest_first(stack, BOOK).gateway.routes
    [way, *_] = found.ways
    return [model.name for model in way.models]


GPT_MODEL, CHEAP_MODEL = managed("gpt"), managed("cheap", model="cheap")
OTHER = managed("talkative", model="talkative")


@pytest.mark.parametrize(
    ("models", "traffic", "expected", "why"),
    [
        ([GPT_MODEL, CHEAP_MODEL], {}, ["cheap", "gpt"], "by what a request costs"),
        ([GPT_MODEL, hosted()], {}, ["llama", "gpt"], "what is self-hosted is paid anyway"),
        ([hosted("b"), hosted("a")], {}, ["b", "a"], "of equals the declared order stays"),
        ([managed("new", model="new"), GPT_MODEL], {}, ["gpt", "new"], "an unknown price may be any"),
        ([OTHER, GPT_MODEL], {}, ["gpt", "talkative"], "many tokens come out"),
        ([GPT_MODEL, OTHER], {"outputTokens": 1}, ["talkative", "gpt"], "hardly any come out"),
    ],
)
def test_targets_are_asked_in_the_order_of_their_price(
    models: list[dict[str, Any]], traffic: dict[str, int], expected: list[str], why: str
) -> None:
    assert order(*models, traffic={**TRAFFIC, **traffic}) == expected, why


def test_other_strategies_stay_as_they_are() -> None:
    assert order(GPT_MODEL, CHEAP_MODEL, strategy="ordered") == ["gpt", "cheap"]


def test_the_order_stays_when_a_stack_is_suspended() -> None:
    """Else the configuration would change with it, and change again when the stack goes on."""
    routes = [route(("gpt", 1), ("cheap", 1), strategy="lowestCost")]
    models = [GPT_MODEL, CHEAP_MODEL]
    running = AIStack.parse(stack(models=models, gateway={"routes": routes}, traffic=TRAFFIC))
    for each in (running, running.suspended()):
        found = Platform(catalog(), BOOK).resolve(each).stack
        assert found
        assert [target.model.name for target in found.gateway.routes[0].targets] == ["cheap", "gpt"]
