"""Semantic versions, ordered as semver.org says (2.0.0, item 11)."""

import re
from dataclasses import dataclass
from functools import total_ordering

_NUMBER = r"(0|[1-9][0-9]*)"
_IDENTIFIER = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_BUILD = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_VERSION = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?(?:\+{_BUILD})?", re.ASCII
)


@total_ordering
@dataclass(frozen=True, slots=True)
class Identifier:
    """One part of a pre-release: numbers come before words."""

    text: str

    @property
    def _order(self) -> tuple[bool, int, str]:
        return (False, int(self.text), "") if self.text.isdigit() else (True, 0, self.text)

    def __lt__(self, other: "Identifier") -> bool:
        return self._order < other._order


@dataclass(frozen=True, slots=True)
class Version:
    """Without its build, which says nothing about the order."""

    major: int
    minor: int
    patch: int
    pre_release: tuple[Identifier, ...] = ()

    def __str__(self) -> str:
        pre_release = ".".join(each.text for each in self.pre_release)
        return f"{self.major}.{self.minor}.{self.patch}" + (f"-{pre_release}" if pre_release else "")

    def compare(self, other: "Version") -> int:
        """-1, 0 or 1."""
        mine, theirs = self._order, other._order
        return (mine > theirs) - (mine < theirs)

    @property
    def _order(self) -> tuple[int, int, int, bool, tuple[Identifier, ...]]:
        """A pre-release comes before its release."""
        return (self.major, self.minor, self.patch, not self.pre_release, self.pre_release)


def parse_version(text: str, *, normalize: bool) -> Version:
    """`1.2.3-rc.1+build`; with `normalize` also `v1`, `1.2` and `01.02.03`. ValueError for anything else."""
    match = _VERSION.fullmatch(_normalized(text) if normalize else text)
    if not match:
        raise ValueError(f"{text!r} is no semantic version")
    identifiers = tuple(Identifier(each) for each in match[4].split(".")) if match[4] else ()
    return Version(int(match[1]), int(match[2]), int(match[3]), identifiers)


def _normalized(text: str) -> str:
    numbers = [re.sub(r"^0+(?=[0-9])", "", part) for part in text.removeprefix("v").split(".", 2)]
    return ".".join([*numbers, "0", "0"][: max(3, len(numbers))])
