"""`aistack check`: every problem of the stacks in files, as admission would find them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from rich.text import Text

from aistack.api import AIPolicy, AIPolicyException, AIStack
from aistack.catalog import Catalog
from aistack.cli import exchange
from aistack.cli.files import Document, accelerator_classes, price_books, read
from aistack.cli.findings import Checked, Finding, Sort
from aistack.cli.output import Exit, as_json, emit, show, write
from aistack.cost.prices import DEFAULT, index, shipped_book
from aistack.govern import Outcome, Policies, Result, Verdict, evidence, exceptions
from aistack.govern.rules import problems as policy_problems
from aistack.images import default_images
from aistack.platform import Platform, judged
from aistack.problem import Problem

__all__ = ["Checked", "check", "lines", "rulebook", "run", "verdict"]

COLOURS = {Sort.INVALID: "red", Sort.DENIED: "red", Sort.WARNING: "yellow", Sort.AUDIT: "blue"}
FORMS: Mapping[str, Callable[[Sequence[Checked]], str]] = {
    "sarif": exchange.sarif,
    "junit": exchange.junit,
    "markdown": exchange.markdown,
}
NAMESPACE_NAME = "kubernetes.io/metadata.name"
"""The label that every namespace has."""


NO_RULES = Platform(Catalog({}))
"""Only what names refer to is asked; the catalog is that of the files."""


def rulebook(documents: Sequence[Document], now: datetime) -> Platform:
    """What the policies, exceptions, namespaces and price books among the documents hold stacks to."""
    policies = tuple(each.parsed for each in documents if isinstance(each.parsed, AIPolicy))
    if not policies:
        return NO_RULES
    labels = {each.name: each.labels for each in documents if each.kind == "Namespace"}
    places = {*labels, *(each.namespace for each in documents)}
    return Platform(
        NO_RULES.catalog,
        index({DEFAULT: shipped_book(), **price_books(documents)}),
        Policies(
            policies,
            tuple(each.parsed for each in documents if isinstance(each.parsed, AIPolicyException)),
            {name: {**labels.get(name, {}), NAMESPACE_NAME: name} for name in places},
            now,
        ),
    )


def run(
    files: Sequence[str],
    catalog: Sequence[str],
    policies: Sequence[str],
    namespace: str,
    output: str,
    *,
    strict: bool,
    now: datetime,
) -> Exit:
    documents, referred, held_to = read(files, namespace), read(catalog), read(policies, namespace)
    rules = rulebook([*referred, *held_to, *documents], now)
    unreadable = [each for each in check(held_to, referred) if each.findings]
    checked = [*unreadable, *check(documents, [*referred, *held_to], rules)]
    if output == "text":
        show(*lines(checked))
    elif output in FORMS:
        emit(FORMS[output](checked))
    elif output == "evidence":
        emit(evidence.markdown(_assessed(checked), now))
    elif output == "oscal":
        emit(as_json(evidence.oscal(_assessed(checked), now)))
    else:
        write([_report(each) for each in checked], output)
    return verdict(checked, strict=strict)


def _assessed(checked: Sequence[Checked]) -> list[evidence.Assessed]:
    return [
        evidence.Assessed(
            f"{stack.metadata.namespace}/{stack.metadata.name}", stack.spec.governance.evidence, each.verdict
        )
        for each in checked
        if isinstance(stack := each.document.parsed, AIStack)
    ]


def check(
    documents: Sequence[Document], catalog: Sequence[Document], rules: Platform = NO_RULES
) -> list[Checked]:
    """Checks `documents`; those of `catalog` are only referred to."""
    known = Catalog(default_images(), accelerator_classes([*catalog, *documents]))
    platform = replace(rules, catalog=known)
    return [_checked(each, platform) for each in documents if each.is_ours]


def _checked(document: Document, platform: Platform) -> Checked:
    match document.parsed:
        case AIStack() as stack:
            return _checked_stack(document, stack, platform)
        case AIPolicy() as policy:
            return Checked(document, unusable=tuple(policy_problems(policy)))
        case AIPolicyException() as exception if platform.policies.policies:
            policies, now = platform.policies.policies, platform.policies.now
            return Checked(
                document,
                unusable=tuple(exceptions.problems(exception, policies)),
                doubts=tuple(exceptions.doubts(exception, policies, now)),
            )
    return Checked(document)


def _checked_stack(document: Document, stack: AIStack, platform: Platform) -> Checked:
    resolution = platform.resolve(stack)
    if resolution.meaning is None:
        return Checked(document, resolution)
    _, said = judged(resolution.meaning, platform)
    return Checked(document, resolution, said)


def verdict(checked: Sequence[Checked], *, strict: bool) -> Exit:
    if any(each.has(Sort.INVALID) for each in checked):
        return Exit.BAD_INPUT
    if any(each.has(Sort.DENIED) for each in checked):
        return Exit.DENIED
    if strict and any(each.has(Sort.WARNING) for each in checked):
        return Exit.WARNED
    return Exit.FINE


def lines(checked: Sequence[Checked]) -> list[Text]:
    """The findings for a reader: one line an object, then a few a finding."""
    if not checked:
        return [Text("nothing to check: no object of aistack.dev in these files")]
    found = [line for each in checked for line in _lines(each)]
    if any(problem.path.endswith("accelerator.class") for each in checked for problem in each.problems):
        found.append(Text("AcceleratorClasses are read from these files; name more with --catalog FILE"))
    return found


def _lines(checked: Checked) -> list[Text]:
    document, findings = checked.document, checked.findings
    fine = ("", "") if findings else (": fine", "green")
    heading = Text.assemble(f"{document.file}: ", (document.title, "bold"), fine)
    return [
        heading,
        *(line for finding in findings for line in _finding(finding)),
        *_summary(checked.verdict),
    ]


def _finding(finding: Finding) -> list[Text]:
    policy = f"{finding.name}: " if "/" in finding.name else ""
    sort = (f"{finding.sort:8}", COLOURS.get(finding.sort, ""))
    heading = Text.assemble("  ", sort, f"{finding.field}: {policy}{finding.message}")
    return [heading, *(Text(f"          {name}: {text}", "dim") for name, text in finding.details)]


def _summary(said: Verdict) -> list[Text]:
    counts = {outcome: said.count(outcome) for outcome in Outcome}
    told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    return [Text(f"  rules: {told}")] if told else []


def _report(checked: Checked) -> dict[str, Any]:
    return {
        "file": checked.document.file,
        "object": checked.document.title,
        "invalid": [*checked.document.problems, *map(str, checked.unusable)],
        "problems": [_row(problem) for problem in checked.problems],
        "warnings": [_row(warning) for warning in checked.warnings],
        "rules": [_rule(result) for result in checked.verdict.results],
    }


def _row(problem: Problem) -> dict[str, str]:
    return {"path": problem.path, "reason": problem.reason.value, "message": problem.message}


def _rule(result: Result) -> dict[str, Any]:
    rule = result.rule
    return {
        "policy": result.policy,
        "rule": rule.id,
        "result": result.outcome.value,
        "action": result.action,
        "severity": rule.severity,
        "references": list(rule.references),
        "path": rule.field,
        "message": rule.message,
        "found": list(result.found),
        "remediation": rule.remediation,
        "evidence": rule.evidence,
        "deniesFrom": result.denies_from or None,
        "waivedBy": result.waived_by.metadata.name if result.waived_by else None,
    }
