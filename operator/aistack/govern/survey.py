"""The facts of a stack: looked up in what its names mean, on a given day."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from aistack.api.governance import Evidence
from aistack.catalog import CPU
from aistack.govern.facts import (
    AcceleratorFact,
    BudgetFact,
    EvidenceFact,
    Facts,
    ImageFact,
    ModelFact,
    RouteFact,
)
from aistack.govern.regions import UNKNOWN, placements
from aistack.resolved import ResolvedModel, ResolvedRoute, ResolvedStack, SelfHostedModel


@dataclass(frozen=True, slots=True)
class Money:
    """What the steps that know prices and budgets found; by default nothing was looked up."""

    monthly_cost: float | None = None
    """The most that a month costs."""
    unknown_prices: tuple[str, ...] | None = None
    oldest_price: date | None = None
    retirements: Mapping[str, date] = field(default_factory=dict)
    """When the provider ends a managed model, by the model's name in the stack."""
    budgets: Mapping[str, bool] = field(default_factory=dict)
    """Whether the stack fits into each budget that counts it."""


NO_MONEY = Money()


def facts_of(stack: ResolvedStack, today: date, money: Money = NO_MONEY) -> Facts:
    """Every fact of a stack. `today` is UTC's."""
    placed = tuple(placements(stack))
    governance = stack.spec.governance
    return Facts(
        regions=tuple(dict.fromkeys(each.region for each in placed)),
        placements=placed,
        unpinned_places=tuple(_unpinned_places(stack)),
        models=tuple(map(_model, stack.models)),
        licenses=tuple(dict.fromkeys(model.spec.license or UNKNOWN for model in stack.self_hosted)),
        sources=tuple(dict.fromkeys(_sources(stack))),
        images=tuple(_images(stack)),
        exposure="cluster" if stack.spec.gateway.expose.type == "ClusterIP" else "public",
        accelerators=tuple(map(_accelerator, stack.self_hosted)),
        min_replicas=sum(model.replicas.min for model in stack.self_hosted),
        max_replicas=sum(model.replicas.max for model in stack.self_hosted),
        routes=tuple(map(_route, stack.gateway.routes)),
        data_classes=(
            governance.data.classification or UNKNOWN,
            *(["personal"] if governance.data.personal else []),
        ),
        evidence={each.id: _evidence(each, today) for each in governance.evidence},
        review_in_days=_days(today, governance.review_by),
        monthly_cost=money.monthly_cost,
        unknown_prices=money.unknown_prices,
        oldest_price_days=(today - money.oldest_price).days if money.oldest_price else None,
        retirements={name: (ends - today).days for name, ends in money.retirements.items()},
        budgets=tuple(BudgetFact(name=name, fits=fits) for name, fits in money.budgets.items()),
    )


def _model(model: ResolvedModel) -> ModelFact:
    hosted = model.hosted if isinstance(model, SelfHostedModel) else None
    return ModelFact(
        name=model.name,
        task=model.spec.task,
        kind="selfHosted" if hosted else "managed",
        license=model.spec.license or UNKNOWN,
        source=hosted.source if hosted else None,
        revision=hosted.revision if hosted else None,
        context_window=model.spec.context_window,
    )


def _sources(stack: ResolvedStack) -> Iterator[str]:
    for model in stack.self_hosted:
        yield model.hosted.source
        yield from (adapter.source for adapter in model.hosted.adapters)


def _images(stack: ResolvedStack) -> Iterator[ImageFact]:
    gateway = stack.gateway
    named = [(f"models[{model.name}]", model.image) for model in stack.self_hosted]
    named += [("gateway", gateway.envoy_image), ("gateway loader", gateway.loader_image)]
    behind = {
        "adapter": gateway.adapter_image,
        "ratelimit": gateway.ratelimit_image,
        "redis": gateway.redis_image,
        "queue": gateway.queue_image,
        "cache": gateway.cache_image,
    }
    named += [(part, behind[part]) for part in gateway.tiers if part in behind]
    for part, image in named:
        yield ImageFact(part=part, image=image, pinned="@sha256:" in image)


def _accelerator(model: SelfHostedModel) -> AcceleratorFact:
    wanted = model.hosted.accelerator
    return AcceleratorFact(
        model=model.name,
        class_name=wanted.class_,
        resource=model.accelerator.resource_name or CPU,
        count=wanted.count * model.hosted.parallelism.nodes * model.replicas.max,
    )


def _unpinned_places(stack: ResolvedStack) -> Iterator[str]:
    for model in stack.self_hosted:
        if not (model.accelerator.region and model.accelerator.node_selector):
            wanted = model.hosted.accelerator.class_
            yield f"model {model.name} runs on class {wanted}, which names no region or no nodeSelector"
        if model.hosted.cache and not model.hosted.cache.storage_class_name:
            yield f"the cache of model {model.name} names no storageClassName"
    for store in stack.spec.vector_stores:
        if not store.storage.storage_class_name:
            yield f"vector store {store.name} names no storageClassName"


def _route(route: ResolvedRoute) -> RouteFact:
    return RouteFact(
        name=route.name, depth=len(route.fallbacks), context_shortfalls=tuple(_context_shortfalls(route))
    )


def _context_shortfalls(route: ResolvedRoute) -> Iterator[str]:
    windows = [target.model.spec.context_window or 0 for target in route.targets if target.weight]
    most = max(windows, default=0)
    for model in route.fallbacks:
        window = model.spec.context_window
        if window is not None and window < most:
            yield f"fallback {model.name} holds {window} tokens, a target {most}"
    for model in route.long_context_fallbacks:
        window = model.spec.context_window
        if window is not None and window <= most:
            yield f"long-context fallback {model.name} holds {window} tokens, a target {most}"


def _evidence(evidence: Evidence, today: date) -> EvidenceFact:
    age = _days(today, evidence.date)
    return EvidenceFact(
        ref=evidence.ref,
        age_days=None if age is None else -age,
        sha256=evidence.sha256,
        model_revision=evidence.model_revision,
        metrics=evidence.metrics,
    )


def _days(today: date, day: str | None) -> int | None:
    """From today to that day."""
    return (date.fromisoformat(day) - today).days if day else None
