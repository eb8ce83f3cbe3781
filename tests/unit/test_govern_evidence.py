"""Evidence for auditors: what is declared, never more."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from aistack.api.governance import Evidence
from aistack.cli.parser import main
from aistack.govern import evaluate
from aistack.govern.evidence import Assessed, markdown, oscal
from aistack.kinds import Manifest
from tests.formats import oscal_problems
from tests.rulebook import OWNED, exception, policy
from tests.stacks import resolved, stack

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


def assessed(*, declared: bool = True, waived: bool = False) -> Assessed:
    evidence = [EVALUATION] if declared else []
    stack = resolved(governance={"evidence": evidence})
    exceptions = [exception()] if waived else []
    verdict = evaluate(stack, [policy(rules=[OWNED, TESTED])], exceptions, {}, NOW)
    return Assessed("care/support", [Evidence.parse(each) for each in evidence], verdict)


def bare() -> Assessed:
    """A stack that declares nothing and that no policy is about."""
    return Assessed("care/support", [], evaluate(resolved(), [], [], {}, NOW))


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
    (result,) = oscal([bare()], NOW)["assessment-results"]["results"]
    assert {"observations", "findings"} & result.keys() == set()
    assert result["reviewed-controls"] == {"control-selections": [{"include-all": {}}]}


def test_the_same_stack_at_the_same_moment_gives_the_same_document() -> None:
    assert oscal([assessed()], NOW) == oscal([assessed()], NOW)


@pytest.fixture
def shipped(capsys: pytest.CaptureFixture[str]) -> Manifest:
    """What the command makes of the shipped policies' own stack."""
    stack = str(POLICIES / "tests/base.yaml")
    main(["check", stack, f"--policies={POLICIES}", "--date=2026-11-23", "--output=oscal"])
    document: Manifest = json.loads(capsys.readouterr().out)
    return document


def test_the_shipped_policies_give_what_the_schema_of_oscal_takes(shipped: Manifest) -> None:
    assert oscal_problems(shipped) == []
    (result,) = shipped["assessment-results"]["results"]
    assert len({finding["uuid"] for finding in result["findings"]}) == 52


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("waived", [True, False])
def test_what_is_broken_waived_or_not_declared_keeps_the_schema_too(*, declared: bool, waived: bool) -> None:
    stacks = [assessed(declared=declared, waived=waived), bare()]
    assert oscal_problems(oscal(stacks, NOW)) == []


def test_the_schema_tells_what_is_not_oscal() -> None:
    assert oscal_problems(oscal([], NOW)) == ["assessment-results/results: [] should be non-empty"]
    document = oscal([assessed()], NOW)
    finding = document["assessment-results"]["results"][0]["findings"][0]
    finding["uuid"], finding["target"]["target-id"] = "1", "mine/owner"
    assert [problem.partition(": ")[2][:12] for problem in oscal_problems(document)] == [
        "'1' does not",
        "'mine/owner'",
    ]


def test_an_observation_has_the_digest_the_date_and_the_age_as_values() -> None:
    (result,) = oscal([assessed()], NOW)["assessment-results"]["results"]
    (observation,) = result["observations"]
    assert {prop["name"]: prop["value"] for prop in observation["props"]} == {
        "sha256": EVALUATION["sha256"],
        "date": "2026-11-01",
        "age-days": "22",
    }


def test_evidence_of_which_only_the_place_is_known_has_no_empty_properties() -> None:
    declared = Evidence.parse({"id": "evaluation", "ref": "mlflow://care/17"})
    known = Assessed("care/support", [declared], bare().verdict)
    (result,) = oscal([known], NOW)["assessment-results"]["results"]
    assert "props" not in result["observations"][0]
    assert oscal_problems(oscal([known], NOW)) == []


@pytest.mark.parametrize("output", ["oscal", "evidence"])
def test_without_a_stack_there_is_nothing_to_assess(output: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(POLICIES / "baseline.yaml"), f"--output={output}"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("error: nothing to assess: ")


@pytest.mark.parametrize("output", ["oscal", "evidence"])
def test_a_stack_that_can_not_be_judged_is_not_assessed(
    output: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    routes = [{"name": "chat", "targets": [{"model": "nobody"}]}]
    file = tmp_path / "stack.json"
    file.write_text(json.dumps(stack(gateway={"routes": routes})))
    assert main(["check", str(file), str(POLICIES / "baseline.yaml"), f"--output={output}"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "can't be assessed: it names something that is not there" in " ".join(told.err.split())
