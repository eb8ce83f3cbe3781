"""How many requests come to each model, and how many replicas they need."""

from collections.abc import Iterator, Mapping
from decimal import ROUND_CEILING, Decimal
from itertools import product

from aistack.cost.assumptions import Assumptions, capacity
from aistack.cost.money import Range
from aistack.resolved import ResolvedRoute, ResolvedStack, SelfHostedModel, Way

Requests = Mapping[str, Range[Decimal]]
"""Requests a month that reach each model, by its name."""
NOTHING = Decimal(0)


def requests(stack: ResolvedStack, assumptions: Assumptions) -> Requests | None:
    """What the declared traffic brings to each model; None where none is declared.

    It is divided equally over the routes that it is meant for. Where a route has a cache, its hits reach no
    model; of the rest a part is too long for the targets, the others go by weight, and of what a model is
    sent a part falls back to the next one. A model's least and most are those at the extremes of all three
    parts: nothing, or the most.
    """
    if stack.spec.suspend:
        return {}
    traffic = stack.spec.traffic
    if traffic is None:
        return None
    arriving, hits = Decimal(traffic.requests_per_month), Decimal(str(traffic.cache_hit_ratio))
    routes = _meant_for(stack.gateway.routes)
    falls_back, too_long = assumptions.falls_back.value, assumptions.too_long.value
    expected = _shares(routes, hits, falls_back, too_long)
    extremes = [
        _shares(routes, *parts)
        for parts in product(
            {NOTHING, hits},
            (NOTHING, max(falls_back, assumptions.falls_back_at_most.value)),
            (NOTHING, max(too_long, assumptions.too_long_at_most.value))
            if any(route.long_way for route in routes)
            else (NOTHING,),
        )
    ]
    return {
        name: Range(
            arriving * min(share, *(each[name] for each in extremes)),
            arriving * share,
            arriving * max(share, *(each[name] for each in extremes)),
        )
        for name, share in expected.items()
    }


def questions(stack: ResolvedStack) -> Requests:
    """The questions a month that each model embeds, so that similar ones are found: none where all are the
    same as earlier ones, at most all of the route.
    """
    traffic = stack.spec.traffic
    if stack.spec.suspend or traffic is None:
        return {}
    routes, found = _meant_for(stack.gateway.routes), dict[str, Decimal]()
    for embedding in (route.embedding for route in routes if route.embedding):
        of_a_route = Decimal(traffic.requests_per_month) / len(routes)
        found[embedding.name] = found.get(embedding.name, NOTHING) + of_a_route
    return {name: Range(NOTHING, count, count) for name, count in found.items()}


def _meant_for(routes: tuple[ResolvedRoute, ...]) -> tuple[ResolvedRoute, ...]:
    """The routes that spec.traffic speaks of: those of chat models; all of them where there are none."""
    chats = tuple(route for route in routes if route.targets[0].model.spec.task == "chat")
    return chats or routes


def _shares(
    routes: tuple[ResolvedRoute, ...], hits: Decimal, falls_back: Decimal, too_long: Decimal
) -> dict[str, Decimal]:
    """Each model's part of all requests; with the hits of caches they are 1."""
    shares: dict[str, Decimal] = {}
    for route in routes:
        missed = 1 - hits if route.is_cached else Decimal(1)
        for name, part in _of_route(route, falls_back, too_long):
            shares[name] = shares.get(name, NOTHING) + part * missed / len(routes)
    return shares


def _of_route(route: ResolvedRoute, falls_back: Decimal, too_long: Decimal) -> Iterator[tuple[str, Decimal]]:
    fitting = Decimal(1)
    if route.long_way:
        fitting -= too_long
        yield from _of_way(route.long_way, too_long, falls_back)
    weights = sum(way.weight for way in route.ways)
    for way in route.ways:
        yield from _of_way(way, fitting * way.weight / weights, falls_back)


def _of_way(way: Way, arriving: Decimal, falls_back: Decimal) -> Iterator[tuple[str, Decimal]]:
    """The last model that is tried keeps all that comes to it."""
    *earlier, last = way.models
    for model in earlier:
        yield model.name, arriving * (1 - falls_back)
        arriving *= falls_back
    yield last.name, arriving


def replicas(
    model: SelfHostedModel, coming: Requests | None, stack: ResolvedStack, assumptions: Assumptions
) -> Range[int]:
    """The replicas that the spec allows, and those among them that the expected requests need.

    A model to which the traffic doesn't come runs at its least. Where it does and the throughput is unknown,
    nobody can say how many replicas it needs: then it is counted at the most.
    """
    low, high = model.replicas.min, model.replicas.max
    if coming is None or model.name not in coming:
        return Range(low, low, high)
    needed = replicas_needed(model, coming, stack, assumptions)
    return Range(low, high if needed is None else min(max(low, needed), high), high)


def shortages(stack: ResolvedStack, assumptions: Assumptions) -> Iterator[tuple[SelfHostedModel, int | None]]:
    """The models that the expected requests need more replicas of than there may be, and how many they need;
    None where that can't be known. Where what they can't serve goes, no estimate says.
    """
    coming = requests(stack, assumptions) or {}
    for model in stack.self_hosted:
        if model.name in coming:
            needed = replicas_needed(model, coming, stack, assumptions)
            if needed is None or needed > model.replicas.max:
                yield model, needed


def replicas_needed(
    model: SelfHostedModel, coming: Requests, stack: ResolvedStack, assumptions: Assumptions
) -> int | None:
    """Whole replicas for the expected requests, whatever the spec allows; None when that can't be known."""
    one = capacity(model, assumptions)
    traffic = stack.spec.traffic
    if one is None or traffic is None:
        return None
    tokens = coming[model.name].expected * (traffic.input_tokens + traffic.output_tokens)
    return int((tokens / one).to_integral_value(ROUND_CEILING))
