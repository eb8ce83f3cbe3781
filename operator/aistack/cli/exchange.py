"""Findings in the forms that others read: SARIF 2.1.0, JUnit's XML, and Markdown for a pull request."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from aistack import __version__
from aistack.cli.findings import SORTS, Checked, Finding, Sort
from aistack.cli.output import as_json
from aistack.govern import Outcome, Result
from aistack.markdown import cell, printable

LEVELS = {Sort.INVALID: "error", Sort.DENIED: "error", Sort.WARNING: "warning"}
BAD = (Sort.INVALID, Sort.DENIED)


def sarif(checked: Sequence[Checked]) -> str:
    """https://docs.oasis-open.org/sarif/sarif/v2.1.0/: a result a finding, a rule a name."""
    found = [(each, finding) for each in checked for finding in each.findings]
    names = sorted({finding.name for _, finding in found})
    policies = {result.name: result for each in checked for result in each.verdict.results}
    driver = {
        "name": "aistack",
        "version": __version__,
        "rules": [_sarif_rule(name, policies.get(name)) for name in names],
    }
    results = [_sarif_result(each, finding, names.index(finding.name)) for each, finding in found]
    return as_json(
        {
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [{"tool": {"driver": driver}, "results": results}],
        }
    )


def _sarif_rule(name: str, of: Result | None) -> dict[str, Any]:
    """What a viewer shows beside the findings of one name; `of` is a result of the rule that has it."""
    if of is None:
        return {"id": name, "help": {"text": f"docs/reasons.md says what to do about {name}"}}
    rule = of.rule
    told = [of.wanted.rstrip("."), *rule.references]
    return {
        "id": name,
        "shortDescription": {"text": rule.message},
        "help": {"text": "; ".join(filter(None, told)) or rule.message},
        "defaultConfiguration": {"level": LEVELS.get(SORTS[of.action], "note")},
        "properties": {"severity": rule.severity, "tags": list(rule.references)},
    }


def _sarif_result(checked: Checked, finding: Finding, index: int) -> dict[str, Any]:
    file = checked.document.file.partition(", document ")[0]
    place = {
        "physicalLocation": {
            "artifactLocation": {"uri": Path(file).as_posix()},
            "region": {"startLine": checked.document.line},
        },
        "logicalLocations": [{"fullyQualifiedName": f"{checked.document.title}: {finding.field}"}],
    }
    result = {
        "ruleId": finding.name,
        "ruleIndex": index,
        "level": LEVELS.get(finding.sort, "note"),
        "message": {"text": finding.line},
        "locations": [place],
    }
    waived = {"suppressions": [{"kind": "external", "justification": finding.line}]}
    return {**result, **waived} if finding.sort is Sort.WAIVED else result


def junit(checked: Sequence[Checked]) -> str:
    """A suite an object, a case a finding and a rule that was kept; only what denies is a failure."""
    suites = "\n".join(_suite(each) for each in checked)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n{suites}\n</testsuites>\n'


def _suite(checked: Checked) -> str:
    findings = checked.findings
    kept = [result.name for result in checked.verdict.results if result.outcome is Outcome.PASSED]
    cases = [
        *(_case(f"{each.name} {each.field}", checked, _outcome(each)) for each in findings),
        *(_case(name, checked, "") for name in kept),
    ] or [_case("no problem", checked, "")]
    failures = sum(each.sort in BAD for each in findings)
    skipped = sum(each.sort is Sort.WAIVED for each in findings)
    name = _attribute(checked.document.title)
    counts = f'tests="{len(cases)}" failures="{failures}" skipped="{skipped}"'
    return "\n".join([f"  <testsuite name={name} {counts}>", *cases, "  </testsuite>"])


def _case(name: str, checked: Checked, content: str) -> str:
    start = f"    <testcase name={_attribute(name)} classname={_attribute(checked.document.title)}"
    return f"{start}>{content}</testcase>" if content else f"{start}/>"


def _outcome(finding: Finding) -> str:
    if finding.sort in BAD:
        return f"<failure type={_attribute(finding.sort)} message={_attribute(finding.line)}/>"
    if finding.sort is Sort.WAIVED:
        return f"<skipped message={_attribute(finding.line)}/>"
    return f"<system-out>{escape(printable(f'{finding.sort}: {finding.line}'))}</system-out>"


def _attribute(text: str) -> str:
    """XML has no place for control characters."""
    return quoteattr(printable(text))


def markdown(checked: Sequence[Checked]) -> str:
    """A table an object."""
    return "\n".join(_section(each) for each in checked) or "Nothing to check.\n"


def _section(checked: Checked) -> str:
    findings = checked.findings
    said = checked.verdict
    counts = [f"{said.count(outcome)} {outcome}" for outcome in Outcome if said.count(outcome)]
    told = f"Rules: {', '.join(counts)}.\n\n" if counts else ""
    heading = f"## {cell(checked.document.title)}\n\n{told}"
    if not findings:
        return f"{heading}No problem.\n"
    rows = [
        f"| {each.sort} | {cell(each.name)} | `{cell(each.field)}` | {cell(each.line)} |" for each in findings
    ]
    return heading + "\n".join(["| | rule | field | what |", "|---|---|---|---|", *rows, ""])
