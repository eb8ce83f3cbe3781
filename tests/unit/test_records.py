"""The records of a stack: what they say, how large they get, and when they are others."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from aistack import records as module
from aistack.api import AIStack
from aistack.cli.tree import branches
from aistack.cost import estimate
from aistack.govern import Verdict, evaluate
from aistack.govern.report import MOST_RESULTS, results, summary
from aistack.kinds import CHILD_KINDS, Manifest, kind_of
from aistack.records import Content, records
from aistack.resolve import resolve
from tests.rulebook import OWNED, exception, policy
from tests.stacks import catalog, stack

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LATER = datetime(2026, 11, 24, tzinfo=UTC)
KEPT = {"id": "kept", "severity": "low", "expression": "true", "message": "Never said."}
UNDECIDED = {**OWNED, "id": "undecided", "expression": "object.nothing"}


def judged(*, rules: list[dict[str, Any]] | None = None, waived: bool = False, **spec: Any) -> Verdict:
    found = resolve(AIStack.parse(stack()), catalog()).stack
    assert found
    exceptions = (exception(),) if waived else ()
    return evaluate(found, [policy(rules=rules or [OWNED, KEPT], **spec)], exceptions, {}, NOW)


def content(verdict: Verdict, *, runs: bool = True, **abilities: bool) -> Content:
    found = resolve(AIStack.parse(stack()), catalog(**abilities)).stack
    assert found
    return Content(found, verdict, estimate(found), (), runs)


def made(verdict: Verdict, **more: bool) -> dict[str, Manifest]:
    return {each["kind"]: each for each in records(content(verdict, **more), NOW)}


@pytest.mark.parametrize(
    ("verdict", "word"),
    [
        (judged(action="Deny"), "fail"),
        (judged(action="Audit"), "fail"),
        (judged(action="Warn"), "warn"),
        (judged(waived=True), "skip"),
        (judged(rules=[UNDECIDED, KEPT]), "error"),
    ],
    ids=["denied", "reported", "warned of", "waived", "without an answer"],
)
def test_a_row_says_how_its_rule_came_out(verdict: Verdict, word: str) -> None:
    broken, kept = results(verdict)
    assert (broken["result"], kept["result"]) == (word, "pass")
    assert summary(verdict) == {**dict.fromkeys(("fail", "warn", "error", "skip"), 0), "pass": 1, word: 1}


def test_a_row_says_what_is_wrong_and_what_to_write_instead() -> None:
    broken, _ = results(judged(waived=True))
    assert broken["message"] == "Nobody answers for it; not set"
    assert broken["severity"] == "high"
    assert broken["properties"] == {
        "action": "Deny",
        "field": "spec.governance.owner",
        "instead": "Write governance.owner.",
        "waivedBy": "waiver until 2027-01-31T00:00:00Z",
    }


def test_of_too_many_rows_those_that_are_kept_go_first() -> None:
    rules = [{**KEPT, "id": f"rule-{number}"} for number in range(63)]
    kept, broken = judged(rules=rules), judged()
    many = Verdict(kept.results * 20 + broken.results)
    shown = results(many)
    assert len(shown) == MOST_RESULTS
    assert [row["result"] for row in shown].count("fail") == 1
    assert summary(many)["pass"] == 63 * 20 + 1


def test_the_newer_kind_is_written_where_both_are() -> None:
    assert set(made(judged(), open_reports=True, policy_reports=True)) == {"Report", "ConfigMap"}
    assert set(made(judged(), policy_reports=True)) == {"PolicyReport", "ConfigMap"}
    assert set(made(judged())) == {"ConfigMap"}


def test_what_is_refused_has_a_report_alone_and_what_no_policy_is_about_has_nothing() -> None:
    assert set(made(judged(), runs=False, open_reports=True)) == {"Report"}
    assert made(Verdict(), open_reports=True) == {}


def test_they_are_owned_by_their_stack_and_are_of_kinds_that_it_may_have() -> None:
    for each in made(judged(), open_reports=True).values():
        (owner,) = each["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["uid"]) == ("AIStack", "uid-of-the-stack")
        assert kind_of(each) in CHILD_KINDS


def test_the_tree_of_a_stack_says_what_they_are_for() -> None:
    written = made(judged(), open_reports=True).values()
    *_, branch = branches(AIStack.parse(stack()).spec, written)
    assert branch.field == "spec.governance"
    assert {each.kind for each in branch.made} == {"Report", "ConfigMap"}
    assert all(each.purpose for each in branch.made)


def test_time_alone_makes_no_other_records() -> None:
    said = content(judged(), open_reports=True)
    assert said.digest == content(judged(), open_reports=True).digest
    assert records(said, NOW) != records(said, LATER), "they carry the time of their last change"


@pytest.mark.parametrize(
    ("why", "other"),
    [
        ("another result", content(judged(action="Warn"))),
        ("another kind of report", content(judged(), open_reports=True)),
        ("it runs now", content(judged(), runs=False)),
    ],
)
def test_what_changes_what_they_say_makes_others(why: str, other: Content) -> None:
    assert other.digest != content(judged()).digest, why


def test_another_price_makes_others() -> None:
    said = content(judged())
    assert replace(said, estimated=replace(said.estimated, currency="EUR")).digest != said.digest


def test_a_document_that_has_no_room_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = made(judged())["ConfigMap"]["data"]
    assert set(whole) == {"compliance.md", "diagram.mmd", "cost.json", "compliance.oscal.json"}
    assert orjson.loads(whole["cost.json"])["object"] == "care/support"
    size = sum(len(text.encode()) for text in whole.values())
    monkeypatch.setattr(module, "MOST_BYTES", size - 1)
    fitting = made(judged())["ConfigMap"]["data"]
    assert set(fitting) == {"compliance.md", "diagram.mmd", "cost.json", "left-out.txt"}
    assert fitting["left-out.txt"].startswith("compliance.oscal.json has ")
    assert sum(len(text.encode()) for text in fitting.values()) < size
