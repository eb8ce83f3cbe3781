"""From policies, exceptions and a stack to a verdict.

No policy is evaluated yet: the step passes every stack on, and the status says nothing about policies.
"""

from dataclasses import dataclass

from aistack.problem import Problem
from aistack.resolve import ResolvedStack


@dataclass(frozen=True, slots=True)
class Verdict:
    """What policies say of a stack: `denials` keep it from running, `warnings` don't."""

    denials: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


def evaluate(_stack: ResolvedStack) -> Verdict:
    """The verdict on a stack."""
    return Verdict()
