"""`aistack check` with policies, its forms for other programs, and `aistack facts`."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from aistack.cli.parser import main
from aistack.kinds import Manifest
from tests import budgets, costs
from tests.rulebook import OWNED

STACK: Manifest = {
    "apiVersion": "aistack.dev/v1alpha1",
    "kind": "AIStack",
    "metadata": {"name": "hello", "namespace": "care"},
    "spec": {
        "models": [
            {
                "name": "qwen",
                "selfHosted": {"source": "hf://a/b", "revision": "abc", "accelerator": {"class": "cpu"}},
            }
        ]
    },
}
OWNER = {**STACK, "spec": {**STACK["spec"], "governance": {"owner": "team@acme.example"}}}
WAIVER = {
    "apiVersion": "aistack.dev/v1alpha1",
    "kind": "AIPolicyException",
    "metadata": {"name": "waiver", "namespace": "care"},
    "spec": {
        "policies": [{"name": "mine", "rules": ["owner"]}],
        "stacks": ["hello"],
        "reason": "The team is being put together.",
        "ticket": "GOV-311",
        "approvedBy": "dpo@acme.example",
        "expiresAt": "2027-01-31T00:00:00Z",
    },
}


def policy(**spec: object) -> Manifest:
    return {
        "apiVersion": "aistack.dev/v1alpha1",
        "kind": "AIPolicy",
        "metadata": {"name": "mine"},
        "spec": {"action": "Deny", "rules": [OWNED], **spec},
    }


@pytest.fixture
def check(tmp_path: Path) -> "Check":
    return Check(tmp_path)


class Check:
    """`aistack check` of a stack that is held to policies, on 2026-11-23."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(
        self,
        stack: Manifest,
        *rules: Manifest,
        beside: tuple[Manifest, ...] = (),
        options: tuple[str, ...] = (),
    ) -> int:
        files = [self.write("stack.yaml", stack, *beside)]
        held_to = [f"--policies={self.write('rules.yaml', *rules)}"] if rules else []
        return main(["check", *files, *held_to, "--date=2026-11-23", *options])

    def write(self, name: str, *objects: Manifest) -> str:
        path = self.folder / name
        path.write_text(yaml.safe_dump_all(objects))
        return str(path)


def test_a_broken_rule_denies_and_the_answer_has_everything_that_a_reader_needs(
    check: Check, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(STACK, policy()) == 1

    said = capsys.readouterr().out
    assert "denied  spec.governance.owner: mine/owner: Nobody answers for it. (high)" in said
    assert "found: not set" in said
    assert "instead: Write governance.owner." in said
    assert "exception: an AIPolicyException in namespace care that names mine/owner" in said
    assert "rules: 1 failed" in said


def test_a_kept_rule_is_fine_and_policies_are_not_listed(
    check: Check, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(OWNER, policy()) == 0
    assert "AIPolicy mine" not in capsys.readouterr().out


def test_a_warning_counts_with_strict_and_an_audit_never(check: Check) -> None:
    assert check(STACK, policy(action="Warn")) == 0
    assert check(STACK, policy(action="Warn"), options=("--strict",)) == 3
    assert check(STACK, policy(action="Audit"), options=("--strict",)) == 0


def test_policies_among_the_files_are_in_force_too(check: Check) -> None:
    assert check(STACK, beside=(policy(),)) == 1


def test_a_day_to_come_can_be_looked_at(check: Check, capsys: pytest.CaptureFixture[str]) -> None:
    coming = policy(effectiveFrom="2027-12-02")
    assert check(STACK, coming) == 0
    assert "denied from: 2027-12-02" in capsys.readouterr().out
    assert check(STACK, coming, options=("--date=2027-12-02",)) == 1


def test_what_is_no_day_is_bad_input(check: Check, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        check(STACK, options=("--date=tomorrow",))
    assert "'tomorrow' is no day" in capsys.readouterr().err


def test_an_exception_lets_it_through_until_it_expires(
    check: Check, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(STACK, policy(), WAIVER) == 0
    assert (
        "waived by: GOV-311, approved by dpo@acme.example, until 2027-01-31T00:00:00Z"
        in capsys.readouterr().out
    )
    assert check(STACK, policy(), WAIVER, options=("--date=2027-01-31",)) == 1


def test_labels_of_a_namespace_in_the_files_decide_which_policies_apply(check: Check) -> None:
    selects = policy(match={"namespaceSelector": {"matchLabels": {"tier": "gold"}}})
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "care", "labels": {"tier": "gold"}},
    }
    assert check(STACK, selects) == 0
    assert check(STACK, selects, beside=(namespace,)) == 1


def test_a_stack_that_cannot_be_served_yet_is_told_of_its_policies_at_once(
    check: Check, capsys: pytest.CaptureFixture[str]
) -> None:
    queued = {**STACK, "spec": {**STACK["spec"], "gateway": {"queue": {"engine": "nats"}}}}
    assert check(queued, policy()) == 1
    said = capsys.readouterr().out
    assert "spec.gateway.queue" in said
    assert "mine/owner" in said


def test_an_expression_that_cannot_be_compiled_is_bad_input_with_its_place(
    check: Check, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(OWNER, policy(rules=[{**OWNED, "expression": "object.spec =="}])) == 2
    assert "invalid spec.rules[owner].expression: line 1, column 15" in capsys.readouterr().out


def test_json_has_every_rule_with_its_result(check: Check, capsys: pytest.CaptureFixture[str]) -> None:
    check(STACK, policy(), WAIVER, options=("--output=json",))
    (found,) = [each for each in json.loads(capsys.readouterr().out) if each["rules"]]
    (rule,) = found["rules"]
    assert (rule["policy"], rule["rule"], rule["result"]) == ("mine", "owner", "waived")
    assert rule["waivedBy"] == "waiver"


def test_sarif_names_rule_file_and_field(check: Check, capsys: pytest.CaptureFixture[str]) -> None:
    check(STACK, policy(), options=("--output=sarif",))
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    found = next(each for each in run["results"] if each["ruleId"] == "mine/owner")
    assert found["level"] == "error"
    assert run["tool"]["driver"]["rules"][found["ruleIndex"]]["id"] == "mine/owner"
    (place,) = found["locations"]
    assert place["physicalLocation"]["artifactLocation"]["uri"].endswith("stack.yaml")
    assert "document" not in place["physicalLocation"]["artifactLocation"]["uri"]
    assert place["logicalLocations"] == [{"fullyQualifiedName": "AIStack care/hello: spec.governance.owner"}]


def test_sarif_says_of_each_rule_what_it_wants_how_bad_it_is_and_where_it_is_from(
    check: Check, capsys: pytest.CaptureFixture[str]
) -> None:
    rule = {**OWNED, "references": ["EU AI Act Art. 26"]}
    check(STACK, policy(rules=[rule], action="Warn"), options=("--output=sarif",))
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    (told,) = [each for each in run["tool"]["driver"]["rules"] if each["id"] == "mine/owner"]
    assert told["shortDescription"] == {"text": "Nobody answers for it."}
    assert told["help"] == {"text": "Write governance.owner; EU AI Act Art. 26"}
    assert told["defaultConfiguration"] == {"level": "warning"}
    assert told["properties"] == {"severity": "high", "tags": ["EU AI Act Art. 26"]}


def test_sarif_says_on_which_line_the_object_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "stacks.yaml"
    first, second = (json.dumps({**STACK, "spec": {"models": []}}, indent=2) for _ in range(2))
    file.write_text(f"# Two of them.\n{first}\n---\n\n{second}\n")
    main(["check", str(file), "--output=sarif"])
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    lines = {
        place["physicalLocation"]["region"]["startLine"]
        for each in run["results"]
        for place in each["locations"]
    }
    assert lines == {2, 4 + first.count("\n") + 1}


def test_sarif_suppresses_what_is_waived(check: Check, capsys: pytest.CaptureFixture[str]) -> None:
    check(STACK, policy(), WAIVER, options=("--output=sarif",))
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    found = next(each for each in run["results"] if each["ruleId"] == "mine/owner")
    assert "GOV-311" in found["suppressions"][0]["justification"]


def test_junit_fails_what_is_denied_skips_what_is_waived_and_lists_what_is_kept(
    check: Check, capsys: pytest.CaptureFixture[str]
) -> None:
    def cases(*rules: Manifest, stack: Manifest = STACK) -> dict[str, list[str]]:
        check(stack, *rules, options=("--output=junit",))
        suites = ElementTree.fromstring(capsys.readouterr().out)  # noqa: S314  # our own output
        return {
            str(case.get("name")): [inner.tag for inner in case]
            for case in suites.iter("testcase")
            if "mine/owner" in str(case.get("name"))
        }

    assert cases(policy()) == {"mine/owner spec.governance.owner": ["failure"]}
    assert cases(policy(), WAIVER) == {"mine/owner spec.governance.owner": ["skipped"]}
    assert cases(policy(), stack=OWNER) == {"mine/owner": []}


def test_markdown_is_a_table_in_which_nothing_is_markup(
    check: Check, capsys: pytest.CaptureFixture[str]
) -> None:
    loud = {**OWNED, "message": "a|b `c` <script>\n"}
    check(STACK, policy(rules=[loud]), options=("--output=markdown",))
    said = capsys.readouterr().out
    assert "## AIStack care/hello" in said
    assert "Rules: 1 failed." in said
    assert "a\\|b 'c' &lt;script&gt;" in said


def test_fixtures_of_policies_are_run_and_what_comes_out_otherwise_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(policy()))
    (tmp_path / "tests" / "base.yaml").write_text(yaml.safe_dump(OWNER))
    table = {
        "base": "base.yaml",
        "today": "2026-11-23",
        "rules": {
            "mine/owner": {
                "passed": {"one is named": {}, "none is": {"spec.governance.owner": None}},
                "failed": {"no such place": {"spec.models.other.license": "mit"}},
            },
            "mine/other": {"passed": {"nobody has it": {}}},
        },
    }
    (tmp_path / "tests" / "table.yaml").write_text(yaml.safe_dump(table))

    assert main(["check", "--test", str(tmp_path)]) == 1

    said = capsys.readouterr().out
    assert "mine/owner passed: none is: it came out as failed (not set)" in said
    assert "nothing is named 'other'" in said
    assert "mine/other passed: nobody has it: no policy that is about this stack has the rule" in said
    assert "4 fixtures, 3 complaints" in said


def test_a_rule_without_fixtures_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(policy()))
    (tmp_path / "tests" / "base.yaml").write_text(yaml.safe_dump(OWNER))
    (tmp_path / "tests" / "table.yaml").write_text("{base: base.yaml, today: '2026-11-23', rules: {}}")
    assert main(["check", "--test", str(tmp_path)]) == 1
    assert "mine/owner: no fixture that is failed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("{base: base.yaml, today: soon, rules: {}}", "today"),
        ("{base: gone.yaml, today: '2026-11-23', rules: {}}", "gone.yaml: no such file"),
        ("{base: base.yaml, today: '2026-11-23', rules: {a/b: {maybe: {}}}}", "maybe"),
        ("[]", "no table of fixtures"),
    ],
)
def test_a_table_that_cannot_be_read_is_bad_input(
    table: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(policy()))
    (tmp_path / "tests" / "base.yaml").write_text(yaml.safe_dump(OWNER))
    (tmp_path / "tests" / "table.yaml").write_text(table)
    assert main(["check", "--test", str(tmp_path)]) == 2
    assert words in capsys.readouterr().err


def test_the_facts_of_a_stack_are_printed_for_readers_and_programs(
    check: Check, capsys: pytest.CaptureFixture[str]
) -> None:
    path = check.write("stack.yaml", STACK)
    assert main(["facts", path]) == 0
    assert "source: hf://a/b" in capsys.readouterr().out

    main(["facts", path, "--output=json"])
    found = json.loads(capsys.readouterr().out)
    assert found["AIStack care/hello"]["sources"] == ["hf://a/b"]


def test_the_facts_say_what_a_stack_costs_and_whether_it_fits_into_its_budgets(
    check: Check, capsys: pytest.CaptureFixture[str]
) -> None:
    key = {"secretKeyRef": {"name": "openai", "key": "key"}}
    managed = {"provider": "openai", "model": "gpt-x", "credentials": key}
    spec = {"models": [{"name": "gpt", "managed": managed}], "traffic": costs.TRAFFIC}
    asked = {**STACK, "spec": spec}
    book = costs.book(**costs.CLUSTER, tokens=[{**costs.GPT, "retires": "2026-11-30"}]).dump()
    files = [check.write(f"{each['kind']}.yaml", each) for each in (asked, book, budgets.manifest(limit="1"))]
    assert main(["facts", *files, "--date=2026-11-23", "--output=json"]) == 0
    found = json.loads(capsys.readouterr().out)["AIStack care/hello"]
    assert found["monthlyCost"] > 1
    assert found["unknownPrices"] == []
    assert found["oldestPriceDays"] == 22
    assert found["retirements"] == {"gpt": 7}
    assert found["budgets"] == [{"name": "care", "fits": False}]


def test_facts_of_a_stack_whose_names_lead_nowhere_are_not_told(
    check: Check, capsys: pytest.CaptureFixture[str]
) -> None:
    routes = [{"name": "chat", "targets": [{"model": "gone"}]}]
    path = check.write("stack.yaml", {**STACK, "spec": {**STACK["spec"], "gateway": {"routes": routes}}})
    assert main(["facts", path]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "no model is named 'gone'" in said.err


def test_facts_without_a_stack_are_bad_input(check: Check, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["facts", check.write("policy.yaml", policy())]) == 2
    assert "no AIStack in these files" in capsys.readouterr().err
