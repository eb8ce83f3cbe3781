"""What an estimate takes for granted: each number with where it is from."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from aistack.api.retrieval import Traffic
from aistack.api.stack import MeasuredThroughput
from aistack.observed import digest
from aistack.resolved import ManagedModel, ResolvedStack, SelfHostedModel

HOURS = Decimal(730)
"""A month: 365 days of 24 hours over 12, as clouds' calculators have it."""
SECONDS = HOURS * 3600


class Provenance(StrEnum):
    """Where a number is from: what the spec says comes first."""

    DECLARED = "declared"
    MEASURED = "measured"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Assumed:
    """A number, where it is from, and why it is that."""

    value: Decimal
    provenance: Provenance
    why: str


def declared(value: float | str, where: str) -> Assumed:
    """What the spec says; `where` is the field."""
    return Assumed(Decimal(str(value)), Provenance.DECLARED, where)


def default(value: str, why: str) -> Assumed:
    return Assumed(Decimal(value), Provenance.DEFAULT, why)


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What no price list and no replica count says; shares are from 0 to 1."""

    throughput: Mapping[str, Assumed]
    """By model: tokens a second, read and written together, that one replica has served under full load."""
    utilisation: Assumed
    """The part of that throughput that is used on average; above 0."""
    cached_input: Assumed
    """The part of a managed model's input tokens that the provider has in its cache."""
    falls_back: Assumed
    """The part of the requests that a model hands on to the next one."""
    falls_back_at_most: Assumed
    """The same in a bad month."""
    too_long: Assumed
    """The part of a route's requests that is too long for its targets' context."""
    too_long_at_most: Assumed
    """The same in a bad month."""
    interruption: Assumed
    """The part of spot hours that is lost and run again."""
    bytes_a_token: Assumed
    """Bytes of a token that is sent out of the cluster."""


DEFAULTS = Assumptions(
    throughput={},
    utilisation=default("0.6", "leaves room for peaks"),
    cached_input=default("0", "no provider's cache is counted on"),
    falls_back=default("0.01", "1 request in 100"),
    falls_back_at_most=default("0.1", "1 request in 10, for the maximum"),
    too_long=default("0.01", "1 request in 100"),
    too_long_at_most=default("0.1", "1 request in 10, for the maximum"),
    interruption=default("0.05", "the lowest band of AWS's Spot Instance Advisor is below 5 %"),
    bytes_a_token=default("4", "about four characters of English, by OpenAI's rule of thumb"),
)
"""What is taken for granted until somebody measures it: `replace(DEFAULTS, cached_input=measured)`."""
SPEED = {"source", "revision", "runtime", "accelerator", "parallelism", "adapters", "resources"}
"""The fields of a self-hosted model by which a replica is faster or slower."""


def measured(stack: ResolvedStack, rows: Iterable[MeasuredThroughput]) -> Assumptions:
    """The defaults, with what replicas as those of the stack have served; what others have says nothing."""
    said = {row.model: row for row in rows}
    known = {
        model.name: _served(row)
        for model in stack.self_hosted
        if (row := said.get(model.name)) and row.replica == replica_digest(model)
    }
    return replace(DEFAULTS, throughput=known) if known else DEFAULTS


def _served(row: MeasuredThroughput) -> Assumed:
    why = f"by vLLM, the median while requests waited, since {row.since}"
    return Assumed(Decimal(row.tokens_per_second), Provenance.MEASURED, why)


def replica_digest(model: SelfHostedModel) -> str:
    """The same for replicas that are equally fast: weights, vLLM, accelerators and what it is told."""
    declared = model.hosted.model_dump(mode="json", include=SPEED, exclude_defaults=True)
    return digest([declared, model.version, model.spec.context_window])


def throughput(model: SelfHostedModel, assumptions: Assumptions) -> Assumed | None:
    """Tokens a second that one replica of the model serves; None is unknown."""
    if model.hosted.tokens_per_second is None:
        return assumptions.throughput.get(model.name)
    return declared(model.hosted.tokens_per_second, f"{_path(model)}.tokensPerSecond")


def capacity(model: SelfHostedModel, assumptions: Assumptions) -> Decimal | None:
    """Tokens a month that one replica serves: throughput x utilisation x 2.628e6 seconds; None is unknown."""
    known = throughput(model, assumptions)
    return known.value * assumptions.utilisation.value * SECONDS if known else None


def used(stack: ResolvedStack, assumptions: Assumptions) -> Iterator[tuple[str, Assumed]]:
    """The numbers that this stack's estimate stands on, by name."""
    if traffic := stack.spec.traffic:
        yield "requests a month", declared(traffic.requests_per_month, "spec.traffic.requestsPerMonth")
        yield "input tokens", declared(traffic.input_tokens, "spec.traffic.inputTokens")
        yield "output tokens", declared(traffic.output_tokens, "spec.traffic.outputTokens")
        yield "cache hits", _cache_hits(stack, traffic)
        yield from _of_traffic(stack, assumptions)
    for each in stack.managed:
        if limit := each.managed.monthly_limit:
            yield (
                f"{each.name}: at most",
                declared(limit.amount, f"spec.models[{each.name}].managed.monthlyLimit"),
            )
    for model in stack.self_hosted:
        if model.hosted.spot.share:
            yield "interruption", assumptions.interruption
            break


def _of_traffic(stack: ResolvedStack, assumptions: Assumptions) -> Iterator[tuple[str, Assumed]]:
    reached = {model.name for model in stack.gateway.reached}
    if any(len(way.models) > 1 for route in stack.gateway.routes for way in route.ways):
        yield "falls back", assumptions.falls_back
        yield "falls back at most", assumptions.falls_back_at_most
    if any(route.long_way for route in stack.gateway.routes):
        yield "too long", assumptions.too_long
        yield "too long at most", assumptions.too_long_at_most
    known = {model.name: throughput(model, assumptions) for model in stack.self_hosted}
    for name, value in known.items():
        if value:
            yield f"{name}: tokens a second", value
    if any(known.values()):
        yield "utilisation", assumptions.utilisation
    if any(isinstance(model, ManagedModel) and model.name in reached for model in stack.models):
        yield "cached input", assumptions.cached_input
        yield "bytes a token", assumptions.bytes_a_token
    elif stack.spec.gateway.expose.type != "ClusterIP":
        yield "bytes a token", assumptions.bytes_a_token


def _cache_hits(stack: ResolvedStack, traffic: Traffic) -> Assumed:
    if not any(route.is_cached for route in stack.gateway.routes):
        return default("0", "no route has a cache")
    if traffic.cache_hit_ratio:
        return declared(traffic.cache_hit_ratio, "spec.traffic.cacheHitRatio; none for the maximum")
    return default("0", "no cache of answers is counted on")


def _path(model: SelfHostedModel) -> str:
    return f"spec.models[{model.name}].selfHosted"
