"""What holds of every estimate, whatever the stack has: embeddings, an adapter, limits, clients outside."""

from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from aistack.cost.estimate import Estimate, estimate
from aistack.cost.money import total
from aistack.cost.prices import NO_PRICES
from tests.costs import GPT, managed, priced, prices, route
from tests.stacks import hosted

Spec = dict[str, Any]
KEY = {"credentials": {"secretKeyRef": {"name": "keys", "key": "anthropic"}}}
MODELS: dict[str, Spec] = {
    "gpt": managed(),
    "claude": managed("claude", provider="anthropic", model="claude-x", **KEY),
    "secret": managed("secret", model="nobody-knows-its-price"),
    "ada": {**managed("ada", model="ada"), "task": "embedding"},
    "minilm": {**hosted("minilm"), "task": "embedding"},
}
CHATS = ("llama", "mistral", "gpt", "claude", "secret")
CLAUDE = {**GPT, "provider": "anthropic", "model": "claude-x", "outputPerMillion": "15"}
ADA = {**GPT, "model": "ada", "outputPerMillion": "0"}
PRICES = prices(GPT, CLAUDE, ADA)


@st.composite
def self_hosted(draw: st.DrawFn, name: str) -> Spec:
    low = draw(st.integers(1, 5))
    return hosted(
        name,
        scaling={"min": low, "max": draw(st.integers(low, 9))},
        **draw(st.fixed_dictionaries({}, optional={"tokensPerSecond": st.integers(1, 5000)})),
        **draw(st.fixed_dictionaries({}, optional={"cache": st.just({"size": "40Gi"})})),
    )


@st.composite
def gateways(draw: st.DrawFn, models: list[str]) -> Spec:
    """A route of the chat models, of which the last are asked if others fail and another may find similar
    questions; and one of each of the rest."""
    chats = [name for name in models if name in CHATS]
    others = [name for name in models if name not in CHATS]
    spare = chats[len(chats) - draw(st.integers(0, len(chats) - 1)) :] if chats else []
    targets = [(name, draw(st.integers(1, 100))) for name in chats if name not in spare]
    limits: Spec = draw(st.sampled_from([{}, {"limits": {"requestsPerMinute": 1000}}]))
    embedding = draw(st.sampled_from([None, *others])) if chats else None
    semantic: Spec = {"cache": {"mode": "Semantic", "embeddingModel": embedding}} if embedding else {}
    chat = [{**route(*targets), **limits, **semantic, "fallbacks": spare}] if chats else []
    alone = [name for name in others if name != embedding]
    return {
        "routes": [*chat, *({**route((name, 1), name=name), **limits} for name in alone)],
        "limitScope": draw(st.sampled_from(["PerReplica", "Global"])),
        "replicas": {"min": 1, "max": draw(st.integers(1, 4))},
        **draw(
            st.sampled_from(
                [{}, {"expose": {"type": "Ingress", "host": "ai.example.com", "tlsSecretName": "tls"}}]
            )
        ),
    }


@st.composite
def specs(draw: st.DrawFn) -> Spec:
    """A spec as somebody writes it, with traffic or without."""
    names = draw(st.lists(st.sampled_from(["llama", "mistral", *MODELS]), unique=True, min_size=1))
    models = [MODELS[name] if name in MODELS else draw(self_hosted(name)) for name in names]
    traffic = {
        "requestsPerMonth": draw(st.integers(1, 10**9)),
        "inputTokens": draw(st.integers(1, 10**5)),
        "outputTokens": draw(st.integers(1, 10**5)),
    }
    return {
        "models": models,
        "gateway": draw(gateways(names)),
        **draw(st.sampled_from([{}, {"traffic": traffic}])),
        "suspend": draw(st.booleans()),
    }


def estimated(spec: Spec) -> Estimate:
    return estimate(priced(**deepcopy(spec)), PRICES)


def monthly(spec: Spec) -> tuple[int, int, int]:
    known = estimated(spec).monthly
    return (known.min, known.expected, known.max) if known else (0, 0, 0)


@given(specs())
def test_no_charge_is_negative_and_none_costs_more_at_less_use(spec: Spec) -> None:
    for charge in estimated(spec).charges:
        if cost := charge.cost:
            assert 0 <= cost.min <= cost.expected <= cost.max


@given(specs())
def test_what_is_known_adds_up_and_what_is_not_is_named(spec: Spec) -> None:
    found = estimated(spec)
    known = [charge.cost for charge in found.charges if charge.cost]
    assert total(known) == total(cost for cost in found.components.values() if cost)
    unpriced = {(charge.component, charge.item) for charge in found.charges if not charge.cost}
    assert unpriced <= {(gap.component, gap.item) for gap in found.unknown}


@given(specs())
def test_every_model_that_runs_or_is_asked_costs_something_or_is_named(spec: Spec) -> None:
    """Never zero because nobody said anything, whatever prices there are."""
    stack = priced(**deepcopy({**spec, "suspend": False}))
    asked = {f"model/{model.name}" for model in stack.managed if model in stack.gateway.reached}
    running = {f"model/{model.name}" for model in stack.self_hosted}
    for known in (PRICES, NO_PRICES):
        found = estimate(stack, known)
        charged = {charge.component for charge in found.charges}
        assert asked | running <= charged | {gap.component for gap in found.unknown}


@given(specs(), st.integers(0, 10**9), st.integers(0, 10**5), st.integers(0, 10**5))
def test_more_requests_and_longer_ones_never_cost_less(
    spec: Spec, requests: int, read: int, written: int
) -> None:
    more = {"requestsPerMonth": requests, "inputTokens": read, "outputTokens": written}
    if traffic := spec.get("traffic"):
        grown = {**spec, "traffic": {name: traffic[name] + more[name] for name in traffic}}
        assert all(less <= much for less, much in zip(monthly(spec), monthly(grown), strict=True))


@given(specs())
def test_a_suspended_stack_costs_its_volumes_alone(spec: Spec) -> None:
    charges = estimated({**spec, "suspend": True}).charges
    assert {charge.unit for charge in charges} <= {"GiB-Months"}
