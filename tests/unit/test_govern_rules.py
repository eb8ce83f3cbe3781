"""Rules are compiled once, bounded, and never silent about what they can't decide."""

from typing import Any

import pytest

from aistack.api import AIPolicy
from aistack.govern.rules import Failure, activation, condition, problems, reads_facts, text
from tests.rulebook import policy


def answer(expression: str, *, params: dict[str, list[str]] | None = None, **this: Any) -> Any:
    variables = activation(this=this, old=None, namespace={}, facts={}, params={"mine": params or {}})
    return condition(expression, "mine").answer(variables)


def failure(expression: str) -> str:
    compiled = condition(expression, "mine").compiled
    assert isinstance(compiled, Failure)
    return compiled.why


def test_a_rule_reads_the_params_of_its_own_policy() -> None:
    variables = activation(
        this={}, old=None, namespace={}, facts={}, params={"a": {"zones": ["EU"]}, "b": {"zones": ["US"]}}
    )
    expression = "params.zones[0] == 'EU'"
    assert condition(expression, "a").answer(variables) is True
    assert condition(expression, "b").answer(variables) is False


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        pytest.param("object.spec ==", "line 1, column 15", id="half a comparison"),
        pytest.param("true &&\n1 + 'a' == 2", "line 2, column 3", id="a number and a text"),
        pytest.param("objekt.spec", "undeclared reference to 'objekt.spec'", id="an unknown variable"),
        pytest.param("'text'", "gives STRING: write an expression that is true or false", id="no condition"),
        pytest.param(
            "has(facts.regoins)", "line 1, column 11: no fact is named regoins; write regions", id="fact"
        ),
        pytest.param("has(facts.weather)", "docs/facts.md lists those that there are", id="no such fact"),
        pytest.param("(" * 40 + "true" + ")" * 40, "recursion", id="nested too deep"),
    ],
)
def test_what_cannot_be_compiled_says_where_and_why(expression: str, says: str) -> None:
    assert says in failure(expression)


def test_a_fact_in_a_text_is_no_mention_of_one() -> None:
    assert answer("'facts.weather' != ''") is True
    assert not reads_facts("object.a == 'facts.regions'")
    assert reads_facts("size(facts.regions) > 0")


def test_an_absent_field_is_an_error_and_not_false() -> None:
    found = answer("object.spec.owner != ''", spec={})
    assert isinstance(found, Failure)
    assert "owner" in found.why


def test_what_asks_for_too_many_steps_is_ended() -> None:
    found = answer("object.many.all(a, object.many.all(b, a + b >= 0))", many=list(range(1000)))
    assert isinstance(found, Failure)
    assert "budget" in found.why.lower()


def test_an_expression_is_compiled_once() -> None:
    assert condition("object.a == 1", "mine") is condition("object.a == 1", "mine")


def test_what_was_found_may_be_any_value() -> None:
    variables = activation(this={"a": ["x"]}, old=None, namespace={}, facts={}, params={})
    assert text("object.a.map(each, each + '!')", "mine").answer(variables) == ["x!"]


def test_every_unusable_expression_of_a_policy_is_named_with_its_rule() -> None:
    broken = policy(
        rules=[
            {"id": "half", "expression": "object ==", "message": "m"},
            {"id": "told", "expression": "true", "message": "m", "found": "nobody.knows"},
            {"id": "sound", "expression": "true", "message": "m"},
        ]
    )
    assert isinstance(broken, AIPolicy)
    assert [problem.path for problem in problems(broken)] == [
        "spec.rules[half].expression",
        "spec.rules[told].found",
    ]
