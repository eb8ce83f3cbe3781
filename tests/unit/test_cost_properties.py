"""What holds of every estimate, whatever the stack: sums add up, and more of anything never costs less."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from aistack.api.models import Scaling, Spot
from aistack.cost.assumptions import DEFAULTS, Assumed, Assumptions, Provenance
from aistack.cost.estimate import Estimate, estimate
from aistack.cost.money import Range, cents, exact, micro_units, total
from aistack.resolved import Replicas, ResolvedStack, SelfHostedModel
from tests.costs import GPT, managed, priced, prices, route
from tests.stacks import hosted

CACHE = {"mode": "Exact"}
BASE = priced(
    models=[
        hosted(cache={"size": "40Gi"}),
        {**hosted("mistral"), "contextWindow": 8192},
        managed(),
        {**managed("other"), "contextWindow": 200_000},
    ],
    gateway={
        "routes": [
            route(("llama", 3), ("gpt", 1), fallbacks=["other"], cache=CACHE),
            route(("mistral", 1), name="second", fallbacks=["gpt"], longContextFallbacks=["other"]),
            route(("other", 1), ("llama", 1), name="third", strategy="ordered", cache=CACHE),
        ]
    },
    traffic={"requestsPerMonth": 1, "inputTokens": 1, "outputTokens": 1},
)
SHARES = st.decimals(0, 1, places=3)
AMOUNTS = st.decimals(0, 1000, places=6).map(str)


@st.composite
def bounds(draw: st.DrawFn) -> tuple[int, int]:
    low = draw(st.integers(0, 20))
    return low, draw(st.integers(max(low, 1), 40))


TRAFFIC = st.fixed_dictionaries(
    {
        "requests_per_month": st.integers(0, 10**9),
        "input_tokens": st.integers(0, 10**6),
        "output_tokens": st.integers(0, 10**6),
        "cache_hit_ratio": st.sampled_from([0.0, 0.1, 0.25, 0.999, 1.0]),
    }
)


@st.composite
def assumptions(draw: st.DrawFn) -> Assumptions:
    """Any shares, and a throughput for none, one or both of the self-hosted models."""

    def assumed(value: Decimal) -> Assumed:
        return Assumed(value, Provenance.MEASURED, "drawn")

    known = draw(st.dictionaries(st.sampled_from(["llama", "mistral"]), st.integers(1, 10**5)))
    return replace(
        DEFAULTS,
        throughput={name: assumed(Decimal(speed)) for name, speed in known.items()},
        cached_input=assumed(draw(SHARES)),
        falls_back=assumed(draw(SHARES)),
        falls_back_at_most=assumed(draw(SHARES)),
        too_long=assumed(draw(SHARES)),
        too_long_at_most=assumed(draw(SHARES)),
        interruption=assumed(draw(SHARES)),
    )


def stack_of(low: int, high: int, traffic: dict[str, Any], spot: float = 0.0) -> ResolvedStack:
    """BASE with other replicas, traffic and spot capacity."""
    models = tuple(
        replace(
            model,
            replicas=Replicas(low, high, autoscaled=low < high),
            hosted=model.hosted.model_copy(
                update={"scaling": Scaling(min=low, max=high), "spot": Spot(share=spot)}
            ),
        )
        if isinstance(model, SelfHostedModel)
        else model
        for model in BASE.models
    )
    assert BASE.spec.traffic
    spec = BASE.spec.model_copy(update={"traffic": BASE.spec.traffic.model_copy(update=traffic)})
    return replace(BASE, spec=spec, models=models)


def monthly(estimated: Estimate) -> Range[int]:
    assert estimated.monthly
    return estimated.monthly


def at_most(one: Range[int], other: Range[int]) -> bool:
    return one.min <= other.min and one.expected <= other.expected and one.max <= other.max


@given(bounds(), TRAFFIC, st.floats(0, 1), assumptions(), st.tuples(AMOUNTS, AMOUNTS))
def test_it_is_never_negative_and_min_expected_and_max_are_in_order(
    replicas: tuple[int, int],
    traffic: dict[str, Any],
    spot: float,
    assumed: Assumptions,
    amounts: tuple[str, str],
) -> None:
    priced_so = prices({**GPT, "inputPerMillion": amounts[0], "outputPerMillion": amounts[1]})
    estimated = estimate(stack_of(*replicas, traffic, spot), priced_so, assumed)
    assert estimated.unknown == ()
    for charge in estimated.charges:
        assert charge.cost
        assert 0 <= charge.cost.min <= charge.cost.expected <= charge.cost.max


@given(bounds(), TRAFFIC, assumptions())
def test_the_parts_add_up_to_the_whole_to_the_last_millionth(
    replicas: tuple[int, int], traffic: dict[str, Any], assumed: Assumptions
) -> None:
    estimated = estimate(stack_of(*replicas, traffic), prices(), assumed)
    parts = [cost for cost in estimated.components.values() if cost]
    assert total(parts) == monthly(estimated)
    assert total(charge.cost for charge in estimated.charges if charge.cost) == monthly(estimated)


@given(bounds(), st.tuples(st.integers(0, 5), st.integers(0, 5)), TRAFFIC, st.floats(0, 1), assumptions())
def test_more_replicas_never_cost_less(
    replicas: tuple[int, int],
    more: tuple[int, int],
    traffic: dict[str, Any],
    spot: float,
    assumed: Assumptions,
) -> None:
    low, high = replicas
    few = estimate(stack_of(low, high, traffic, spot), prices(), assumed)
    grown = low + more[0], max(high, low + more[0]) + more[1]
    many = estimate(stack_of(*grown, traffic, spot), prices(), assumed)
    assert at_most(monthly(few), monthly(many))


@given(bounds(), TRAFFIC, TRAFFIC, assumptions())
def test_more_traffic_never_costs_less(
    replicas: tuple[int, int], one: dict[str, Any], other: dict[str, Any], assumed: Assumptions
) -> None:
    less = {name: min(one[name], other[name]) for name in one}
    more = {name: max(one[name], other[name]) for name in one}
    less["cache_hit_ratio"], more["cache_hit_ratio"] = more["cache_hit_ratio"], less["cache_hit_ratio"]
    assert at_most(
        monthly(estimate(stack_of(*replicas, less), prices(), assumed)),
        monthly(estimate(stack_of(*replicas, more), prices(), assumed)),
    )


@given(st.decimals(0, 10**12 - 1, places=6))
def test_an_amount_of_the_api_is_kept_to_the_last_digit(amount: Decimal) -> None:
    assert Decimal(exact(micro_units(amount))) == amount


@given(st.integers(0, 10**24))
def test_what_is_shown_is_at_most_half_a_cent_off_or_the_most_that_can_be_said(micro: int) -> None:
    shown = Decimal(cents(micro))
    assert abs(shown - Decimal(micro) / 10**6) <= Decimal("0.005") or shown == Decimal("999999999999.99")
