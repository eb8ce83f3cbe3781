"""Evidence for auditors: what is declared, never more."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from aistack.api.governance import Evidence
from aistack.cli.parser import main
from aistack.govern import evaluate
from aistack.govern.evidence import Assessed, markdown, oscal
from aistack.kinds import Manifest
from tests.rulebook import OWNED, exception, policy
from tests.stacks import resolved

POLICIES = Path(__file__).parents[2] / "policies"
NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
TESTED: dict[str, Any] = {
    "id": "tested",
    "expression": "object.spec.governance.?evidence.orValue([]).exists(each, each.id == 'evaluation')",
    "message": "Nobody has tested it | `rm`.",
    "evidence": "evaluation",
    "references": ["EU AI Act Art. 15"],
}
EVALUATION = {
    "id": "evaluation",
    "ref": "mlflow://care/17",
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "date": "2026-11-01",
}
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[45][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
TOKEN = re.compile(r"[^\W\d][\w.\-]*")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def assessed(*, declared: bool = True, waived: bool = False) -> Assessed:
    evidence = [EVALUATION] if declared else []
    stack = resolved(governance={"evidence": evidence})
    exceptions = [exception()] if waived else []
    verdict = evaluate(stack, [policy(rules=[OWNED, TESTED])], exceptions, {}, NOW)
    return Assessed("care/support", [Evidence.parse(each) for each in evidence], verdict)


def test_the_reader_sees_every_rule_and_every_piece_of_evidence_with_its_age() -> None:
    text = markdown([assessed()], NOW)
    assert "| failed | mine/owner | high | Nobody answers for it; not set |" in text
    assert "| passed | mine/tested | medium |  | evaluation | EU AI Act Art. 15 |" in text
    assert f"| evaluation | mlflow://care/17 | {EVALUATION['sha256']} | 2026-11-01 | 22 |" in text


def test_what_somebody_wrote_is_no_markup() -> None:
    assert "Nobody has tested it \\| 'rm'" in markdown([assessed(declared=False)], NOW)


def test_a_waiver_is_told_with_who_allowed_it_and_until_when() -> None:
    text = markdown([assessed(waived=True)], NOW)
    assert "waived: The team is being put together. (GOV-311, dpo@acme.example, until 2027-01-31" in text


def test_nothing_says_that_a_stack_complies() -> None:
    for text in (markdown([assessed()], NOW), json.dumps(oscal([assessed()], NOW))):
        assert "Evidence declared" in text
        assert not re.search(r"\bcomplian(t|ce)\b", text, re.IGNORECASE)


def test_a_finding_points_to_the_evidence_that_was_declared_for_it() -> None:
    (result,) = oscal([assessed()], NOW)["assessment-results"]["results"]
    (observation,) = result["observations"]
    owner, tested = result["findings"]
    assert tested["related-observations"] == [{"observation-uuid": observation["uuid"]}]
    assert observation["relevant-evidence"][0]["href"] == "mlflow://care/17"
    assert "related-observations" not in owner
    states = [finding["target"]["status"]["state"] for finding in (owner, tested)]
    assert states == ["not-satisfied", "satisfied"]


def test_a_stack_without_evidence_or_policies_has_no_empty_lists() -> None:
    """OSCAL's schema refuses them."""
    bare = Assessed("care/support", [], evaluate(resolved(), [], [], {}, NOW))
    (result,) = oscal([bare], NOW)["assessment-results"]["results"]
    assert {"observations", "findings"} & result.keys() == set()
    assert result["reviewed-controls"] == {"control-selections": [{"include-all": {}}]}


def test_the_same_stack_at_the_same_moment_gives_the_same_document() -> None:
    assert oscal([assessed()], NOW) == oscal([assessed()], NOW)


@pytest.fixture
def shipped(capsys: pytest.CaptureFixture[str]) -> Manifest:
    """What the command makes of the shipped policies' own stack."""
    stack = str(POLICIES / "tests/base.yaml")
    main(["check", stack, f"--policies={POLICIES}", "--date=2026-11-23", "--output=oscal"])
    document: Manifest = json.loads(capsys.readouterr().out)["assessment-results"]
    return document


def test_every_identifier_has_the_form_that_oscal_asks_for(shipped: Manifest) -> None:
    for name, value in _leaves(shipped):
        if name in {"uuid", "observation-uuid"}:
            assert UUID.fullmatch(value), value
        if name in {"control-id", "target-id"}:
            assert TOKEN.fullmatch(value), value
        if name in {"start", "end", "collected", "last-modified"}:
            assert INSTANT.fullmatch(value), value
    (result,) = shipped["results"]
    assert len(result["findings"]) == 52
    assert len({finding["uuid"] for finding in result["findings"]}) == 52


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, key)
    elif isinstance(value, list):
        assert value, f"{name} is an empty list"
        for item in value:
            yield from _leaves(item, name)
    else:
        yield name, value
