"""From what a stack says to what it means: names become objects, defaults become values.

Every reference problem is found in one pass and returned as a value with the field's path; the webhook
refuses what the controller would report, because both call `resolve`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from aistack import checks
from aistack.api import AIStack
from aistack.api.catalog import AcceleratorClassSpec
from aistack.api.gateway import Route
from aistack.api.models import AIModel, SelfHosted
from aistack.api.stack import AIStackSpec
from aistack.catalog import Catalog
from aistack.images import version_in_tag
from aistack.problem import Problem
from aistack.references import (
    Names,
    fallbacks_of,
    followed,
    members_of,
    names_of,
    reference_problems,
)
from aistack.resolved import (
    ManagedModel,
    Replicas,
    ResolvedGateway,
    ResolvedModel,
    ResolvedRoute,
    ResolvedStack,
    SelfHostedModel,
    StackRef,
    WeightedTarget,
)


@dataclass(frozen=True, slots=True)
class Resolution:
    """Either a resolved stack or the problems that stand in its way; warnings come with both."""

    stack: ResolvedStack | None
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    meaning: ResolvedStack | None
    """What the stack means even where it can't be served, for policies; None where a name leads nowhere."""


def resolve(stack: AIStack, catalog: Catalog) -> Resolution:
    """Looks up every name in `stack`, and returns all problems at once."""
    spec = stack.spec
    names = names_of(spec)
    broken_names = tuple(reference_problems(spec, names, catalog))
    problems = (*broken_names, *checks.problems(spec, names, catalog))
    warnings = tuple(checks.warnings(spec, names, catalog))
    meaning = None if broken_names else _resolved(stack, names, catalog)
    return Resolution(None if problems else meaning, problems, warnings, meaning)


def _resolved(stack: AIStack, names: Names, catalog: Catalog) -> ResolvedStack:
    spec = stack.spec
    ref = StackRef(stack.metadata.name, stack.metadata.namespace, stack.metadata.uid)
    models = {model.name: model for model in _models(spec, ref, names, catalog)}
    replicas = spec.gateway.replicas
    similar = any(route.cache.mode == "Semantic" for route in names.routes.values())
    gateway = ResolvedGateway(
        stack=ref,
        spec=spec.gateway,
        routes=tuple(_route(route, names, models) for route in names.routes.values()),
        clients=spec.gateway.clients,
        replicas=_replicas(replicas.min, replicas.max, catalog.abilities.resource_metrics, spec.suspend),
        envoy_image=spec.gateway.image or catalog.images["envoy"].reference,
        loader_image=catalog.images["loader"].reference,
        adapter_image=catalog.images["litellm"].reference,
        ratelimit_image=catalog.images["ratelimit"].reference,
        redis_image=catalog.images["redis"].reference,
        cache_image=catalog.images["vectors" if similar else "redis"].reference,
        queue_image=catalog.images["queue"].reference,
        operator_namespace=catalog.operator_namespace,
        abilities=catalog.abilities,
        traces=catalog.traces,
    )
    return ResolvedStack(ref, stack.metadata, spec, tuple(models.values()), gateway)


def _models(spec: AIStackSpec, ref: StackRef, names: Names, catalog: Catalog) -> Iterator[ResolvedModel]:
    members = {route.name: members_of(route, names) for route in names.routes.values()}
    for model in spec.models:
        leading_here = (route for route, models in members.items() if model.name in models)
        served = tuple(dict.fromkeys((model.name, *leading_here)))
        if model.managed:
            yield ManagedModel(ref, model, model.managed, served)
        elif model.self_hosted:
            yield _self_hosted(
                model, model.self_hosted, ref, suspended=spec.suspend, served_names=served, catalog=catalog
            )


def _self_hosted(
    model: AIModel,
    hosted: SelfHosted,
    ref: StackRef,
    *,
    suspended: bool,
    served_names: tuple[str, ...],
    catalog: Catalog,
) -> SelfHostedModel:
    accelerator = catalog.accelerator(hosted.accelerator.class_) or AcceleratorClassSpec()
    default = catalog.engine(accelerator)
    image, scaling = hosted.runtime.image or default.reference, hosted.scaling
    return SelfHostedModel(
        stack=ref,
        spec=model,
        hosted=hosted,
        accelerator=accelerator,
        image=image,
        version=hosted.runtime.version or version_in_tag(image) or default.version,
        served_names=served_names,
        replicas=_replicas(scaling.min, scaling.max, catalog.abilities.custom_metrics, suspended),
    )


def _replicas(low: int, high: int, can_scale: bool, suspended: bool) -> Replicas:
    if suspended:
        return Replicas(0, 0, autoscaled=False)
    return Replicas(low, high, autoscaled=can_scale and max(low, 1) < high)


def _route(route: Route, names: Names, models: Mapping[str, ResolvedModel]) -> ResolvedRoute:
    return ResolvedRoute(
        route,
        targets=tuple(WeightedTarget(models[target.model], target.weight) for target in route.targets),
        fallbacks=tuple(models[name] for name in fallbacks_of(route, names)),
        long_context_fallbacks=tuple(models[name] for name in followed(route.long_context_fallbacks, names)),
        embedding=models[embedding] if (embedding := route.cache.embedding_model) else None,
    )
