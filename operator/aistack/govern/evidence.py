"""What is declared of a stack, for who audits it: as Markdown to read, as OSCAL for programs.

It says which rules were kept and what evidence was declared for them, with its digest, date and age. Nobody
has looked at the evidence itself, so that nothing here says that a law is kept.

OSCAL assessment results: https://pages.nist.gov/OSCAL/reference/1.0.4/assessment-results/json-reference/
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid5

from aistack import __version__
from aistack.api.governance import Evidence
from aistack.govern.verdict import Outcome, Result, Verdict
from aistack.kinds import Manifest
from aistack.markdown import cell
from aistack.units import timestamp

OSCAL_VERSION = "1.0.4"
NAMESPACE = UUID("5f8f1f0e-7f6b-4f6e-9c0f-2a3d6a3b9b1c")
"""Of the UUIDs here: the same finding on the same stack has the same one."""
PROPERTIES = "https://aistack.dev/ns/oscal"
"""The namespace of the properties that OSCAL has no name for."""
DISCLAIMER = (
    "Evidence declared: these rules were evaluated on the object and on what it declares. Nobody has examined"
    " the evidence, and whether a law is kept is for people to say."
)


@dataclass(frozen=True, slots=True)
class Assessed:
    """One stack, what it declares, and what policies say of it."""

    name: str
    """namespace/name."""
    evidence: Sequence[Evidence]
    verdict: Verdict


def markdown(stacks: Sequence[Assessed], now: datetime) -> str:
    """A section a stack: a row a rule, a row a piece of evidence."""
    return "\n".join(_section(each, now) for each in stacks)


def _section(stack: Assessed, now: datetime) -> str:
    rules = [
        f"| {result.outcome} | {cell(result.name)} | {result.rule.severity} | {_said(result)} "
        f"| {cell(result.rule.evidence or '')} | {cell(', '.join(result.rule.references))} |"
        for result in stack.verdict.results
    ]
    evidence = [
        f"| {cell(each.id)} | {cell(each.ref)} | {each.sha256 or ''} | {each.date or ''} "
        f"| {_age(each, now)} |"
        for each in stack.evidence
    ]
    return "\n".join(
        [
            f"# Evidence declared for {cell(stack.name)} on {now.date().isoformat()}",
            "",
            DISCLAIMER,
            "",
            "| result | rule | severity | what | evidence | references |",
            "|---|---|---|---|---|---|",
            *rules,
            "",
            "| evidence | where | SHA-256 | date | days old |",
            "|---|---|---|---|---|",
            *evidence,
            "",
        ]
    )


def _said(result: Result) -> str:
    if result.outcome is Outcome.PASSED:
        return ""
    return cell("; ".join((result.rule.message.rstrip("."), *result.told, *_waiver(result))))


def _waiver(result: Result) -> Iterator[str]:
    if result.waived_by:
        spec = result.waived_by.spec
        yield f"waived: {spec.reason} ({spec.ticket}, {spec.approved_by}, until {spec.expires_at})"


def _age(evidence: Evidence, now: datetime) -> str:
    return str((now.date() - date.fromisoformat(evidence.date)).days) if evidence.date else ""


def oscal(stacks: Sequence[Assessed], now: datetime) -> Manifest:
    """OSCAL assessment results: a result a stack, a finding a rule, an observation a piece of evidence."""
    plan = _uuid("plan", __version__)
    return {
        "assessment-results": {
            "uuid": _uuid("document", now.isoformat(), *(each.name for each in stacks)),
            "metadata": {
                "title": "Evidence declared for AI systems",
                "last-modified": timestamp(now),
                "version": __version__,
                "oscal-version": OSCAL_VERSION,
                "remarks": DISCLAIMER,
            },
            "import-ap": {"href": f"#{plan}"},
            "results": [_result(each, now) for each in stacks],
            "back-matter": {
                "resources": [
                    {"uuid": plan, "title": "AIPolicies", "description": "The policies that were evaluated."}
                ]
            },
        }
    }


def _result(stack: Assessed, now: datetime) -> Manifest:
    result: Manifest = {
        "uuid": _uuid("result", stack.name, now.isoformat()),
        "title": stack.name,
        "description": f"AIStack {stack.name}, held to the policies that are about it.",
        "start": timestamp(now),
        "end": timestamp(now),
        "reviewed-controls": {"control-selections": [_selection(stack)]},
    }
    if stack.evidence:
        result["observations"] = [_observation(stack, each, now) for each in stack.evidence]
    if stack.verdict.results:
        result["findings"] = [_finding(stack, each) for each in stack.verdict.results]
    return result


def _selection(stack: Assessed) -> Manifest:
    if not stack.verdict.results:
        return {"include-all": {}}
    return {"include-controls": [{"control-id": _token(each)} for each in stack.verdict.results]}


def _observation(stack: Assessed, evidence: Evidence, now: datetime) -> Manifest:
    observation: Manifest = {
        "uuid": _uuid("observation", stack.name, evidence.id),
        "title": evidence.id,
        "description": f"Evidence {evidence.id} is declared; not examined.",
        "methods": ["EXAMINE"],
        "collected": timestamp(now),
        "relevant-evidence": [{"href": evidence.ref, "description": "declared in the AIStack"}],
    }
    if known := list(_properties(evidence, now)):
        observation["props"] = known
    return observation


def _properties(evidence: Evidence, now: datetime) -> Iterator[Manifest]:
    """What is known of the document: its digest, its day, the days since then, the revision it is about."""
    told = {
        "sha256": evidence.sha256,
        "date": evidence.date,
        "age-days": _age(evidence, now),
        "model-revision": evidence.model_revision,
    }
    for name, value in told.items():
        if value:
            yield {"name": name, "ns": PROPERTIES, "value": value}


def _finding(stack: Assessed, result: Result) -> Manifest:
    kept = result.outcome is Outcome.PASSED
    remarks = "; ".join((*result.told, *_waiver(result))) or ("kept" if kept else "not kept")
    finding: Manifest = {
        "uuid": _uuid("finding", stack.name, result.name),
        "title": result.name,
        "description": "The rule is kept by what is declared." if kept else result.rule.message,
        "target": {
            "type": "objective-id",
            "target-id": _token(result),
            "status": {
                "state": "satisfied" if kept else "not-satisfied",
                "reason": "pass" if kept else "fail",
                "remarks": remarks,
            },
        },
    }
    if any(each.id == result.rule.evidence for each in stack.evidence):
        named = _uuid("observation", stack.name, str(result.rule.evidence))
        finding["related-observations"] = [{"observation-uuid": named}]
    return finding


def _token(result: Result) -> str:
    """A name as OSCAL has them: it begins with a letter or an underscore."""
    name = f"{result.policy}.{result.rule.id}"
    return f"_{name}" if name[0].isdigit() else name


def _uuid(*parts: Any) -> str:
    return str(uuid5(NAMESPACE, "\n".join(parts)))
