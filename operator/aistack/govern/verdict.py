"""What policies say of a stack: a result a rule, and what follows from them."""

import re
from collections import Counter
from collections.abc import Collection, Container, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Literal, NamedTuple

from aistack.api import AIPolicyException, Reason
from aistack.api.policies import AIPolicySpec, Rule
from aistack.api.stack import PolicyStatus
from aistack.problem import Problem

Action = Literal["Deny", "Warn", "Audit"]
OnViolation = Literal["Report", "BlockUpdates", "Suspend"]
MOST_FOUND = 8
"""Findings of one rule that are told; the rest is counted."""
MOST_BROKEN = 128
"""Rules that a status names, as the API has it."""

_NUMBER = re.compile(r"(?<![\w.:/@-])\d+(?:[.,]\d+)*(?![\w-]|[.,:]\d)")
"""One that stands by itself; not part of a name such as `gpt-5`, nor of a digest."""


class InForce(NamedTuple):
    """What a policy's failures lead to on a day."""

    action: Action
    denies_from: str
    """The day on which it begins to deny, when that is still to come."""


def in_force(policy: AIPolicySpec, now: datetime) -> InForce:
    """Before its day (UTC) a policy that denies warns."""
    day = policy.effective_from
    if policy.action == "Deny" and day and now.date().isoformat() < day:
        return InForce("Warn", day)
    return InForce(policy.action, "")


class Outcome(StrEnum):
    """How a rule came out."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    """It could not be evaluated, and counts as failed."""
    WAIVED = "waived"
    """It failed, or could not be evaluated, under an exception."""


class Holding(NamedTuple):
    """One policy on the day on which a stack is held to it."""

    policy: str
    action: Action
    """What a failure leads to today."""
    namespace: str
    """The stack's: where an exception would stand."""
    waivable: bool
    denies_from: str
    """The day on which the policy begins to deny, when that is still to come; else empty."""
    on_violation: OnViolation
    """What a denial leads to where the stack runs already."""


class Result(NamedTuple):
    """One rule of one policy on one stack; a tuple, because each review makes one of every rule."""

    holding: Holding
    rule: Rule
    outcome: Outcome = Outcome.PASSED
    found: tuple[str, ...] = ()
    """All that was found instead of what must be; why it could not be evaluated, for an error."""
    waived_by: AIPolicyException | None = None
    ends_soon: bool = False
    """The exception that waives it does."""

    @property
    def policy(self) -> str:
        return self.holding.policy

    @property
    def action(self) -> Action:
        """What a failure leads to today."""
        return self.holding.action

    @property
    def name(self) -> str:
        return f"{self.policy}/{self.rule.id}"

    @property
    def counts(self) -> bool:
        """It failed, and nothing waives that."""
        return self.outcome is Outcome.FAILED or self.outcome is Outcome.ERROR

    @property
    def told(self) -> tuple[str, ...]:
        """As much of what was found as is told; the rest is counted."""
        more = [f"… and {len(self.found) - MOST_FOUND} more"] if len(self.found) > MOST_FOUND else []
        return (*self.found[:MOST_FOUND], *more)

    def is_worse_than(self, before: "Result") -> bool:
        """Whether a rule that was broken `before`, too, is broken further: its policy may ask for that not to
        be held up. Without words of its own for what was found, it is broken or isn't. Of a number that it
        tells only its expression knows which way is better."""
        if self.holding.on_violation == "Report":
            return False
        if self.outcome is Outcome.ERROR:
            return before.outcome is not Outcome.ERROR
        return bool(self.rule.found) and not _without_numbers(self.found) <= _without_numbers(before.found)

    @property
    def wanted(self) -> str:
        """What must be."""
        evidence = f"evidence wanted: {self.rule.evidence}" if self.rule.evidence else ""
        return "; ".join(filter(None, (self.rule.remediation, evidence)))

    @property
    def way_out(self) -> str:
        """How to ask for an exception, or that there is none."""
        if not self.holding.waivable:
            return "no exception can waive it"
        return f"an AIPolicyException in namespace {self.holding.namespace} that names {self.name}"

    def problem(self) -> Problem:
        """The whole on one line, as a denial, a warning and a condition say it."""
        parts = [self.rule.message, f"found: {', '.join(self.told)}" if self.found else "", self.wanted]
        if self.outcome is Outcome.ERROR:
            parts = [f"the rule could not be evaluated: {', '.join(self.found)}"]
        if self.holding.denies_from:
            parts.append(f"denied from {self.holding.denies_from}")
        told = "; ".join(part.rstrip(".") for part in (*parts, f"exception: {self.way_out}") if part)
        return Problem(self.rule.field, Reason.POLICY_VIOLATED, f"{self.name} ({self.rule.severity}): {told}")


@dataclass(frozen=True)
class Verdict:
    """What policies say of a stack, every rule of every matching policy."""

    results: tuple[Result, ...] = ()

    @cached_property
    def not_kept(self) -> tuple[Result, ...]:
        """The rules that failed or could not be evaluated, waived or not: mostly few."""
        return tuple(result for result in self.results if result.outcome is not Outcome.PASSED)

    @property
    def denials(self) -> tuple[Problem, ...]:
        """They keep the stack from running."""
        return tuple(result.problem() for result in self.failed("Deny"))

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return tuple(result.problem() for result in self.failed("Warn"))

    def refusals(self, standing: Container[str] = ()) -> tuple[Problem, ...]:
        """Those of the denials that keep a new spec from being taken: all but the rules in `standing`, which
        what runs breaks already, and no less."""
        return tuple(result.problem() for result in self.failed("Deny") if result.name not in standing)

    def standing(self, before: "Verdict") -> frozenset[str]:
        """The names of the rules that were broken `before` an update, and that it makes no worse."""
        earlier = {result.name: result for result in before.not_kept if result.counts}
        return frozenset(
            result.name
            for result in self.not_kept
            if (old := earlier.get(result.name)) and result.counts and not result.is_worse_than(old)
        )

    @property
    def suspensions(self) -> tuple[Problem, ...]:
        """Those of the denials that stop a stack that runs."""
        return tuple(each.problem() for each in self.failed("Deny") if each.holding.on_violation == "Suspend")

    def waivers(self, *, soon: bool = False) -> tuple[Problem, ...]:
        """What an exception lets be that would be denied or warned of without it; `soon`: not for long."""
        return tuple(
            _waiver(result, result.waived_by)
            for result in self.not_kept
            if result.waived_by and result.action != "Audit" and (result.ends_soon or not soon)
        )

    @property
    def broken(self) -> frozenset[str]:
        """The names of the rules that count as broken."""
        return frozenset(result.name for result in self.not_kept if result.counts)

    def status(self, report: str | None, broken: Collection[str]) -> PolicyStatus:
        """What the stack's status shows: the rules that what runs breaks, and counts. What only reports is
        counted in the report alone. What denies is named first: it is what an update is held to."""
        denied = {result.name for result in self.failed("Deny")}
        named = sorted(broken, key=lambda name: (name not in denied, name))[:MOST_BROKEN]
        return PolicyStatus(
            passed=self.count(Outcome.PASSED),
            failed=len(self.denials),
            warned=len(self.warnings),
            waived=self.count(Outcome.WAIVED),
            broken=tuple(sorted(named)),
            report=report,
        )

    @property
    def tally(self) -> dict[tuple[str, str], int]:
        """How many rules came out how, by policy and outcome."""
        return dict(Counter((result.policy, result.outcome.value) for result in self.results))

    def failed(self, action: Action) -> Iterator[Result]:
        """What counts and leads to this action."""
        return (result for result in self.not_kept if result.counts and result.action == action)

    def count(self, *outcomes: Outcome) -> int:
        return sum(result.outcome in outcomes for result in self.results)


def _without_numbers(found: Iterable[str]) -> Counter[str]:
    return Counter(_NUMBER.sub("#", each) for each in found)


def _waiver(result: Result, exception: AIPolicyException) -> Problem:
    name, spec = exception.metadata.name, exception.spec
    told = f"{result.name}: waived by {name} ({spec.ticket}) until {spec.expires_at}"
    return Problem(result.rule.field, Reason.EXCEPTION_HOLDS, told)
