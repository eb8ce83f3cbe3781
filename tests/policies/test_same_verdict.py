"""The webhook says what `aistack check` says, rule for rule: of every stack of the fixtures, and with prices,
budgets and waivers beside it. A file has no stack before it, so that updates are left to the webhook's tests.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from aistack.admission.request import AdmissionReview
from aistack.admission.review import review
from aistack.api import AIBudget, AIPolicy, AIPolicyException, AIStack, PriceBook
from aistack.budget import Budgets
from aistack.catalog import Catalog
from aistack.cli.files import accelerator_classes, read
from aistack.cli.fixtures import Changes, changed, fixtures
from aistack.cli.parser import main
from aistack.cost.prices import DEFAULT, index, shipped_book
from aistack.govern import Policies
from aistack.govern.rules import reads_facts
from aistack.images import default_images
from aistack.kinds import Manifest
from aistack.platform import Platform
from bench.admission import SERVED
from tests import budgets, costs, reviews, rulebook

FOLDER = Path(__file__).parents[2] / "policies"
BASE = FOLDER / "tests/base.yaml"
TODAY = "2026-11-23"
TURNS = range(3)
ACTIONS = ("Deny", "Warn", "Audit")
OF_PEOPLE = {"people": {"kubernetes.io/metadata.name": "people"}}
CLAUDE = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
TOKENS = {"provider": "bedrock", "model": CLAUDE, "inputPerMillion": "3", "outputPerMillion": "15"}
LITERACY = "eu-ai-act-literacy/literacy"

Object = AIBudget | AIPolicyException | PriceBook


@dataclass(frozen=True)
class Case:
    """One stack, and what stands beside it."""

    changes: Changes
    turn: int
    """Where in ACTIONS the policies begin: each third of them has another action."""
    beside: Sequence[Object] = ()


@dataclass(frozen=True)
class Said:
    """A verdict; the rules as policy/rule, those that are waived with the exception."""

    allowed: bool
    denied: frozenset[str]
    warned: frozenset[str]
    audited: frozenset[str]
    waived: frozenset[str]


def prices(as_of: str, **row: str) -> PriceBook:
    return costs.book(as_of=as_of, tokens=[{**TOKENS, "source": costs.SOURCE, **row}])


def waiver(until: str) -> AIPolicyException:
    policy, _, rule = LITERACY.partition("/")
    named = [{"name": policy, "rules": [rule]}]
    return rulebook.exception("people", policies=named, stacks=["hiring"], expiresAt=until)


BESIDE: dict[str, tuple[Changes, Object, str]] = {
    "a price is old": ({}, prices("2026-01-01"), "cost/prices"),
    "a model ends soon": ({}, prices("2026-11-01", retires="2026-12-01"), "supply-chain/retirement"),
    "a budget has no room": ({}, budgets.budget(limit="1", enforcement="Warn"), "cost/budgets"),
    "a waiver holds": (
        {"spec.governance.evidence.literacy": None},
        waiver("2027-01-31T00:00:00Z"),
        f"{LITERACY} by waiver",
    ),
    "a waiver has ended": (
        {"spec.governance.evidence.literacy": None},
        waiver(f"{TODAY}T00:00:00Z"),
        LITERACY,
    ),
}
"""What a rule finds beside the stack, changed: the object, and the rule that it decides."""
FIXTURES = {
    row.title: Case(row.changes, number % 3)
    for number, row in enumerate(fixtures(str(FOLDER)))
    if not any(path.startswith("facts") for path in row.changes)
}
CASES = FIXTURES | {
    f"{title}: {ACTIONS[turn]} first": Case(changes, turn, (found,))
    for title, (changes, found, _) in BESIDE.items()
    for turn in TURNS
}


@cache
def policies(turn: int) -> tuple[AIPolicy, ...]:
    """The shipped ones, a third of them with each action."""
    found = [each.parsed for each in read([str(FOLDER)]) if isinstance(each.parsed, AIPolicy)]
    actions = [ACTIONS[(number + turn) % 3] for number in range(len(found))]
    return tuple(
        policy.model_copy(update={"spec": policy.spec.model_copy(update={"action": action})})
        for policy, action in zip(found, actions, strict=True)
    )


@cache
def base() -> AIStack:
    (found,) = (each.parsed for each in read([str(BASE)]) if isinstance(each.parsed, AIStack))
    return found


def stack(case: Case) -> Manifest:
    """As the API server passes it on: without nulls, with its defaults.

    Fields that aren't served yet are left out, unless the case is about them: they would refuse every stack.
    """
    unserved = {
        path: value
        for path, value in SERVED.items()
        if not any(changing.startswith(path) for changing in case.changes)
    }
    served = AIStack.parse(changed(base().dump(), "spec", unserved))
    return AIStack.parse(changed(served.dump(), "spec", case.changes)).dump()


def platform(case: Case) -> Platform:
    """As the webhook has it from its cache."""
    books = {each.metadata.name: each for each in case.beside if isinstance(each, PriceBook)}
    excusing = tuple(each for each in case.beside if isinstance(each, AIPolicyException))
    counting = tuple(each for each in case.beside if isinstance(each, AIBudget))
    return Platform(
        Catalog(default_images(), accelerator_classes(read([str(BASE)]))),
        index({DEFAULT: shipped_book(), **books}),
        Policies(policies(case.turn), excusing, OF_PEOPLE, datetime.fromisoformat(TODAY).replace(tzinfo=UTC)),
        Budgets(counting, OF_PEOPLE),
    )


@cache
def by_the_webhook(title: str) -> Said:
    case = CASES[title]
    request = AdmissionReview.model_validate(reviews.review(stack(case))).request
    verdict = review(request, platform(case))
    rules = verdict.rules
    return Said(verdict.allowed, *map(frozenset, (rules.denied, rules.warned, rules.audited, rules.waived)))


def by_the_command_line(case: Case, folder: Path, capsys: pytest.CaptureFixture[str]) -> Said:
    asked, rules = folder / "stack.json", folder / "policies.json"
    asked.write_text(json.dumps(stack(case)))
    items = [each.dump() for each in (*policies(case.turn), *case.beside)]
    rules.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    said = ("--output=json", f"--catalog={BASE}", f"--policies={rules}", f"--date={TODAY}")
    code = main(["check", str(asked), *said])
    (report,) = json.loads(capsys.readouterr().out)
    broken: dict[str, set[str]] = {action: set() for action in (*ACTIONS, "waived")}
    for rule in report["rules"]:
        name = f"{rule['policy']}/{rule['rule']}"
        if rule["result"] == "waived":
            broken["waived"].add(f"{name} by {rule['waivedBy']}")
        elif rule["result"] != "passed":
            broken[rule["action"]].add(name)
    return Said(code == 0, *map(frozenset, broken.values()))


@pytest.mark.parametrize("title", CASES)
def test_both_say_the_same(title: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert by_the_webhook(title) == by_the_command_line(CASES[title], tmp_path, capsys)


def test_some_of_the_fixtures_are_let_in_and_some_are_denied() -> None:
    said = [by_the_webhook(title) for title in FIXTURES]
    assert sum(each.allowed for each in said) > 30
    assert sum(bool(each.denied) for each in said) > 30


@pytest.mark.parametrize("title", BESIDE)
def test_what_stands_beside_a_stack_decides_the_rule_that_asks_for_it(title: str) -> None:
    for turn in TURNS:
        said = by_the_webhook(f"{title}: {ACTIONS[turn]} first")
        assert BESIDE[title][2] in said.denied | said.warned | said.audited | said.waived


def test_the_fixtures_break_every_rule_that_the_object_decides() -> None:
    said = [by_the_webhook(title) for title in FIXTURES]
    broken = set().union(*(each.denied | each.warned | each.audited for each in said))
    wanted = {
        f"{policy.metadata.name}/{rule.id}"
        for policy in policies(0)
        for rule in policy.spec.rules
        if not reads_facts(rule.expression)
    }
    assert wanted <= broken
