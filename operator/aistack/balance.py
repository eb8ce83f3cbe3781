"""Routes of the strategy lowestLatency: their shares follow what the answers of their targets take, slowly.

The shares are kept in the stack's status, so that they go on where they were after a restart.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from aistack.api.stack import RouteStatus, TargetShare
from aistack.latency import Timing
from aistack.observed import Latency
from aistack.resolved import ResolvedRoute, ResolvedStack
from aistack.units import timestamp

LEAST = 5
"""Percent that every target keeps, so that it goes on being measured."""
STEP = 10
"""Percentage points that a target's share may change at once."""
WORTH = 5
"""Percentage points that a share must be away from where it belongs: less is no change worth a write."""
SURE = 3
"""Standard errors of where it belongs that it must be away, too: less may be chance."""
SPREAD = 1.3
"""The standard deviation of an answer's time, in means of it: that of a lognormal time with sigma 1."""

Shares = Mapping[str, int]
"""Percent by the model's name, 100 together."""


def moved(shares: Shares, timings: Mapping[str, Timing]) -> Shares:
    """The next shares. What was not measured keeps its own.

    A target gets requests in inverse proportion to the square of what its answers take: one that is twice as
    slow gets a quarter of them. The mean falls faster so than in plain proportion, and two that are alike
    share alike, which the fastest alone would not let them.
    """
    measured = {model: timings[model] for model in shares if model in timings}
    total = sum(shares[model] for model in measured)
    speeds = {model: 1 / max(timing.mean, 0.001) ** 2 for model, timing in measured.items()}
    wanted, errors = _divided(total, speeds), _errors(total, speeds, measured)
    away = {model: abs(wanted[model] - shares[model]) for model in measured}
    if all(away[model] < max(WORTH, SURE * errors[model]) for model in measured):
        return shares
    part = min(1, STEP / max(away.values()))
    exact = {model: shares[model] + part * (wanted[model] - shares[model]) for model in measured}
    return {**shares, **_rounded(total, exact)}


def declared(route: ResolvedRoute) -> Shares:
    """Where it begins: in proportion to the weights that are written."""
    return _rounded(
        100, _divided(100, {each.model.name: each.weight for each in route.targets if each.weight})
    )


def balanced(
    stack: ResolvedStack, before: Sequence[RouteStatus], latencies: Mapping[str, Latency], now: datetime
) -> tuple[RouteStatus, ...]:
    """The routes that are to be balanced, with the shares of their targets. `now` is UTC.

    A latency counts once: it is newer than the shares that it moves.
    """
    return tuple(
        _next(_row(route, before) or _fresh(route, now), latencies.get(route.name))
        for route in _balanced_routes(stack)
    )


def shared_out(stack: ResolvedStack, rows: Sequence[RouteStatus]) -> ResolvedStack:
    """The stack with the shares of its status as the weights of its routes."""
    if not any(_balanced_routes(stack)):
        return stack
    routes = tuple(_weighted(route, rows) for route in stack.gateway.routes)
    return replace(stack, gateway=replace(stack.gateway, routes=routes))


def _balanced_routes(stack: ResolvedStack) -> Iterator[ResolvedRoute]:
    return (route for route in stack.gateway.routes if route.spec.strategy == "lowestLatency")


def _row(route: ResolvedRoute, rows: Sequence[RouteStatus]) -> RouteStatus | None:
    """None where the route has other targets by now."""
    models = {each.model.name for each in route.targets if each.weight}
    named = (row for row in rows if row.name == route.name)
    return next((row for row in named if {each.model for each in row.targets} == models), None)


def _fresh(route: ResolvedRoute, now: datetime) -> RouteStatus:
    targets = tuple(TargetShare(model=model, percent=share) for model, share in declared(route).items())
    return RouteStatus(name=route.name, targets=targets, since=timestamp(now))


def _next(row: RouteStatus, latency: Latency | None) -> RouteStatus:
    if latency is None or timestamp(latency.at) <= row.since:
        return row
    before = {each.model: each.percent for each in row.targets}
    after, took = moved(before, latency.timings), latency.timings
    if after == before:
        return row
    targets = tuple(
        TargetShare(
            model=model, percent=share, milliseconds=round(took[model].mean) if model in took else None
        )
        for model, share in after.items()
    )
    return RouteStatus(name=row.name, targets=targets, since=timestamp(latency.at))


def _weighted(route: ResolvedRoute, rows: Sequence[RouteStatus]) -> ResolvedRoute:
    if route.spec.strategy != "lowestLatency":
        return route
    row = _row(route, rows)
    shares = {each.model: each.percent for each in row.targets} if row else declared(route)
    targets = (replace(each, weight=shares.get(each.model.name, 0)) for each in route.targets)
    return replace(route, targets=tuple(targets))


def _divided(total: float, parts: Mapping[str, float]) -> dict[str, float]:
    """`total` in proportion to `parts`, but none less than LEAST, as far as it goes."""
    small: set[str] = set()
    while True:
        large = {model: part for model, part in parts.items() if model not in small}
        rest, whole = total - LEAST * len(small), sum(large.values())
        divided = {model: rest * part / whole for model, part in large.items()}
        below = {model for model, share in divided.items() if share < LEAST}
        if not below or below == large.keys():
            return {model: divided.get(model, LEAST) for model in parts}
        small |= below


def _errors(total: float, speeds: Mapping[str, float], timings: Mapping[str, Timing]) -> dict[str, float]:
    """The standard errors of the parts of `total` in proportion to `speeds`, to the first order in those of
    the means: a part p of speeds that go with the square of the time changes by 2p(1 - p) of its own mean's
    relative error, and by 2pq of that of another one with the part q.
    """
    whole = sum(speeds.values())
    parts = {model: speed / whole for model, speed in speeds.items()}
    relative = {model: SPREAD / math.sqrt(timing.answers) for model, timing in timings.items()}
    return {
        model: 2
        * total
        * part
        * math.hypot(*(((other == model) - parts[other]) * relative[other] for other in parts))
        for model, part in parts.items()
    }


def _rounded(total: int, exact: Mapping[str, float]) -> dict[str, int]:
    """In whole percent, of the same sum: the largest fractions are rounded up."""
    floors = {model: int(share) for model, share in exact.items()}
    left = total - sum(floors.values())
    up = sorted(exact, key=lambda model: floors[model] - exact[model])[:left]
    return {model: floor + (model in up) for model, floor in floors.items()}
