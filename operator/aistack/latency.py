"""How long answers take, by route and target, as the gateway's replicas count it."""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from aistack.exposition import labels

ENOUGH = 100
"""Answers of a target from which on their mean says something."""
MOST = 10_000
"""Answers of a route that are gathered: what came before counts less and less."""
MOST_LINES = 40_000
"""Of one replica: what is beyond is not read. It counts by declared names only."""

_LINE = re.compile(r"^aistack_answer_milliseconds_(sum|count)\{(.*)\} ([0-9.e+]+)$", re.MULTILINE)


class Timing(NamedTuple):
    """Answers, and the milliseconds that all of them took together."""

    milliseconds: float = 0.0
    answers: float = 0.0

    @property
    def mean(self) -> float:
        """Milliseconds, of one answer or more."""
        return self.milliseconds / self.answers


Timings = Mapping[tuple[str, str], Timing]
"""By route and target."""


def read_timings(text: str) -> Timings:
    """Those in a replica's metrics, since it was started. ValueError for a bad number."""
    found: dict[tuple[str, str], Timing] = {}
    for sort, written, value in _LINE.findall(text)[:MOST_LINES]:
        named = labels(written)
        key = named.get("route", ""), named.get("target", "")
        one = Timing(milliseconds=float(value)) if sort == "sum" else Timing(answers=float(value))
        found[key] = _plus(found.get(key, Timing()), one)
    return found


def between(before: Timings, now: Timings) -> Timings:
    """What came since `before`; who counts fewer answers than before has begun again."""
    grown = {key: _minus(timing, before.get(key, Timing())) for key, timing in now.items()}
    return {key: now[key] if timing.answers < 0 else timing for key, timing in grown.items()}


def together(several: Iterable[Timings]) -> dict[tuple[str, str], Timing]:
    found: dict[tuple[str, str], Timing] = {}
    for timings in several:
        for key, timing in timings.items():
            found[key] = _plus(found.get(key, Timing()), timing)
    return found


def faded(timings: Timings) -> dict[tuple[str, str], Timing]:
    """With no more than MOST answers of each route, of the same means."""
    answers: dict[str, float] = {}
    for (route, _), timing in timings.items():
        answers[route] = answers.get(route, 0) + timing.answers
    parts = {route: min(1.0, MOST / count) if count else 1.0 for route, count in answers.items()}
    return {
        key: Timing(parts[key[0]] * timing.milliseconds, parts[key[0]] * timing.answers)
        for key, timing in timings.items()
    }


def measured(timings: Timings, route: str, targets: Iterable[str]) -> dict[str, Timing]:
    """By target, of those that have answered often enough."""
    found = {target: timings.get((route, target), Timing()) for target in targets}
    return {target: timing for target, timing in found.items() if timing.answers >= ENOUGH}


def _plus(one: Timing, other: Timing) -> Timing:
    return Timing(one.milliseconds + other.milliseconds, one.answers + other.answers)


def _minus(one: Timing, other: Timing) -> Timing:
    return Timing(one.milliseconds - other.milliseconds, one.answers - other.answers)
