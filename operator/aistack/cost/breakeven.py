"""From how many tokens a month a self-hosted model is cheaper than a managed one, in steps of a replica.

One more replica costs the same whether it is busy or not, so self-hosting gets cheaper towards the end of
each step and dearer at the start of the next: `from = cost of n replicas / managed price of a token`, and it
counts only as far as n replicas' capacity goes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext

from aistack.cost.assumptions import DEFAULTS, Assumed, Assumptions, capacity, throughput
from aistack.cost.charges import Charge, calls, hosting
from aistack.cost.money import EXACT, same
from aistack.cost.prices import Prices, Unknown
from aistack.resolved import ManagedModel, ResolvedModel, ResolvedStack, SelfHostedModel

BAND = Decimal("0.25")
"""A part of the tokens, to both sides: throughput, mix and prices are never known better."""
MOST_STEPS = 16
"""Steps that are looked at; those after them are like them."""


@dataclass(frozen=True, slots=True)
class Step:
    """So many replicas, and the tokens a month for which they are enough and cheaper."""

    replicas: int
    capacity: int
    """Tokens a month that they serve."""
    cheaper_from: int | None
    """None: managed is cheaper as far as they serve."""


@dataclass(frozen=True, slots=True)
class BreakEven:
    """The verdict on one self-hosted model, or why there is none."""

    model: str
    alternative: str | None = None
    """The managed model that it is compared with."""
    no_verdict: str | None = None
    """What is missing, and what to write."""
    steps: tuple[Step, ...] = ()
    throughput: Assumed | None = None

    @property
    def tokens(self) -> int | None:
        """Tokens a month, read and written together, from which self-hosting is cheaper; None: never."""
        return next((step.cheaper_from for step in self.steps if step.cheaper_from is not None), None)

    @property
    def cheaper(self) -> tuple[tuple[int, int], ...]:
        """The tokens a month, from and to, between which self-hosting is cheaper."""
        ranges: list[tuple[int, int]] = []
        for step in self.steps:
            if step.cheaper_from is None:
                continue
            if ranges and ranges[-1][1] + 1 == step.cheaper_from:
                ranges[-1] = ranges[-1][0], step.capacity
            else:
                ranges.append((step.cheaper_from, step.capacity))
        return tuple(ranges)

    @property
    def band(self) -> tuple[int, int] | None:
        """The tokens less and more a quarter."""
        if self.tokens is None:
            return None
        return int(self.tokens * (1 - BAND)), int(self.tokens * (1 + BAND))

    @property
    def capacity(self) -> int | None:
        """Tokens a month up to which the verdict holds."""
        return self.steps[-1].capacity if self.steps else None


def break_evens(
    stack: ResolvedStack, prices: Prices, assumptions: Assumptions = DEFAULTS
) -> tuple[BreakEven, ...]:
    """A verdict on each self-hosted model that shares a route with a managed one, in the spec's order."""
    with localcontext(EXACT):
        return tuple(
            _verdict(model, alternative, stack, prices, assumptions)
            for model in stack.self_hosted
            if (alternative := _alternative(model, stack))
        )


def _alternative(model: SelfHostedModel, stack: ResolvedStack) -> ManagedModel | None:
    """The first managed model that some route tries beside it."""
    for route in stack.gateway.routes:
        members: list[ResolvedModel] = [each for way in route.ways for each in way.models]
        if model.name in (each.name for each in members):
            for each in members:
                if isinstance(each, ManagedModel):
                    return each
    return None


def _verdict(
    model: SelfHostedModel,
    alternative: ManagedModel,
    stack: ResolvedStack,
    prices: Prices,
    assumptions: Assumptions,
) -> BreakEven:
    traffic, one = stack.spec.traffic, capacity(model, assumptions)
    if traffic is None or not traffic.input_tokens + traffic.output_tokens:
        return BreakEven(model.name, alternative.name, "write spec.traffic: the mix of tokens is unknown")
    if one is None:
        where = f"spec.models[{model.name}].selfHosted.tokensPerSecond"
        return BreakEven(model.name, alternative.name, f"write {where}: its throughput is unknown")
    request = list(calls(alternative, same(Decimal(1)), traffic, prices, assumptions))
    hosted = list(_hosted(model, model.hosted.scaling.max, prices, assumptions))
    for charge in (*request, *hosted):
        if charge.quantity.max and isinstance(charge.price, Unknown):
            return BreakEven(model.name, alternative.name, charge.price.what)
    price_of_token = _sum(request) / (traffic.input_tokens + traffic.output_tokens)
    scaling = model.hosted.scaling
    first = max(1, scaling.min)
    return BreakEven(
        model.name,
        alternative.name,
        steps=tuple(
            _step(count, _sum(_hosted(model, count, prices, assumptions)), price_of_token, one, first)
            for count in range(first, min(scaling.max, first + MOST_STEPS - 1) + 1)
        ),
        throughput=throughput(model, assumptions),
    )


def _step(replicas: int, cost: Decimal, price_of_token: Decimal, one: Decimal, first: int) -> Step:
    """A step begins where one replica less isn't enough."""
    most = int((one * replicas).to_integral_value(ROUND_FLOOR))
    if not price_of_token:
        return Step(replicas, most, None)
    begins = 0 if replicas == first else int((one * (replicas - 1)).to_integral_value(ROUND_FLOOR)) + 1
    cheaper = max(begins, int((cost / price_of_token).to_integral_value(ROUND_CEILING)))
    return Step(replicas, most, cheaper if cheaper <= most else None)


def _hosted(
    model: SelfHostedModel, replicas: int, prices: Prices, assumptions: Assumptions
) -> Iterator[Charge]:
    return hosting(model, same(replicas), prices, assumptions)


def _sum(charges: Iterable[Charge]) -> Decimal:
    """Of charges whose quantity isn't zero; all of them have a price."""
    return sum((charge.amount.expected for charge in charges if charge.amount), Decimal(0))
