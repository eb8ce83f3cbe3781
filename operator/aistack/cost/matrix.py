"""What the alternatives of a stack would cost at other volumes: as it is, all managed, all self-hosted."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from enum import StrEnum

from aistack.cost import demand
from aistack.cost.assumptions import DEFAULTS, Assumptions
from aistack.cost.estimate import Estimate, estimate
from aistack.cost.limits import holding_limit
from aistack.cost.money import EXACT, micro_units
from aistack.cost.prices import Prices
from aistack.resolved import (
    ManagedModel,
    ResolvedModel,
    ResolvedRoute,
    ResolvedStack,
    SelfHostedModel,
    WeightedTarget,
)

VOLUMES = (Decimal("0.1"), Decimal(1), Decimal(10))
"""Times the declared requests."""


class Alternative(StrEnum):
    AS_IS = "as is"
    ALL_MANAGED = "all managed"
    ALL_SELF_HOSTED = "all self-hosted"


KEPT: dict[Alternative, type[ResolvedModel]] = {
    Alternative.ALL_MANAGED: ManagedModel,
    Alternative.ALL_SELF_HOSTED: SelfHostedModel,
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One alternative at one volume."""

    alternative: Alternative
    volume: Decimal
    estimate: Estimate
    remarks: tuple[str, ...] = ()
    """What the number doesn't say: a model that stays, an unknown throughput, replicas that are too few."""
    too_few: bool = False
    """Some model needs more replicas than it may have, or nobody knows whether it does."""

    @property
    def is_lower_bound(self) -> bool:
        """It would cost more: a price is missing, or replicas are."""
        return self.too_few or bool(self.estimate.unknown)


def matrix(stack: ResolvedStack, prices: Prices, assumptions: Assumptions = DEFAULTS) -> tuple[Cell, ...]:
    """Every alternative at every volume, served whole though a monthlyLimit would stop it; none without
    traffic, for there is nothing to multiply."""
    if stack.spec.traffic is None or stack.spec.suspend:
        return ()
    others = {kind: _alternative(stack, kept) for kind, kept in KEPT.items()}
    alternatives = {Alternative.AS_IS: stack} | {kind: each for kind, each in others.items() if each}
    return tuple(
        _cell(kind, volume, _at(each, volume), prices, assumptions)
        for kind, each in alternatives.items()
        for volume in VOLUMES
    )


def _cell(
    kind: Alternative, volume: Decimal, stack: ResolvedStack, prices: Prices, assumptions: Assumptions
) -> Cell:
    with localcontext(EXACT):
        shortages = tuple(_shortages(stack, assumptions))
    estimated = estimate(_unlimited(stack), prices, assumptions)
    remarks = (*_staying(kind, stack), *shortages, *_stopping(stack, estimated, prices))
    return Cell(kind, volume, estimated, remarks, too_few=bool(shortages))


def _unlimited(stack: ResolvedStack) -> ResolvedStack:
    return replace(stack, models=tuple(map(_without_limit, stack.models)))


def _without_limit(model: ResolvedModel) -> ResolvedModel:
    if isinstance(model, SelfHostedModel):
        return model
    return replace(model, managed=model.managed.model_copy(update={"monthly_limit": None}))


def _stopping(stack: ResolvedStack, estimated: Estimate, prices: Prices) -> Iterator[str]:
    for model in stack.managed:
        limit, cost = holding_limit(model, prices), estimated.components.get(f"model/{model.name}")
        if limit is not None and cost and cost.expected > micro_units(limit):
            yield f"{model.name} would stop at its monthlyLimit of {limit}"


def _at(stack: ResolvedStack, volume: Decimal) -> ResolvedStack:
    if stack.spec.traffic is None:
        return stack
    requests = int(stack.spec.traffic.requests_per_month * volume)
    traffic = stack.spec.traffic.model_copy(update={"requests_per_month": requests})
    return replace(stack, spec=stack.spec.model_copy(update={"traffic": traffic}))


def _alternative(stack: ResolvedStack, kept: type[ResolvedModel]) -> ResolvedStack | None:
    """The stack with models of one sort only, but for those whose task none of them does.

    None where the stack has no model of the sort, for which one it would be is not for us to guess, and where
    it has no others.
    """
    of_the_sort = [model for model in stack.models if isinstance(model, kept)]
    if len(of_the_sort) in {0, len(stack.models)}:
        return None
    tasks = {model.spec.task for model in of_the_sort}
    models = tuple(m for m in stack.models if isinstance(m, kept) or m.spec.task not in tasks)
    routes = tuple(_route(route, models) for route in stack.gateway.routes)
    return replace(stack, models=models, gateway=replace(stack.gateway, routes=routes))


def _route(route: ResolvedRoute, models: tuple[ResolvedModel, ...]) -> ResolvedRoute:
    """Its own models where it keeps a target; else its first fallback, else the stack's first of the task."""
    targets = tuple(target for target in route.targets if target.model in models and target.weight)
    fallbacks = tuple(model for model in route.fallbacks if model in models)
    long_context = tuple(model for model in route.long_context_fallbacks if model in models)
    if not targets:
        task = route.targets[0].model.spec.task
        instead = next(model for model in (*fallbacks, *models) if model.spec.task == task)
        targets = (WeightedTarget(instead, 1),)
    embedding = route.embedding
    if embedding and embedding not in models:
        embedding = next(model for model in models if model.spec.task == embedding.spec.task)
    return replace(
        route,
        targets=targets,
        fallbacks=fallbacks,
        long_context_fallbacks=long_context,
        embedding=embedding,
    )


def _staying(kind: Alternative, stack: ResolvedStack) -> Iterator[str]:
    for model in stack.models:
        if kind in KEPT and not isinstance(model, KEPT[kind]):
            yield f"{model.name} stays: no other model does {model.spec.task}"


def _shortages(stack: ResolvedStack, assumptions: Assumptions) -> Iterator[str]:
    for model, needed in demand.shortages(stack, assumptions):
        most = model.replicas.max
        if needed is None:
            yield f"{model.name} may need more than its {most} replicas: its throughput is unknown"
        else:
            yield f"{model.name} needs {needed} replicas and may have {most}"
