"""Names in a stack: every one must lead to something, and following them must come to an end.

Each check looks at one sort of name. None takes longer than the names are many, however they are linked.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from aistack.api import Reason
from aistack.api.gateway import Route, Target
from aistack.api.models import AIModel
from aistack.api.retrieval import Agent, Pipeline, VectorStore
from aistack.api.stack import AIStackSpec
from aistack.catalog import CPU, Catalog
from aistack.problem import Problem, instead


@dataclass(frozen=True, slots=True)
class Names:
    """What the names in a stack stand for."""

    models: Mapping[str, AIModel]
    routes: Mapping[str, Route]


def names_of(spec: AIStackSpec) -> Names:
    return Names(
        models={model.name: model for model in spec.models},
        routes={route.name: route for route in routes_of(spec)},
    )


def routes_of(spec: AIStackSpec) -> tuple[Route, ...]:
    """The declared routes; without any, one route of each model's name."""
    return spec.gateway.routes or tuple(
        Route(name=model.name, targets=(Target(model=model.name),)) for model in spec.models
    )


def fallbacks_of(route: Route, names: Names) -> tuple[str, ...]:
    """The models to try after the targets, in order, each once."""
    return followed(route.fallbacks, names)


def followed(fallbacks: tuple[str, ...], names: Names) -> tuple[str, ...]:
    """The models that fallbacks lead to, in order, each once.

    A fallback's name is a model's, or a route's: then its targets and its own fallbacks follow.
    """
    found: dict[str, None] = {}
    seen: set[str] = set()

    def follow(fallbacks: tuple[str, ...]) -> None:
        for name in fallbacks:
            if name in names.models:
                found.setdefault(name)
            elif name in names.routes and name not in seen:
                seen.add(name)
                follow(tuple(target.model for target in names.routes[name].targets))
                follow(names.routes[name].fallbacks)

    follow(fallbacks)
    return tuple(found)


def members_of(route: Route, names: Names) -> tuple[str, ...]:
    """Every model that may answer for `route`: its targets, then its fallbacks of both sorts."""
    targets = (target.model for target in route.targets)
    long = followed(route.long_context_fallbacks, names)
    return tuple(dict.fromkeys((*targets, *fallbacks_of(route, names), *long)))


def reference_problems(spec: AIStackSpec, names: Names, catalog: Catalog) -> Iterator[Problem]:
    """Every name that leads nowhere, twice, or in a circle, in the order of the spec."""
    yield from _repeated_names(spec)
    yield from _accelerators(spec, catalog)
    yield from _routes(spec, names)
    yield from _circles(names)
    yield from _clients(spec, names)


def unreached_models(names: Names) -> Iterator[Problem]:
    """Models that no request can come to: a warning, for they may be on their way in or out."""
    routes = names.routes.values()
    reached = {target.model for route in routes for target in route.targets if target.weight}
    reached |= {name for route in routes for name in fallbacks_of(route, names)}
    reached |= {name for route in routes for name in followed(route.long_context_fallbacks, names)}
    reached |= {route.cache.embedding_model for route in routes if route.cache.embedding_model}
    for name in names.models:
        if name not in reached:
            yield Problem(
                f"spec.models[{name}]",
                Reason.INVALID_REFERENCE,
                "no route leads to this model, so nobody can call it; write a route to it, or remove it",
            )


def _repeated_names(spec: AIStackSpec) -> Iterator[Problem]:
    """Parts of a stack name its objects, so no two of them may share a name."""
    lists: Mapping[str, tuple[AIModel | VectorStore | Pipeline | Agent, ...]] = {
        "models": spec.models,
        "vectorStores": spec.vector_stores,
        "pipelines": spec.pipelines,
        "agents": spec.agents,
    }
    first: dict[str, str] = {}
    for kind, parts in lists.items():
        for name in (part.name for part in parts):
            if name in first:
                yield Problem(
                    f"spec.{kind}[{name}].name",
                    Reason.INVALID_REFERENCE,
                    f"{name!r} is also the name of one of spec.{first[name]}, and both name their objects "
                    "by it; write a name of its own",
                )
            first.setdefault(name, kind)


def _accelerators(spec: AIStackSpec, catalog: Catalog) -> Iterator[Problem]:
    for model in spec.models:
        if model.self_hosted is None:
            continue
        wanted = model.self_hosted.accelerator.class_
        if catalog.accelerator(wanted) is None:
            yield Problem(
                f"spec.models[{model.name}].selfHosted.accelerator.class",
                Reason.INVALID_REFERENCE,
                f"no AcceleratorClass is named {wanted!r}; "
                + instead({*catalog.accelerator_classes, CPU}, "create it"),
            )


def _routes(spec: AIStackSpec, names: Names) -> Iterator[Problem]:
    models = names.models
    for route in spec.gateway.routes:
        path = f"spec.gateway.routes[{route.name}]"
        for target in route.targets:
            if target.model not in models:
                yield Problem(
                    f"{path}.targets[{target.model}].model",
                    Reason.INVALID_REFERENCE,
                    f"no model is named {target.model!r}; {instead(models, 'add it to spec.models')}",
                )
        for field, fallbacks in (
            ("fallbacks", route.fallbacks),
            ("longContextFallbacks", route.long_context_fallbacks),
        ):
            for fallback in fallbacks:
                if fallback not in models and fallback not in names.routes:
                    known = {*models, *names.routes} - {route.name}
                    yield Problem(
                        f"{path}.{field}[{fallback}]",
                        Reason.INVALID_REFERENCE,
                        f"no model or route is named {fallback!r}; {instead(known, 'add it to spec.models')}",
                    )
        embedding = route.cache.embedding_model
        if embedding and embedding not in models:
            yield Problem(
                f"{path}.cache.embeddingModel",
                Reason.INVALID_REFERENCE,
                f"no model is named {embedding!r}; {instead(models, 'add it to spec.models')}",
            )
        yield from _mixed_tasks(path, [models[name] for name in members_of(route, names) if name in models])


def _mixed_tasks(path: str, members: list[AIModel]) -> Iterator[Problem]:
    if len({model.task for model in members}) > 1:
        listed = ", ".join(f"{model.name} does {model.task}" for model in members)
        yield Problem(
            f"{path}.targets",
            Reason.INVALID_REFERENCE,
            f"its models and fallbacks do different tasks ({listed}); write a route for each task",
        )


def _circles(names: Names) -> Iterator[Problem]:
    onward = {
        route.name: [name for name in route.fallbacks if name not in names.models]
        for route in names.routes.values()
    }
    for circle in _circles_in(onward):
        yield Problem(
            f"spec.gateway.routes[{circle[-1]}].fallbacks",
            Reason.INVALID_REFERENCE,
            f"the fallbacks go round in a circle ({' → '.join((*circle, circle[0]))}); "
            f"write a model instead of {circle[0]!r}",
        )


def _circles_in(onward: Mapping[str, list[str]]) -> Iterator[list[str]]:
    """Depth first, each name once: a circle is a step back to a name on the present path."""
    done: set[str] = set()
    path: list[str] = []

    def visit(name: str) -> Iterator[list[str]]:
        if name in path:
            yield path[path.index(name) :]
        elif name not in done:
            path.append(name)
            for following in onward.get(name, ()):
                yield from visit(following)
            path.pop()
            done.add(name)

    for start in onward:
        yield from visit(start)


def _clients(spec: AIStackSpec, names: Names) -> Iterator[Problem]:
    for client in spec.gateway.clients:
        for name in client.routes:
            if name not in names.routes:
                yield Problem(
                    f"spec.gateway.clients[{client.name}].routes[{name}]",
                    Reason.INVALID_REFERENCE,
                    f"no route is named {name!r}; {instead(names.routes, 'add it to spec.gateway.routes')}",
                )
