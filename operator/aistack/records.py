"""The records of a stack: what policies found and what it costs, for those who look after it.

One Report, where the cluster has that kind, and one ConfigMap with the same as documents. Both are written
only when what they say changes, and carry the time of that change.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from aistack import __version__
from aistack.api import API_VERSION
from aistack.cost import Estimate
from aistack.cost.breakeven import BreakEven
from aistack.cost.report import report as cost_report
from aistack.diagram import diagram
from aistack.govern import Verdict, evidence
from aistack.govern.report import SOURCE, dated, results, summary
from aistack.kinds import CONFIG_MAP, POLICY_REPORT, REPORT, Kind, Manifest
from aistack.observed import digest
from aistack.render.metadata import metadata
from aistack.resolved import ResolvedStack, StackRef

COMPONENT = "records"
MOST_BYTES = 900_000
"""Of the documents together: the API server takes ConfigMaps of 1 MiB."""
LEFT_OUT = "left-out.txt"


@dataclass(frozen=True, slots=True)
class Content:
    """What the records of a stack are made from."""

    stack: ResolvedStack
    verdict: Verdict
    estimated: Estimate
    break_evens: Sequence[BreakEven]
    runs: bool
    """Whether it is what runs; what is refused has a report alone."""

    @property
    def ref(self) -> StackRef:
        return self.stack.ref

    @property
    def title(self) -> str:
        return f"{self.ref.namespace}/{self.ref.name}"

    @property
    def costs(self) -> Manifest:
        return cost_report(self.title, self.estimated, self.break_evens, ())

    @property
    def digest(self) -> str:
        """The same as long as the records say the same."""
        kind = report_kind(self.stack)
        declared = [each.dump() for each in self.stack.spec.governance.evidence]
        found = [kind.kind if kind else "", results(self.verdict), declared]
        return digest([__version__, self.runs, *found, self.costs, diagram(self.stack)])


def report_kind(stack: ResolvedStack) -> Kind | None:
    """The kind of report that the cluster has; the older one only where the newer is missing."""
    abilities = stack.gateway.abilities
    if abilities.open_reports:
        return REPORT
    return POLICY_REPORT if abilities.policy_reports else None


def config_map_name(stack: StackRef) -> str:
    return f"{stack.name}-records"


def records(content: Content, since: datetime) -> tuple[Manifest, ...]:
    """The objects; none where no policy is about the stack. `since` (UTC) is when they began to say this."""
    if not content.verdict.results:
        return ()
    kind = report_kind(content.stack)
    report = [_report(content, kind, since)] if kind else []
    documents = [_config_map(content, since)] if content.runs else []
    return (*report, *documents)


def _report(content: Content, kind: Kind, since: datetime) -> Manifest:
    ref = content.ref
    report = {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": metadata(ref, COMPONENT, COMPONENT, ref.name),
        "scope": {
            "apiVersion": API_VERSION,
            "kind": "AIStack",
            "namespace": ref.namespace,
            "name": ref.name,
            "uid": ref.uid,
        },
        "summary": summary(content.verdict),
        "results": dated(results(content.verdict), since),
    }
    return {**report, "source": SOURCE} if kind is REPORT else report


def _config_map(content: Content, since: datetime) -> Manifest:
    return {
        "apiVersion": CONFIG_MAP.api_version,
        "kind": CONFIG_MAP.kind,
        "metadata": metadata(content.ref, COMPONENT, COMPONENT, config_map_name(content.ref)),
        "data": dict(_fitting(dict(_documents(content, since)))),
    }


def _documents(content: Content, since: datetime) -> Iterator[tuple[str, str]]:
    """By name, what a reader misses most first."""
    declared = content.stack.spec.governance.evidence
    assessed = [evidence.Assessed(content.title, declared, content.verdict)]
    yield "compliance.md", evidence.markdown(assessed, since)
    yield "diagram.mmd", diagram(content.stack)
    yield "cost.json", _json(content.costs)
    yield "compliance.oscal.json", _json(evidence.oscal(assessed, since))


def _json(document: Manifest) -> str:
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()


def _fitting(documents: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Those that there is room for, and a word about the others."""
    room, missing = MOST_BYTES, []
    for name, text in documents.items():
        size = len(text.encode())
        if size <= room:
            room -= size
            yield name, text
        else:
            missing.append(f"{name} has {size:,} bytes, too many beside the others; see `aistack check`\n")
    if missing:
        yield LEFT_OUT, "".join(missing)
