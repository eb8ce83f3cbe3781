"""What was found in one object of a file: what is invalid, denied, warned of, reported or waived."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from aistack.cli.files import Document
from aistack.govern import Outcome, Result, Verdict
from aistack.problem import Problem
from aistack.resolve import Resolution


class Sort(StrEnum):
    """How bad a finding is, worst first."""

    INVALID = "invalid"
    DENIED = "denied"
    WARNING = "warning"
    AUDIT = "audit"
    """A rule of a policy that only reports."""
    WAIVED = "waived"


SORTS = {"Deny": Sort.DENIED, "Warn": Sort.WARNING, "Audit": Sort.AUDIT}
"""What a broken rule is, by what its policy does about it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found."""

    sort: Sort
    name: str
    """policy/rule, or the reason's word."""
    field: str
    message: str
    details: tuple[tuple[str, str], ...] = ()
    """What was found, what must be, and the way out, each with its heading."""

    @property
    def line(self) -> str:
        """The whole on one line."""
        return "; ".join(
            (self.message.rstrip("."), *(f"{heading}: {text}" for heading, text in self.details))
        )


@dataclass(frozen=True, slots=True)
class Checked:
    """One object of our own kinds; of a readable AIStack, what its names mean and what policies say of it."""

    document: Document
    resolution: Resolution | None = None
    verdict: Verdict = field(default_factory=Verdict)
    unusable: tuple[Problem, ...] = ()
    """Expressions of an AIPolicy that can't be evaluated; what an AIPolicyException can't waive."""
    doubts: tuple[Problem, ...] = ()
    """Why an AIPolicyException may waive nothing; what budgets that only warn say of a stack."""
    unaffordable: tuple[Problem, ...] = ()
    """Why budgets refuse a stack."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        return (*(self.resolution.problems if self.resolution else ()), *self.unaffordable)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return (*self.doubts, *(self.resolution.warnings if self.resolution else ()))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Worst first."""
        order = list(Sort)
        return tuple(sorted(self._findings(), key=lambda finding: order.index(finding.sort)))

    def has(self, *sorts: Sort) -> bool:
        return any(finding.sort in sorts for finding in self._findings())

    def _findings(self) -> Iterator[Finding]:
        for message in self.document.problems:
            where, _, what = message.partition(": ")
            yield Finding(Sort.INVALID, "InvalidSpec", where, what)
        yield from (_of_problem(Sort.INVALID, problem) for problem in self.unusable)
        yield from (_of_problem(Sort.DENIED, problem) for problem in self.problems)
        yield from (_of_problem(Sort.WARNING, problem) for problem in self.warnings)
        yield from (
            _of_result(result) for result in self.verdict.results if result.outcome is not Outcome.PASSED
        )


def _of_problem(sort: Sort, problem: Problem) -> Finding:
    return Finding(sort, problem.reason.value, problem.path, problem.message)


def _of_result(result: Result) -> Finding:
    return Finding(
        sort=SORTS[result.action] if result.counts else Sort.WAIVED,
        name=result.name,
        field=result.rule.field,
        message=f"{result.rule.message} ({result.rule.severity})",
        details=tuple(_details(result)),
    )


def _details(result: Result) -> Iterator[tuple[str, str]]:
    yield from (("found", each) for each in result.told)
    told = {
        "instead": result.rule.remediation,
        "evidence": result.rule.evidence,
        "denied from": result.holding.denies_from,
        # What only reports needs no way out.
        "exception": result.way_out if result.counts and result.action != "Audit" else "",
        "waived by": _waiver(result),
    }
    yield from ((heading, text) for heading, text in told.items() if text)


def _waiver(result: Result) -> str:
    if result.waived_by is None:
        return ""
    waiver = result.waived_by.spec
    return f"{waiver.ticket}, approved by {waiver.approved_by}, until {waiver.expires_at}"
