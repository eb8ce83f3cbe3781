"""Budgets and policies of which this version can't tell what they ask: nothing new runs under them.

They were written under a newer CRD, or before a field went. To take one for absent would let run what it
forbids.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from aistack.api import Reason
from aistack.api.base import LabelSelector, Metadata
from aistack.govern.matching import selects
from aistack.kinds import AIBUDGET, AIPOLICY, Manifest
from aistack.problem import Problem

GUARDS = {AIBUDGET.kind: "selector", AIPOLICY.kind: "match"}
"""The kinds that forbid something, and the field of the spec that says to whom."""
MOST_NAMED = 3
"""Problems of one object that are named; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A budget or a policy, and the stacks that it may be about: all, where even that can't be read."""

    kind: str
    metadata: Metadata
    problems: tuple[str, ...]
    namespaces: LabelSelector
    stacks: LabelSelector

    def concerns(self, stack: Metadata, namespace_labels: Mapping[str, str]) -> bool:
        return selects(self.namespaces, namespace_labels) and selects(self.stacks, stack.labels)

    @property
    def problem(self) -> Problem:
        """Why nothing new runs under it, and what to do."""
        more = len(self.problems) - MOST_NAMED
        named = "; ".join(self.problems[:MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")
        told = (
            f"{self.kind} {self.metadata.name} can't be read by this version of the operator, so nothing new "
            f"runs under it: {named}; correct it, or run the version that it was written for"
        )
        return Problem("spec", Reason.UNREADABLE, told)


def unreadable(manifest: Manifest, problems: Sequence[str]) -> Unreadable:
    """`manifest` is the object as it is stored, `problems` are a line each."""
    chosen = manifest.get("spec", {}).get(GUARDS[manifest["kind"]], {})
    return Unreadable(
        kind=manifest["kind"],
        metadata=Metadata.read(manifest["metadata"]),
        problems=tuple(problems),
        namespaces=_selector(chosen, "namespaceSelector"),
        stacks=_selector(chosen, "stackSelector"),
    )


def _selector(chosen: Manifest, name: str) -> LabelSelector:
    try:
        return LabelSelector.parse(chosen.get(name, {}))
    except (ValidationError, AttributeError):
        return LabelSelector()
