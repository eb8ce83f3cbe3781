"""`aistack check`: every problem of the stacks in files, as admission would find them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from rich.text import Text

from aistack.admission.review import Priced
from aistack.api import AIBudget, AIPolicy, AIPolicyException, AIStack
from aistack.budget import Budgets, claim_of
from aistack.catalog import Catalog
from aistack.cli import exchange
from aistack.cli.files import Document, InputError, accelerator_classes, price_books, read
from aistack.cli.findings import Checked, Finding, Sort
from aistack.cli.output import Exit, as_json, emit, show, write
from aistack.cli.reserving import identified, reserve
from aistack.cost.prices import DEFAULT, index, shipped_book
from aistack.govern import Outcome, Policies, Result, Verdict, evidence, exceptions, reading
from aistack.govern.rules import problems as policy_problems
from aistack.images import default_images
from aistack.platform import Platform, judged, overspending, unaffordable
from aistack.problem import Problem

__all__ = ["Checked", "check", "described", "lines", "rulebook", "run", "verdict"]

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
    """What the documents hold stacks to; without policies and budgets nobody asks for prices, either."""
    asks = any(isinstance(each.parsed, AIPolicy | AIBudget) for each in documents)
    return described(documents, now) if asks else NO_RULES


def described(documents: Sequence[Document], now: datetime) -> Platform:
    """The policies, budgets, exceptions, namespaces and prices of the documents, and the shipped prices."""
    policies = tuple(each.parsed for each in documents if isinstance(each.parsed, AIPolicy))
    budgets = tuple(each.parsed for each in documents if isinstance(each.parsed, AIBudget))
    labels = {each.name: each.labels for each in documents if each.kind == "Namespace"}
    places = {*labels, *(each.namespace for each in documents)}
    namespaces = {name: {**labels.get(name, {}), NAMESPACE_NAME: name} for name in places}
    exempting = tuple(each.parsed for each in documents if isinstance(each.parsed, AIPolicyException))
    return Platform(
        NO_RULES.catalog,
        index({DEFAULT: shipped_book(), **price_books(documents)}),
        Policies(policies, exempting, namespaces, now),
        Budgets(budgets, namespaces),
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
    """Raises InputError where there is none, for OSCAL knows no assessment of nothing, and where one can't be
    judged: an assessment without a result would not say so."""
    for each in checked:
        if each.resolution and each.resolution.meaning is None:
            raise InputError(
                f"{each.document.title} can't be assessed: it names something that is not there; "
                "--output text says what"
            )
    found = [
        evidence.Assessed(
            f"{stack.metadata.namespace}/{stack.metadata.name}", stack.spec.governance.evidence, each.verdict
        )
        for each in checked
        if isinstance(stack := each.document.parsed, AIStack)
    ]
    if not found:
        raise InputError(
            "nothing to assess: these files have no AIStack that can be read; --output text says why"
        )
    return found


def check(
    documents: Sequence[Document], catalog: Sequence[Document], rules: Platform = NO_RULES
) -> list[Checked]:
    """Checks `documents`; those of `catalog` are only referred to. What one stack costs, budgets no longer
    have for those after it."""
    known = Catalog(default_images(), accelerator_classes([*catalog, *documents]))
    platform, found = replace(rules, catalog=known), []
    for document in documents:
        if isinstance(document.parsed, AIStack):
            checked, platform = _checked_stack(document, document.parsed, platform)
            found.append(checked)
        elif document.is_ours:
            found.append(_checked(document, platform))
    return found


def _checked(document: Document, platform: Platform) -> Checked:
    match document.parsed:
        case AIPolicy() as policy:
            return Checked(
                document, unusable=tuple(policy_problems(policy)), doubts=tuple(reading.doubts(policy))
            )
        case AIPolicyException() as exception if platform.policies.policies:
            policies, now = platform.policies.policies, platform.policies.now
            return Checked(
                document,
                unusable=tuple(exceptions.problems(exception, policies)),
                doubts=tuple(exceptions.doubts(exception, policies, now)),
            )
    return Checked(document)


def _checked_stack(document: Document, stack: AIStack, platform: Platform) -> tuple[Checked, Platform]:
    """What admission would say, and the platform as it is after that."""
    stack = identified(stack, platform.budgets)
    resolution = platform.resolve(stack)
    if resolution.meaning is None:
        return Checked(document, resolution), platform
    estimated, said = judged(resolution.meaning, platform)
    checked = Checked(document, resolution, said)
    if resolution.stack is None or said.denials:
        return checked, platform
    wanted = Priced(stack, claim_of(resolution.stack, estimated), platform.budgets.counting(stack.metadata))
    reservation, after = reserve(wanted, platform)
    return replace(
        checked,
        unaffordable=unaffordable(stack, reservation.obstacles, platform),
        doubts=overspending(reservation.obstacles),
    ), after


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
        "found": list(result.told),
        "remediation": rule.remediation,
        "evidence": rule.evidence,
        "deniesFrom": result.holding.denies_from or None,
        "waivedBy": result.waived_by.metadata.name if result.waived_by else None,
    }
