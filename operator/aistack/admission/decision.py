"""What was decided on a request: one line of the log, and one record of the trail where there is one."""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import orjson

from aistack.admission.request import AdmissionRequest
from aistack.admission.review import MOST_NAMED, Verdict, cut
from aistack.admission.server import Outcome
from aistack.trail import Link, Trail

logger = logging.getLogger(__name__)

LONGEST = 1024
"""Characters of what somebody sent, so that a record stays small; the rest is an ellipsis."""


def decision(request: AdmissionRequest, verdict: Verdict, now: datetime) -> dict[str, Any]:
    """Who asked for what, and what came of it; of the object only its spec's SHA-256."""
    return {
        "time": now.isoformat(timespec="milliseconds"),
        "request": cut(request.uid, LONGEST),
        **_asked(request),
        "verdict": "allowed" if verdict.allowed else "denied",
        "problems": len(verdict.problems),
        "rules": asdict(verdict.rules),
        "budgets": _budgets(verdict),
    }


def refused(outcome: Outcome, now: datetime) -> dict[str, Any]:
    """A request that was not judged, and why: by whom it was is known only where it can be read."""
    response = outcome.review["response"]
    return {
        "time": now.isoformat(timespec="milliseconds"),
        "request": response["uid"],
        **(_asked(outcome.request) if outcome.request else {}),
        "verdict": outcome.verdict,
        "code": response["status"]["code"],
        "why": cut(response["status"]["message"], LONGEST),
    }


def _asked(request: AdmissionRequest) -> dict[str, Any]:
    return {
        "user": cut(request.user_info.username, LONGEST),
        "operation": request.operation,
        "dryRun": request.dry_run,
        "kind": request.kind.kind,
        "object": cut(request.full_name, LONGEST),
        "spec": spec_digest(request.object),
    }


def _budgets(verdict: Verdict) -> list[str]:
    """Those that count the stack."""
    counting = verdict.priced.counting if verdict.priced else ()
    return [budget.metadata.name for budget in counting[:MOST_NAMED]]


def spec_digest(obj: Mapping[str, Any]) -> str:
    """SHA-256 of a spec as JSON with sorted keys, no blanks."""
    return hashlib.sha256(orjson.dumps(obj.get("spec"), option=orjson.OPT_SORT_KEYS)).hexdigest()


def tell(record: Mapping[str, Any], trail: Trail | None) -> None:
    """OSError when it can't be recorded: then it must not count as decided."""
    link = trail.append(record) if trail else Link()
    noted = {"sequence": link.sequence, "digest": link.digest} if trail else {}
    what = "{operation} of {kind} {object}".format_map(record) if "object" in record else "what can't be read"
    logger.info("%s %s", record["verdict"], what, extra={"fields": {"decision": {**record, **noted}}})


def tell_refused(outcome: Outcome, trail: Trail | None) -> None:
    """What can't be recorded stays refused, and its answer says why; what could not be judged may be of a
    shape that can't be told, either."""
    try:
        tell(refused(outcome, datetime.now(UTC)), trail)
    except Exception:
        logger.exception("a request that was refused could not be recorded")
