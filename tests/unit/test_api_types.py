"""The types: they read what the API server reads, and say what is wrong in the same words."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from aistack.api import AIStack, crd
from aistack.api.validation import problems
from tests.schemas import Object, Steps, changed, examples, merged

TYPES = {definition.model.__name__: definition.model for definition in crd.DEFINITIONS}
SCALING = ("spec", "models", "[]", "selfHosted", "scaling")


def smallest() -> Object:
    self_hosted = {"source": "hf://acme/tiny", "accelerator": {"class": "cpu"}}
    return {
        "apiVersion": "aistack.dev/v1alpha1",
        "kind": "AIStack",
        "metadata": {"name": "tiny", "namespace": "care"},
        "spec": {"models": [{"name": "tiny", "selfHosted": self_hosted}]},
    }


def refusals(obj: Object) -> list[str]:
    """What is said about an object that must not be accepted."""
    with pytest.raises(ValidationError) as raised:
        AIStack.parse(obj)
    return problems(raised.value, obj)


@pytest.mark.parametrize("kind", TYPES)
def test_an_example_with_every_field_is_read_and_written_without_a_loss(kind: str) -> None:
    example = examples()[kind]
    parsed = TYPES[kind].parse(example)
    assert TYPES[kind].parse(parsed.dump()) == parsed
    assert TYPES[kind].read(example) == parsed


def test_the_smallest_stack_is_one_model() -> None:
    model = AIStack.parse(smallest()).spec.models[0]
    assert model.self_hosted is not None
    assert (model.task, model.self_hosted.scaling.min, model.self_hosted.accelerator.class_) == (
        "chat",
        1,
        "cpu",
    )


def test_a_null_is_a_field_that_is_absent() -> None:
    nulls = changed(smallest(), ("spec",), lambda spec: {**spec, "gateway": None, "value": None})
    assert AIStack.parse(nulls) == AIStack.parse(smallest())


def test_a_whole_number_is_a_quantity() -> None:
    path = ("spec", "models", "[]", "selfHosted")
    stack = AIStack.parse(changed(smallest(), path, lambda it: {**it, "resources": {"requests": {"cpu": 4}}}))
    model = stack.spec.models[0].self_hosted
    assert model is not None
    assert model.resources.requests == {"cpu": "4"}


def test_what_the_api_server_accepted_is_not_asked_again() -> None:
    contradictory = changed(examples()["AIStack"], SCALING, lambda it: {**it, "min": 9, "schedule": []})
    assert refusals(contradictory)
    AIStack.read(contradictory)


@pytest.mark.parametrize(
    ("path", "change", "said"),
    [
        ((*SCALING, "min"), -1, "spec.models[llama].selfHosted.scaling.min: is -1: write at least 0"),
        ((*SCALING, "max"), 1001, "spec.models[llama].selfHosted.scaling.max: is 1001: write at most 1000"),
        (
            (*SCALING, "max"),
            "6",
            'spec.models[llama].selfHosted.scaling.max: is "6": write a whole number',
        ),
        (SCALING, {"mim": 1}, "spec.models[llama].selfHosted.scaling.mim: is no field here: write min"),
        (("spec",), {"wings": 2}, "spec.wings: is no field here: remove it"),
        (("spec",), {"models": None}, "spec.models: is missing: write it"),
        (("spec", "models"), [], "spec.models: has 0 items: write at least 1"),
        (("spec", "suspend"), "yes", 'spec.suspend: is "yes": write true or false'),
        (
            ("spec", "environment"),
            "prod",
            "spec.environment: is \"prod\": write 'production', 'staging' or 'development'",
        ),
        (
            ("spec", "gateway", "routes", "[]", "timeout"),
            "soon",
            'spec.gateway.routes[chat].timeout: is "soon": write a duration such as 30s, 5m or 1h30m',
        ),
        (
            ("spec", "governance", "reviewBy"),
            "2027-02-31",
            'spec.governance.reviewBy: is "2027-02-31", which is no day of the calendar:'
            " write one such as 2026-11-01",
        ),
        (
            ("spec", "gateway", "routes", "[]", "targets", "[]"),
            {"model": "claude"},
            "spec.gateway.routes[chat].targets: claude is there twice: write each once",
        ),
        (
            ("spec", "gateway", "routes", "[]", "guardrails"),
            ["PIIMask", "PIIMask"],
            "spec.gateway.routes[chat].guardrails: PIIMask is there twice: write each once",
        ),
        (
            SCALING,
            {"max": 1, "min": 2},
            "spec.models[llama].selfHosted.scaling: min is above max: write a max of at least min;"
            " toZeroAfter needs min: 0: write min: 0, or leave toZeroAfter out",
        ),
        (
            ("metadata",),
            {"name": "a-name-that-is-far-too-long-for-a-stack"},
            "object: the names of Services begin with the stack's: write a metadata.name of at most 30"
            " lower-case letters, digits and '-' that begins with a letter",
        ),
        (
            ("spec", "models", "[]", "license"),
            "x" * 300,
            "spec.models[llama].license: is too long: write at most 253 characters",
        ),
        (("spec", "decision"), ["why"], "spec.decision: is a list: write an object"),
        (
            ("spec", "decision", "drivers"),
            {"first": "why"},
            "spec.decision.drivers: is a map: write a list",
        ),
    ],
)
def test_a_wrong_field_is_named_with_what_to_write_instead(path: Steps, change: Any, said: str) -> None:
    broken = changed(examples()["AIStack"], path, lambda node: merged(node, change))
    assert refusals(broken) == [said]


def test_every_problem_is_said_at_once() -> None:
    spec = {"models": [{"name": "A"}, {"task": "sing"}], "suspend": 1}
    assert refusals({**smallest(), "spec": spec}) == [
        "spec.suspend: is 1: write true or false",
        "spec.models[A].name: is \"A\": write lower-case letters, digits and '-', such as support-tone",
        "spec.models[1].name: is missing: write it",
        "spec.models[1].task: is \"sing\": write 'chat', 'embedding' or 'rerank'",
    ]


@pytest.mark.parametrize(
    "nonsense",
    [
        pytest.param(lambda: {"spec": 2**70}, id="a number that no JSON reader keeps"),
        pytest.param(lambda: {"spec": nested(2000)}, id="a depth that nobody writes"),
        pytest.param(lambda: {"spec": object()}, id="something that is no JSON"),
        pytest.param(lambda: {1: {"2": 3}}, id="a key that is a number"),
        pytest.param(dict, id="nothing"),
    ],
)
def test_nonsense_is_a_problem_and_not_a_crash(nonsense: Callable[[], Object]) -> None:
    assert refusals(nonsense())


def nested(depth: int) -> Object:
    value: Object = {}
    for _ in range(depth):
        value = {"deeper": value}
    return value
