"""A problem is a value: what in a spec can't be served, and what to write instead."""

from collections.abc import Iterable
from dataclasses import dataclass

from aistack.api import Reason


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a spec that can't be served: where, which sort, and what to write instead."""

    path: str
    reason: Reason
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


def instead(known: Iterable[str], otherwise: str) -> str:
    """The end of a message about an unknown name: the names there are, or what to do without any."""
    names = sorted(known)
    return f"write one of {', '.join(names)}" if names else otherwise
