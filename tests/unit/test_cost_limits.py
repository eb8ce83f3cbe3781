"""What a monthlyLimit makes of a managed model's cost: the gateway stops it there, so it costs no more."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from aistack.cost.estimate import Estimate, estimate
from aistack.cost.matrix import Alternative, matrix
from aistack.cost.money import cents, micro_units
from aistack.units import decimal
from tests.costs import GPT, TRAFFIC, managed, priced, prices, route, shared
from tests.stacks import hosted


def limited(amount: str, **fields: Any) -> dict[str, Any]:
    return managed(monthlyLimit={"amount": amount}, **fields)


def cost(estimated: Estimate) -> tuple[str, str, str]:
    """Min, expected and max of the managed model, to the cent."""
    known = estimated.components["model/gpt"]
    assert known
    return cents(known.min), cents(known.expected), cents(known.max)


def estimated(model: dict[str, Any], **spec: Any) -> Estimate:
    return estimate(priced(**shared(model, **spec)), prices())


def test_a_model_costs_its_limit_at_the_most_though_less_traffic_is_declared() -> None:
    little = {**TRAFFIC, "requestsPerMonth": 1000}
    assert cost(estimated(managed(), traffic=little)) == ("6.00", "6.00", "6.00")
    assert cost(estimated(limited("1500"), traffic=little)) == ("6.00", "6.00", "1500.00")


def test_a_model_costs_no_more_than_its_limit_though_more_traffic_is_declared() -> None:
    assert cost(estimated(limited("1500"), traffic=TRAFFIC)) == ("1500.00", "1500.00", "1500.00")


def test_the_most_is_known_without_any_traffic() -> None:
    found = estimated(limited("1500"))
    assert found.unknown == ()
    assert cost(found) == ("0.00", "1500.00", "1500.00")


def test_an_embedding_beside_a_chat_is_bounded_by_its_limit_alone() -> None:
    vectors = {**limited("50"), "task": "embedding"}
    routes = [route(("llama", 1)), route(("gpt", 1), name="embed")]
    found = estimate(
        priced(models=[hosted(), vectors], gateway={"routes": routes}, traffic=TRAFFIC), prices()
    )
    assert found.unknown == ()
    assert cost(found) == ("0.00", "50.00", "50.00")


def test_a_limit_of_nothing_costs_nothing() -> None:
    for traffic in ({}, {"traffic": TRAFFIC}):
        found = estimated(limited("0"), **traffic)
        assert "model/gpt" not in found.components
        assert found.unknown == ()


def test_a_limit_that_nobody_could_hold_bounds_nothing() -> None:
    unpriced = prices({**GPT, "model": "another"})
    found = estimate(priced(**shared(limited("1500"))), unpriced)
    assert [gap.component for gap in found.unknown] == ["model/gpt"]
    euros = managed(monthlyLimit={"amount": "1500", "currency": "EUR"})
    assert [gap.component for gap in estimated(euros).unknown] == ["model/gpt"]


def test_a_suspended_stack_asks_no_model() -> None:
    assert "model/gpt" not in estimated(limited("1500"), suspend=True).components


def test_what_other_volumes_cost_is_said_whole_and_that_the_limit_would_stop_them() -> None:
    stack = priced(**shared(limited("10000"), traffic=TRAFFIC))
    as_is = {
        str(cell.volume): cell for cell in matrix(stack, prices()) if cell.alternative is Alternative.AS_IS
    }
    assert cost(as_is["10"].estimate)[1] == "60003.35"
    assert as_is["10"].remarks == ("gpt would stop at its monthlyLimit of 10000",)
    assert as_is["1"].remarks == ()


@given(requests=st.integers(1, 10**9), limit=st.decimals("0.01", "999999999", places=2))
def test_use_never_costs_more_than_more_use_and_the_most_is_the_limit(requests: int, limit: Any) -> None:
    traffic = {**TRAFFIC, "requestsPerMonth": requests}
    found = estimated(limited(str(limit)), traffic=traffic).components["model/gpt"]
    assert found
    assert 0 <= found.min <= found.expected <= found.max
    # Each of the three charges is rounded up to a millionth.
    assert 0 <= found.max - micro_units(decimal(str(limit))) <= 2
