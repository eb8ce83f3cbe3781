"""What the stack's alternatives would cost at a tenth, at once and at ten times the volume."""

from typing import Any

from aistack.cost.estimate import estimate
from aistack.cost.matrix import Alternative, Cell, matrix
from aistack.cost.money import cents
from tests.costs import GPT, TRAFFIC, managed, priced, prices, route, shared
from tests.stacks import hosted

BOTH = shared(hosted(scaling={"min": 1, "max": 4}, tokensPerSecond=900), managed(), traffic=TRAFFIC)


def cells(**spec: Any) -> dict[tuple[Alternative, str], Cell]:
    return {(cell.alternative, str(cell.volume)): cell for cell in matrix(priced(**spec), prices())}


def expected(cell: Cell, component: str) -> str:
    cost = cell.estimate.components[component]
    assert cost
    return cents(cost.expected)


def test_each_alternative_is_there_at_each_volume() -> None:
    assert set(cells(**BOTH)) == {(kind, volume) for kind in Alternative for volume in ("0.1", "1", "10")}


def test_as_it_is_at_the_declared_volume_is_the_estimate_itself() -> None:
    stack = priced(**BOTH)
    assert cells(**BOTH)[Alternative.AS_IS, "1"].estimate == estimate(stack, prices())


def test_all_managed_sends_every_request_to_the_managed_model() -> None:
    """6000.34 is what gpt alone costs for the whole traffic."""
    there = cells(**BOTH)
    assert expected(there[Alternative.ALL_MANAGED, "1"], "model/gpt") == "6000.34"
    assert expected(there[Alternative.ALL_MANAGED, "10"], "model/gpt") == "60003.35"
    assert "model/llama" not in there[Alternative.ALL_MANAGED, "1"].estimate.components


def test_all_self_hosted_has_the_replicas_that_the_volume_needs() -> None:
    """1500e6 tokens a month over 2,628,000 s x 0.6 x 900 tokens/s = 1.06: two, and at a tenth one."""
    there = cells(**BOTH)
    assert expected(there[Alternative.ALL_SELF_HOSTED, "0.1"], "model/llama") == "584.00"
    assert expected(there[Alternative.ALL_SELF_HOSTED, "1"], "model/llama") == "1168.00"
    assert there[Alternative.ALL_SELF_HOSTED, "1"].remarks == ()


def test_replicas_that_would_be_too_few_are_said() -> None:
    cell = cells(**BOTH)[Alternative.ALL_SELF_HOSTED, "10"]
    assert cell.remarks == ("llama needs 11 replicas and may have 4",)
    assert cell.is_lower_bound


def test_an_unknown_throughput_is_said() -> None:
    spec = shared(hosted(), managed(), traffic=TRAFFIC)
    assert cells(**spec)[Alternative.AS_IS, "1"].remarks == (
        "llama may need more than its 1 replicas: its throughput is unknown",
    )


def test_a_task_that_no_model_of_the_sort_does_stays_where_it_is() -> None:
    embedding = {**hosted("minilm"), "task": "embedding"}
    spec = {
        "models": [hosted(tokensPerSecond=900), managed(), embedding],
        "gateway": {"routes": [route(("llama", 1), ("gpt", 1)), route(("minilm", 1), name="embed")]},
        "traffic": TRAFFIC,
    }
    cell = cells(**spec)[Alternative.ALL_MANAGED, "1"]
    assert cell.remarks == ("minilm stays: no other model does embedding",)
    assert expected(cell, "model/minilm") == "584.00"


def test_a_cache_compares_by_a_model_of_the_sort_where_one_does() -> None:
    models = [hosted(tokensPerSecond=900), {**hosted("minilm"), "task": "embedding"}]
    models += [managed(), {**managed("ada"), "task": "embedding"}]
    kept = {"mode": "Semantic", "embeddingModel": "minilm"}
    spec = {
        "models": models,
        "gateway": {"routes": [route(("llama", 1), cache=kept)]},
        "traffic": TRAFFIC,
    }
    assert expected(cells(**spec)[Alternative.AS_IS, "1"], "model/minilm") == "584.00"
    assert expected(cells(**spec)[Alternative.ALL_MANAGED, "1"], "model/ada") == "2000.34"


def test_a_route_that_keeps_no_target_goes_to_its_fallback() -> None:
    spec = {
        "models": [hosted(), managed("small"), managed()],
        "gateway": {"routes": [route(("llama", 1), fallbacks=["gpt"])]},
        "traffic": TRAFFIC,
    }
    assert expected(cells(**spec)[Alternative.ALL_MANAGED, "1"], "model/gpt") == "6000.34"


def test_a_stack_with_models_of_one_sort_is_compared_with_nothing_that_somebody_would_have_to_guess() -> None:
    assert {kind for kind, _ in cells(models=[managed()], traffic=TRAFFIC)} == {Alternative.AS_IS}


def test_without_traffic_there_is_nothing_to_multiply() -> None:
    assert matrix(priced(**shared(hosted(), managed())), prices(GPT)) == ()
