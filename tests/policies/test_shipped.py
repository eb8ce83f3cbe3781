"""The shipped policies make of every fixture what its table says."""

import re
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from aistack.api import AIPolicy, AIStack, Reason
from aistack.cli.files import read
from aistack.cli.fixtures import Fixture, changed, fixtures, untested
from aistack.govern import Outcome, evaluate
from aistack.govern.rules import problems
from aistack.resolve import resolve

FOLDER = Path(__file__).parents[2] / "policies"
FRAMEWORKS = {
    "baseline",
    "eu-ai-act",
    "nist-ai-rmf",
    "aws-generative-ai-lens",
    "data-residency",
    "supply-chain",
    "reliability",
    "cost",
}
DOCS = Path(__file__).parents[2] / "docs/policies.md"
ROWS = list(fixtures(str(FOLDER)))


@cache
def policies() -> tuple[AIPolicy, ...]:
    return tuple(each.parsed for each in read([str(FOLDER)]) if isinstance(each.parsed, AIPolicy))


def names() -> list[str]:
    return [f"{policy.metadata.name}/{rule.id}" for policy in policies() for rule in policy.spec.rules]


@pytest.mark.parametrize("fixture", ROWS, ids=[row.title for row in ROWS])
def test_a_rule_comes_out_as_its_fixture_says(fixture: Fixture) -> None:
    assert fixture.complaint(policies()) == ""


def test_every_rule_has_a_stack_that_keeps_it_and_one_that_breaks_it() -> None:
    assert untested(policies(), ROWS) == []


def test_fallbacks_in_a_circle_are_refused_before_any_rule_is_asked() -> None:
    """The first part of control 45, which no policy can waive."""
    row = ROWS[0]
    circle = [
        {"name": "screen", "targets": [{"model": "llama"}], "fallbacks": ["second"]},
        {"name": "second", "targets": [{"model": "claude"}], "fallbacks": ["screen"]},
    ]
    stack = changed(row.base.dump(), "spec", {"spec.gateway.routes": circle})
    found = resolve(AIStack.parse(stack), row.catalog)
    assert found.meaning is None
    (problem,) = (each for each in found.problems if each.reason is Reason.INVALID_REFERENCE)
    assert "the fallbacks go round in a circle (screen → second → screen)" in problem.message


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        pytest.param({}, (), id="on the list"),
        pytest.param({"source": "hf://acme/llama"}, ("hf://acme/llama",), id="of somebody else"),
        pytest.param({"source": "hf://meta-llama-2/llama"}, ("hf://meta-llama-2/llama",), id="looks like it"),
        pytest.param(
            {"adapters": [{"name": "tone", "source": "s3://bucket/tone", "revision": "0e9e39f"}]},
            ("s3://bucket/tone",),
            id="an adapter's",
        ),
    ],
)
def test_a_list_of_sources_that_is_shortened_refuses_the_others(
    changes: dict[str, Any], found: tuple[str, ...]
) -> None:
    """As shipped it has every way to load weights, so that no stack can break it."""
    (shipped,) = (each for each in policies() if each.metadata.name == "supply-chain")
    shorter = {**shipped.spec.params, "sources": ("hf://meta-llama/",)}
    policy = shipped.model_copy(update={"spec": shipped.spec.model_copy(update={"params": shorter})})
    own = {f"spec.models.llama.selfHosted.{name}": value for name, value in changes.items()}
    stack = AIStack.parse(changed(ROWS[0].base.dump(), "spec", own))
    meaning = resolve(stack, ROWS[0].catalog).meaning
    assert meaning
    verdict = evaluate(meaning, [policy], (), {}, datetime(2026, 11, 23, tzinfo=UTC))
    (result,) = (each for each in verdict.results if each.name == "supply-chain/licenses-and-sources")
    assert (result.outcome, result.found) == (Outcome.FAILED if found else Outcome.PASSED, found)


def test_there_is_a_file_a_framework_and_every_control_stands_once() -> None:
    assert {file.stem for file in FOLDER.glob("*.yaml")} == FRAMEWORKS
    assert len(names()) == len(set(names())) == 52


def test_every_rule_can_be_evaluated() -> None:
    assert [str(problem) for policy in policies() for problem in problems(policy)] == []


def test_every_rule_says_where_it_is_from_and_what_to_write_instead() -> None:
    for policy in policies():
        for rule in policy.spec.rules:
            assert rule.references, rule.id
            assert rule.remediation, rule.id
            assert rule.message.endswith("."), rule.id


def test_only_prohibited_practices_are_denied_and_only_they_take_no_exception() -> None:
    denied = [policy.metadata.name for policy in policies() if policy.spec.action == "Deny"]
    never = [policy.metadata.name for policy in policies() if policy.spec.exceptions == "Never"]
    assert denied == never == ["eu-ai-act-prohibited"]
    assert {policy.spec.action for policy in policies()} == {"Deny", "Audit"}


def test_every_day_on_which_a_policy_begins_has_its_source_beside_it() -> None:
    days = [
        line
        for file in FOLDER.glob("*.yaml")
        for line in file.read_text().splitlines()
        if "effectiveFrom:" in line
    ]
    assert days
    assert [line for line in days if not re.search(r'"20\d\d-\d\d-\d\d" # \S+', line)] == []


def test_nobody_is_told_that_a_stack_complies() -> None:
    texts = [file.read_text() for file in (*FOLDER.glob("*.yaml"), DOCS)]
    claimed = r"\bcomplian(t|ce)\b(?!\.(md|oscal))"  # but for the names of files
    assert [text for text in texts if re.search(claimed, text, re.IGNORECASE)] == []


def test_the_documentation_lists_every_rule() -> None:
    documented = re.findall(r"^\| `([a-z0-9-]+/[a-z0-9-]+)` \|", DOCS.read_text(), re.MULTILINE)
    assert sorted(documented) == sorted(names())
