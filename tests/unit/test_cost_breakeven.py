"""From how many tokens a month self-hosting is cheaper, in steps of a replica, or why nobody can say."""

from typing import Any

import pytest

from aistack.cost.assumptions import Provenance
from aistack.cost.breakeven import BreakEven, Step, break_evens
from aistack.cost.estimate import cost_status, estimate
from aistack.cost.prices import NO_PRICES, Prices
from tests.costs import GPT, TRAFFIC, managed, priced, prices, shared
from tests.stacks import hosted

MONTH = 730 * 3600


def verdict(tokens_per_second: int = 1000, price: str = "1") -> BreakEven:
    """llama (584 a replica and month, at most 3) against gpt at `price` a million tokens of either sort."""
    model = hosted(scaling={"min": 1, "max": 3}, tokensPerSecond=tokens_per_second)
    gpt = {**GPT, "inputPerMillion": price, "outputPerMillion": price}
    (found,) = break_evens(priced(**shared(model, managed(), traffic=TRAFFIC)), prices(gpt))
    return found


def test_one_replica_pays_off_where_its_cost_buys_as_many_managed_tokens() -> None:
    """gpt: 1500 tokens for 0.0015 and 4000 bytes sent at 0.09 a GiB; llama: 584 for at most 1576.8e6."""
    a_token = (0.0015 + 4000 / 2**30 * 0.09) / 1500
    found = verdict()
    assert found.tokens == pytest.approx(584 / a_token, abs=1)
    assert found.steps[0].capacity == int(1000 * 0.6 * MONTH)


def test_each_further_replica_is_dearer_again_until_it_is_busy() -> None:
    """At 0.5 a million, 584 buys 1167e6 tokens of the 1576e6 that a replica serves, and 1168 buys 2335e6."""
    first, second, third = verdict(price="0.5").steps
    assert first.cheaper_from is not None
    assert second.cheaper_from is not None
    assert first.cheaper_from < first.capacity < second.cheaper_from < second.capacity
    assert second.cheaper_from == pytest.approx(2 * first.cheaper_from, abs=2)
    assert third.replicas == 3
    assert verdict(price="0.5").cheaper == tuple(
        (step.cheaper_from, step.capacity) for step in (first, second, third)
    )


def test_a_step_begins_where_one_replica_less_is_not_enough() -> None:
    """At 100 a million one replica pays off at once, and so does each further one that is needed."""
    first, second, third = verdict(price="100").steps
    assert second.cheaper_from == first.capacity + 1
    assert verdict(price="100").cheaper == ((first.cheaper_from, third.capacity),)


def test_where_it_never_pays_off_as_far_as_it_serves_the_verdict_is_never() -> None:
    found = verdict(tokens_per_second=10)
    assert found.tokens is None
    assert found.band is None
    assert found.no_verdict is None
    assert found.capacity == 3 * 10 * 0.6 * MONTH


def test_a_free_managed_model_is_never_dearer() -> None:
    free = {**GPT, "inputPerMillion": "0", "outputPerMillion": "0"}
    nothing_sent = {**TRAFFIC, "inputTokens": 0}
    spec = shared(hosted(tokensPerSecond=1000), managed(), traffic=nothing_sent)
    (found,) = break_evens(priced(**spec), prices(free))
    assert found.steps == (Step(1, int(600 * MONTH), None),)


def test_the_band_is_a_quarter_to_both_sides() -> None:
    found = verdict()
    assert found.tokens is not None
    assert found.band == (int(found.tokens * 0.75), int(found.tokens * 1.25))


def test_the_verdict_says_where_the_throughput_is_from() -> None:
    assumed = verdict().throughput
    assert assumed is not None
    assert assumed.provenance is Provenance.DECLARED
    assert assumed.why == "spec.models[llama].selfHosted.tokensPerSecond"


@pytest.mark.parametrize(
    ("spec", "known", "says"),
    [
        pytest.param(
            shared(hosted(), managed(), traffic=TRAFFIC),
            prices(),
            "write spec.models[llama].selfHosted.tokensPerSecond",
            id="no throughput",
        ),
        pytest.param(
            shared(hosted(tokensPerSecond=900), managed()), prices(), "write spec.traffic", id="no traffic"
        ),
        pytest.param(
            shared(hosted(tokensPerSecond=900), managed(), traffic=TRAFFIC),
            NO_PRICES,
            "write tokens[openai, gpt-x] into a PriceBook",
            id="no price",
        ),
    ],
)
def test_without_what_it_needs_there_is_no_verdict_but_what_to_write(
    spec: dict[str, Any], known: Prices, says: str
) -> None:
    (found,) = break_evens(priced(**spec), known)
    assert found.tokens is None
    assert found.no_verdict
    assert found.no_verdict.startswith(says)


def test_a_model_that_shares_no_route_with_a_managed_one_has_no_alternative() -> None:
    spec = {"models": [hosted(tokensPerSecond=900), managed()], "traffic": TRAFFIC}
    assert break_evens(priced(**spec), prices()) == ()


def test_the_status_has_the_tokens() -> None:
    stack = priced(**shared(hosted(tokensPerSecond=1000), managed(), traffic=TRAFFIC))
    verdicts = break_evens(stack, prices())
    status = cost_status(estimate(stack, prices()), verdicts)
    assert status.break_even_tokens == verdicts[0].tokens
    assert status.break_even_tokens
