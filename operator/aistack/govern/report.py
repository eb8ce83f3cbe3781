"""What policies say of a stack, in the form that dashboards for policies read.

OpenReports' Report (openreports.io/v1alpha1) and the PolicyReport that it came from (wgpolicyk8s.io/v1alpha2)
have the same results: https://github.com/openreports/reports-api/blob/main/docs/api-docs.md
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from aistack.govern.verdict import Outcome, Result, Verdict
from aistack.kinds import Manifest

SOURCE = "aistack"
MOST_RESULTS = 1000
"""Rows of one report, what is broken before what is kept; its summary counts all."""
LONGEST = 1024
"""Characters of one text."""


def results(verdict: Verdict) -> list[Manifest]:
    """A row a rule, in the order of the policies; without the time, which `dated` adds."""
    kept = MOST_RESULTS - len(verdict.not_kept)
    shown: list[Result] = []
    for result in verdict.results:
        if result.outcome is Outcome.PASSED:
            kept -= 1
        if result.outcome is not Outcome.PASSED or kept >= 0:
            shown.append(result)
    return [_row(result) for result in shown[:MOST_RESULTS]]


def _row(result: Result) -> Manifest:
    rule = result.rule
    return {
        "source": SOURCE,
        "policy": result.policy,
        "rule": rule.id,
        "severity": rule.severity,
        "result": word(result),
        "scored": True,
        "message": _message(result)[:LONGEST],
        "properties": {name: text[:LONGEST] for name, text in _properties(result).items() if text},
    }


def word(result: Result) -> str:
    """pass, fail, warn, error or skip."""
    match result.outcome:
        case Outcome.PASSED:
            return "pass"
        case Outcome.WAIVED:
            return "skip"
        case Outcome.ERROR:
            return "error"
        case Outcome.FAILED:
            return "warn" if result.action == "Warn" else "fail"


def _message(result: Result) -> str:
    if result.outcome is Outcome.PASSED:
        return "kept"
    return "; ".join((result.rule.message.rstrip("."), *result.told))


def _properties(result: Result) -> Mapping[str, str]:
    rule, waiver = result.rule, result.waived_by
    broken = result.outcome is not Outcome.PASSED
    return {
        "action": result.action,
        "field": rule.field,
        "references": ", ".join(rule.references),
        "instead": (rule.remediation or "") if broken else "",
        "evidence": rule.evidence or "",
        "deniesFrom": result.holding.denies_from if broken else "",
        "waivedBy": f"{waiver.metadata.name} until {waiver.spec.expires_at}" if waiver else "",
    }


def dated(rows: Sequence[Manifest], since: datetime) -> list[Manifest]:
    """The rows with the time from which on the report has said just this."""
    timestamp = {"seconds": int(since.timestamp()), "nanos": 0}
    return [{**row, "timestamp": timestamp} for row in rows]


def summary(verdict: Verdict) -> dict[str, int]:
    counted = Counter(map(word, verdict.results))
    return {each: counted[each] for each in ("pass", "fail", "warn", "error", "skip")}
