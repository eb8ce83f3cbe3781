"""Where a stack's data can go: every model that any route can lead to, and the log sink."""

from collections.abc import Iterator, Mapping

from aistack.api.base import Model
from aistack.resolved import ManagedModel, ResolvedModel, ResolvedStack

UNKNOWN = "unknown"


class Placement(Model):
    """One place that data can go to."""

    path: str
    """The field that says where, such as spec.models[claude].managed.region."""

    region: str
    """The region, or unknown."""

    via: tuple[str, ...]
    """What leads there, such as `route chat as a fallback`."""


def placements(stack: ResolvedStack) -> Iterator[Placement]:
    """Every model with the routes, pipelines and caches that lead to it, then the log sink."""
    models = {model.name: model for model in stack.models}
    for name, via in _ways(stack).items():
        path, region = _place(models[name])
        yield Placement(path=path, region=region, via=tuple(via))
    if sink := stack.spec.gateway.logging.sink:
        yield Placement(
            path="spec.gateway.logging.sink.region", region=sink.region or UNKNOWN, via=("request logs",)
        )


def _ways(stack: ResolvedStack) -> Mapping[str, list[str]]:
    """Each model that data can reach, and all ways to it."""
    ways: dict[str, list[str]] = {}
    for name, way in _steps(stack):
        ways.setdefault(name, []).append(way)
    return {model.name: ways[model.name] for model in stack.models if model.name in ways}


def _steps(stack: ResolvedStack) -> Iterator[tuple[str, str]]:
    for route in stack.gateway.routes:
        roles: Mapping[str, tuple[ResolvedModel, ...]] = {
            "a target": tuple(target.model for target in route.targets),
            "a fallback": route.fallbacks,
            "a long-context fallback": route.long_context_fallbacks,
        }
        for role, models in roles.items():
            yield from ((model.name, f"route {route.name} as {role}") for model in models)
        if embedding := route.spec.cache.embedding_model:
            yield embedding, f"the cache of route {route.name}"
    for pipeline in stack.spec.pipelines:
        yield pipeline.embedding_model, f"pipeline {pipeline.name}"


def _place(model: ResolvedModel) -> tuple[str, str]:
    if isinstance(model, ManagedModel):
        return f"spec.models[{model.name}].managed.region", model.managed.region or UNKNOWN
    return f"spec.models[{model.name}].selfHosted.accelerator.class", model.accelerator.region or UNKNOWN
