"""How long answers take, by route and target, as the gateway's replicas count it."""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from aistack.exposition import labels

ENOUGH = 10
"""Answers of a target from which on their mean says something."""
MOST_LINES = 40_000
"""Of one replica: what is beyond is not read. It counts by declared names only."""

_LINE = re.compile(r"^aistack_request_milliseconds_(sum|count)\{(.*)\} ([0-9.e+]+)$", re.MULTILINE)


class Timing(NamedTuple):
    """Requests, and the milliseconds that all of them took together."""

    milliseconds: float = 0.0
    requests: float = 0.0


Timings = Mapping[tuple[str, str], Timing]
"""By route and target."""


def read_timings(text: str) -> Timings:
    """Those in a replica's metrics, over all clients, since it was started. ValueError for a bad number."""
    found: dict[tuple[str, str], Timing] = {}
    for sort, written, value in _LINE.findall(text)[:MOST_LINES]:
        named = labels(written)
        key = named.get("route", ""), named.get("target", "")
        one = Timing(milliseconds=float(value)) if sort == "sum" else Timing(requests=float(value))
        found[key] = _plus(found.get(key, Timing()), one)
    return found


def between(before: Timings, now: Timings) -> Timings:
    """What came since `before`; who counts fewer requests than before has begun again."""
    grown = {key: _minus(timing, before.get(key, Timing())) for key, timing in now.items()}
    return {key: now[key] if timing.requests < 0 else timing for key, timing in grown.items()}


def together(several: Iterable[Timings]) -> dict[tuple[str, str], Timing]:
    found: dict[tuple[str, str], Timing] = {}
    for timings in several:
        for key, timing in timings.items():
            found[key] = _plus(found.get(key, Timing()), timing)
    return found


def means(timings: Timings, route: str, targets: Iterable[str]) -> dict[str, float]:
    """The mean milliseconds of each target of a route that has answered often enough."""
    found = {target: timings.get((route, target), Timing()) for target in targets}
    return {
        target: timing.milliseconds / timing.requests
        for target, timing in found.items()
        if timing.requests >= ENOUGH
    }


def _plus(one: Timing, other: Timing) -> Timing:
    return Timing(one.milliseconds + other.milliseconds, one.requests + other.requests)


def _minus(one: Timing, other: Timing) -> Timing:
    return Timing(one.milliseconds - other.milliseconds, one.requests - other.requests)
