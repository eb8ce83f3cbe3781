"""The webhook refuses what `aistack check` refuses, for the same rules: on every stack of the fixtures."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
import yaml

from aistack.admission.request import AdmissionReview
from aistack.admission.review import review
from aistack.api import AIPolicy, AIStack
from aistack.catalog import Catalog
from aistack.cli.files import accelerator_classes, read
from aistack.cli.fixtures import Fixture, changed, fixtures
from aistack.cli.parser import main
from aistack.cost.prices import DEFAULT, index, shipped_book
from aistack.govern import Policies
from aistack.govern.rules import reads_facts
from aistack.images import default_images
from aistack.kinds import Manifest
from aistack.platform import Platform
from tests import reviews

FOLDER = Path(__file__).parents[2] / "policies"
BASE = FOLDER / "tests/base.yaml"
ROWS = [row for row in fixtures(str(FOLDER)) if not any(path.startswith("facts") for path in row.changes)]
ACTIONS = ("Deny", "Warn", "Audit")
Rules = dict[str, set[str]]
"""The broken ones, by what that leads to."""


@cache
def policies() -> tuple[AIPolicy, ...]:
    """The shipped ones, a third of them with each action."""
    found = [each.parsed for each in read([str(FOLDER)]) if isinstance(each.parsed, AIPolicy)]
    return tuple(
        policy.model_copy(update={"spec": policy.spec.model_copy(update={"action": ACTIONS[number % 3]})})
        for number, policy in enumerate(found)
    )


@cache
def platform(today: str) -> Platform:
    return Platform(
        Catalog(default_images(), accelerator_classes(read([str(BASE)]))),
        index({DEFAULT: shipped_book()}),
        Policies(policies(), (), {"people": {}}, datetime.fromisoformat(today).replace(tzinfo=UTC)),
    )


def stack(row: Fixture) -> Manifest:
    """As the API server passes it on: without nulls, with its defaults."""
    return AIStack.parse(changed(row.base.dump(), "spec", row.changes)).dump()


def by_the_webhook(row: Fixture) -> tuple[bool, Rules]:
    request = AdmissionReview.model_validate(reviews.review(stack(row))).request
    verdict = review(request, platform(row.today))
    return verdict.allowed, {"Deny": named(verdict.problems), "Warn": named(verdict.warnings)}


def named(lines: Sequence[str]) -> set[str]:
    return {name for line in lines for name in re.findall(r"^[^:]+: (\S+/\S+) \(", line)}


def by_the_command_line(row: Fixture, folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[bool, Rules]:
    (folder / "stack.yaml").write_text(yaml.safe_dump(stack(row)))
    rules = folder / "policies.yaml"
    rules.write_text(yaml.safe_dump_all(policy.dump() for policy in policies()))
    code = main(
        [
            "check",
            str(folder / "stack.yaml"),
            f"--catalog={BASE}",
            f"--policies={rules}",
            f"--date={row.today}",
            "--output=json",
        ]
    )
    (report,) = json.loads(capsys.readouterr().out)
    broken = [rule for rule in report["rules"] if rule["result"] in {"failed", "error"}]
    found = {
        action: {f"{rule['policy']}/{rule['rule']}" for rule in broken if rule["action"] == action}
        for action in ("Deny", "Warn")
    }
    return code == 0, found


@pytest.mark.parametrize("row", ROWS, ids=[row.title for row in ROWS])
def test_both_say_the_same(row: Fixture, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert by_the_webhook(row) == by_the_command_line(row, tmp_path, capsys)


def test_the_fixtures_break_every_rule_that_the_object_decides() -> None:
    broken = set().union(*(names for row in ROWS for names in by_the_webhook(row)[1].values()))
    wanted = {
        f"{policy.metadata.name}/{rule.id}"
        for policy in policies()
        for rule in policy.spec.rules
        if policy.spec.action != "Audit" and not reads_facts(rule.expression)
    }
    assert wanted <= broken
