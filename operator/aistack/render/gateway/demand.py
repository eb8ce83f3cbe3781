"""By which of a front's statistics it is known that somebody asks for a model that may be at zero."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from aistack.render.gateway.clusters import affine_name, attempt_name, attempts_name, target_name
from aistack.render.gateway.neutral import Choice, NeutralGateway, NeutralRoute, neutral
from aistack.render.gateway.waiting import waiting_name
from aistack.resolved import ResolvedGateway, SelfHostedModel
from aistack.units import seconds


@dataclass(frozen=True, slots=True)
class Sleeper:
    """A model that may be at zero. The names are those of a front's statistics."""

    model: str
    idle_after: float | None
    """Seconds without a request until it goes to zero; None is never."""
    under_way: frozenset[str]
    """How many requests wait for it, or are being answered by it."""
    counted: frozenset[str]
    """How many were meant for it, or reached it, since the front started: also those that another model
    answered, because this one was at zero."""


def sleepers(gateway: ResolvedGateway, unreached: Iterable[SelfHostedModel] = ()) -> tuple[Sleeper, ...]:
    """Those that some request may arrive at, and others that none may arrive at any more."""
    meant = neutral(gateway)
    return tuple(_sleeper(model, meant) for model in (*meant.sleepers, *unreached))


def _sleeper(model: SelfHostedModel, gateway: NeutralGateway) -> Sleeper:
    choices = [(route, choice) for route in gateway.routes for choice in _choices(route)]
    pools = {attempt_name(each) for _, choice in choices for each in choice.attempts if model in each}
    pools.add(target_name(model))
    pools |= {
        affine_name(model) for route, choice in choices if route.affinity and (model,) in choice.attempts
    }
    lists = {
        attempts_name(route, choice, stream=stream, affine=affine)
        for route, choice in choices
        if model in choice.asked_first
        for stream in (False, True)
        for affine in {False, bool(route.affinity)}
    }
    idle_after = model.hosted.scaling.to_zero_after
    return Sleeper(
        model=model.name,
        idle_after=seconds(idle_after) if idle_after else None,
        under_way=frozenset(f"cluster.{name}.upstream_rq_active" for name in {*pools, waiting_name(model)}),
        counted=frozenset(
            {f"cluster.{name}.upstream_rq_total" for name in pools}
            | {f"cluster.{name}.upstream_rq_completed" for name in lists}
        ),
    )


def _choices(route: NeutralRoute) -> Iterator[Choice]:
    yield from route.choices
    yield from route.long_choices
