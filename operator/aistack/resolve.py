"""From what a stack says to what it means: names become objects, defaults become values.

Every reference problem is found in one pass and returned as a value with the field's path; the webhook
refuses what the controller would report, because both call `resolve`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from aistack.api import AcceleratorClass, AIStack, Reason
from aistack.api.gateway import Client, Gateway, Route, Target
from aistack.api.models import AIModel, Managed, SelfHosted
from aistack.api.catalog import AcceleratorClassSpec
from aistack.api.stack import AIStackSpec
from aistack.images import Image
from aistack.unsupported import unsupported_fields

DIRECT_PROVIDERS = frozenset({"openai", "openaiCompatible"})
"""Providers that speak OpenAI's protocol themselves; every other one needs the adapter."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the cluster has beyond plain Kubernetes, found by discovery."""

    custom_metrics: bool = False
    """custom.metrics.k8s.io is served: an autoscaler can see vLLM's own metrics."""
    resource_metrics: bool = False
    """metrics.k8s.io is served: an autoscaler can see CPU."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """What a stack's names may refer to outside itself."""

    images: Mapping[str, Image]
    accelerator_classes: Mapping[str, AcceleratorClass] = field(default_factory=dict)
    abilities: Abilities = Abilities()


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a spec that can't be served: where, which sort, and what to write instead."""

    path: str
    reason: Reason
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


@dataclass(frozen=True, slots=True)
class StackRef:
    """The identity of a stack: what its children are named, labelled and owned by."""

    name: str
    namespace: str
    uid: str

    def child(self, *parts: str) -> str:
        """The name of a child object: `support` and `gateway` give `support-gateway`."""
        return "-".join((self.name, *parts))


@dataclass(frozen=True, slots=True)
class Replicas:
    """How many pods: fixed at `min` unless an autoscaler owns the number."""

    min: int
    max: int
    autoscaled: bool


@dataclass(frozen=True, slots=True)
class SelfHostedModel:
    """A model that this cluster runs in vLLM."""

    stack: StackRef
    spec: AIModel
    hosted: SelfHosted
    accelerator: AcceleratorClassSpec
    image: str
    version: str
    """vLLM's version: decides which flags may be written."""
    served_names: tuple[str, ...]
    """The model's own name, then every route that leads to it."""
    replicas: Replicas

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def object_name(self) -> str:
        return self.stack.child(self.name)


@dataclass(frozen=True, slots=True)
class ManagedModel:
    """A model that a provider runs."""

    stack: StackRef
    spec: AIModel
    managed: Managed
    served_names: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def needs_adapter(self) -> bool:
        return self.managed.provider not in DIRECT_PROVIDERS


ResolvedModel = SelfHostedModel | ManagedModel


@dataclass(frozen=True, slots=True)
class WeightedTarget:
    model: ResolvedModel
    weight: int


@dataclass(frozen=True, slots=True)
class ResolvedRoute:
    """A model name that clients use, and who answers it: targets first, then fallbacks in their order."""

    spec: Route
    targets: tuple[WeightedTarget, ...]
    fallbacks: tuple[ResolvedModel, ...]

    @property
    def name(self) -> str:
        return self.spec.name


@dataclass(frozen=True, slots=True)
class ResolvedGateway:
    """The stack's endpoint: its replicas, images and routes."""

    stack: StackRef
    spec: Gateway
    routes: tuple[ResolvedRoute, ...]
    clients: tuple[Client, ...]
    replicas: Replicas
    envoy_image: str
    loader_image: str
    adapter_image: str

    @property
    def object_name(self) -> str:
        return self.stack.child("gateway")

    @property
    def reached(self) -> tuple[ResolvedModel, ...]:
        """Every model that some route leads to, each once."""
        of_routes = ((*(target.model for target in route.targets), *route.fallbacks) for route in self.routes)
        return tuple({model.name: model for models in of_routes for model in models}.values())

    @property
    def needs_adapter(self) -> bool:
        """Some route leads to a managed model whose provider doesn't speak OpenAI's protocol."""
        return any(isinstance(model, ManagedModel) and model.needs_adapter for model in self.reached)


@dataclass(frozen=True, slots=True)
class ResolvedStack:
    """A stack with nothing left to look up: what the rest of the line works on."""

    ref: StackRef
    spec: AIStackSpec
    models: tuple[ResolvedModel, ...]
    gateway: ResolvedGateway

    @property
    def self_hosted(self) -> tuple[SelfHostedModel, ...]:
        return tuple(model for model in self.models if isinstance(model, SelfHostedModel))

    @property
    def managed(self) -> tuple[ManagedModel, ...]:
        return tuple(model for model in self.models if isinstance(model, ManagedModel))


@dataclass(frozen=True, slots=True)
class Resolution:
    """Either a resolved stack or the problems that stand in its way; warnings come with both."""

    stack: ResolvedStack | None
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def resolve(stack: AIStack, catalog: Catalog) -> Resolution:
    """Looks up every name in `stack`. All problems are returned at once, in the order of the spec."""
    spec = stack.spec
    problems = (
        *_name_problems(spec),
        *_accelerator_problems(spec, catalog),
        *_route_problems(spec),
        *_cycle_problems(spec),
        *_client_problems(spec),
        *(Problem(path, Reason.NOT_SUPPORTED, message) for path, message in unsupported_fields(spec)),
    )
    warnings = (*_unreached_models(spec), *_unpinned(spec))
    resolved = None if problems else _resolved(stack, catalog)
    return Resolution(resolved, problems, warnings)


def routes_of(spec: AIStackSpec) -> tuple[Route, ...]:
    """The declared routes; without any, one route of each model's name."""
    return spec.gateway.routes or tuple(
        Route(name=model.name, targets=(Target(model=model.name),)) for model in spec.models
    )


def _name_problems(spec: AIStackSpec) -> Iterator[Problem]:
    """Parts of a stack name its objects, so no two of them may share a name."""
    named = [("models", part.name) for part in spec.models]
    named += [("vectorStores", part.name) for part in spec.vector_stores]
    named += [("pipelines", part.name) for part in spec.pipelines]
    named += [("agents", part.name) for part in spec.agents]
    counts = Counter(name for _, name in named)
    seen: set[str] = set()
    for kind, name in named:
        if counts[name] > 1 and name in seen:
            yield Problem(
                f"spec.{kind}[{name}].name",
                Reason.INVALID_REFERENCE,
                f"the name {name!r} is used twice; parts of a stack name its objects, so give this one a name of its own",
            )
        seen.add(name)


def _accelerator_problems(spec: AIStackSpec, catalog: Catalog) -> Iterator[Problem]:
    for model in spec.models:
        if model.self_hosted and model.self_hosted.accelerator.class_ not in catalog.accelerator_classes:
            yield Problem(
                f"spec.models[{model.name}].selfHosted.accelerator.class",
                Reason.INVALID_REFERENCE,
                f"no AcceleratorClass is named {model.self_hosted.accelerator.class_!r}; "
                + _instead(catalog.accelerator_classes, "ask the platform team to create one"),
            )


def _route_problems(spec: AIStackSpec) -> Iterator[Problem]:
    models = {model.name: model for model in spec.models}
    routes = {route.name for route in spec.gateway.routes}
    for route in spec.gateway.routes:
        path = f"spec.gateway.routes[{route.name}]"
        for target in route.targets:
            if target.model not in models:
                yield Problem(
                    f"{path}.targets[{target.model}].model",
                    Reason.INVALID_REFERENCE,
                    f"no model is named {target.model!r}; " + _instead(models, "add it to spec.models"),
                )
        for fallback in route.fallbacks:
            if fallback not in models and fallback not in routes:
                yield Problem(
                    f"{path}.fallbacks[{fallback}]",
                    Reason.INVALID_REFERENCE,
                    f"no model or route is named {fallback!r}; "
                    + _instead({**models, **dict.fromkeys(routes)}, "add it to spec.models"),
                )
        tasks = {name: models[name].task for name in (t.model for t in route.targets) if name in models}
        tasks |= {name: models[name].task for name in route.fallbacks if name in models}
        if len(set(tasks.values())) > 1:
            listed = ", ".join(f"{name} is {task}" for name, task in tasks.items())
            yield Problem(
                f"{path}.targets",
                Reason.INVALID_REFERENCE,
                f"its models do different tasks ({listed}); give each task a route of its own",
            )


def _cycle_problems(spec: AIStackSpec) -> Iterator[Problem]:
    """A fallback may name another route; following them must come to an end."""
    models = {model.name for model in spec.models}
    onward = {
        route.name: [name for name in route.fallbacks if name not in models] for route in spec.gateway.routes
    }
    reported: set[frozenset[str]] = set()
    for start in onward:
        cycle = _cycle_from(start, onward, ())
        if cycle and frozenset(cycle) not in reported:
            reported.add(frozenset(cycle))
            yield Problem(
                f"spec.gateway.routes[{start}].fallbacks",
                Reason.INVALID_REFERENCE,
                f"the fallbacks go round in a circle ({' → '.join((*cycle, cycle[0]))}); remove one of them",
            )


def _cycle_from(name: str, onward: Mapping[str, list[str]], path: tuple[str, ...]) -> tuple[str, ...]:
    if name in path:
        return path[path.index(name) :]
    for following in onward.get(name, ()):
        if cycle := _cycle_from(following, onward, (*path, name)):
            return cycle
    return ()


def _client_problems(spec: AIStackSpec) -> Iterator[Problem]:
    routes = {route.name: None for route in routes_of(spec)}
    for client in spec.gateway.clients:
        for name in client.routes:
            if name not in routes:
                yield Problem(
                    f"spec.gateway.clients[{client.name}].routes[{name}]",
                    Reason.INVALID_REFERENCE,
                    f"no route is named {name!r}; " + _instead(routes, "add it to spec.gateway.routes"),
                )


def _unreached_models(spec: AIStackSpec) -> Iterator[Problem]:
    reached = {target.model for route in routes_of(spec) for target in route.targets if target.weight}
    reached |= {
        name for route in routes_of(spec) for name in (*route.fallbacks, *route.long_context_fallbacks)
    }
    reached |= {pipeline.embedding_model for pipeline in spec.pipelines}
    reached |= {route.cache.embedding_model or "" for route in spec.gateway.routes}
    for model in spec.models:
        if model.name not in reached:
            yield Problem(
                f"spec.models[{model.name}]",
                Reason.INVALID_REFERENCE,
                "no route leads to this model: it runs and costs, but nobody can call it; "
                "add a route for it or remove it",
            )


def _unpinned(spec: AIStackSpec) -> Iterator[Problem]:
    for model in spec.models:
        if not model.self_hosted:
            continue
        path = f"spec.models[{model.name}].selfHosted"
        image = model.self_hosted.runtime.image
        if image and "@sha256:" not in image:
            yield Problem(
                f"{path}.runtime.image",
                Reason.NOT_PINNED,
                f"{image!r} is not pinned: the image behind a tag can change; write it as name@sha256:…",
            )
        if model.self_hosted.source.startswith("hf://") and not model.self_hosted.revision:
            yield Problem(
                f"{path}.revision",
                Reason.NOT_PINNED,
                "the model is not pinned to a revision: its files can change; write the commit's hash",
            )


def _instead(known: Mapping[str, object], otherwise: str) -> str:
    return f"write one of {', '.join(sorted(known))}" if known else otherwise


def _resolved(stack: AIStack, catalog: Catalog) -> ResolvedStack:
    spec = stack.spec
    ref = StackRef(stack.metadata.name, stack.metadata.namespace, stack.metadata.uid)
    models = {model.name: _model(model, ref, spec, catalog) for model in spec.models}
    routes = {route.name: route for route in routes_of(spec)}
    gateway = ResolvedGateway(
        stack=ref,
        spec=spec.gateway,
        routes=tuple(_route(route, models, routes) for route in routes.values()),
        clients=spec.gateway.clients,
        replicas=_replicas(
            spec.gateway.replicas.min,
            spec.gateway.replicas.max,
            catalog.abilities.resource_metrics,
            spec.suspend,
        ),
        envoy_image=spec.gateway.image or catalog.images["envoy"].reference,
        loader_image=catalog.images["loader"].reference,
        adapter_image=catalog.images["litellm"].reference,
    )
    return ResolvedStack(ref, spec, tuple(models.values()), gateway)


def _model(model: AIModel, ref: StackRef, spec: AIStackSpec, catalog: Catalog) -> ResolvedModel:
    leading_here = [route.name for route in routes_of(spec) if model.name in _flat_names(route, spec)]
    served_names = tuple(dict.fromkeys((model.name, *leading_here)))
    if model.managed:
        return ManagedModel(ref, model, model.managed, served_names)
    assert model.self_hosted is not None, "the types hold exactly one of selfHosted and managed"
    hosted = model.self_hosted
    accelerator = catalog.accelerator_classes[hosted.accelerator.class_].spec
    default = catalog.images["vllm" if accelerator.resource_name else "vllm-cpu"]
    return SelfHostedModel(
        stack=ref,
        spec=model,
        hosted=hosted,
        accelerator=accelerator,
        image=hosted.runtime.image or default.reference,
        version=hosted.runtime.version or default.version,
        served_names=served_names,
        replicas=_replicas(
            hosted.scaling.min, hosted.scaling.max, catalog.abilities.custom_metrics, spec.suspend
        ),
    )


def _replicas(low: int, high: int, can_scale: bool, suspended: bool) -> Replicas:
    if suspended:
        return Replicas(0, 0, autoscaled=False)
    return Replicas(low, high, autoscaled=can_scale and low < high)


def _route(route: Route, models: Mapping[str, ResolvedModel], routes: Mapping[str, Route]) -> ResolvedRoute:
    targets = tuple(WeightedTarget(models[target.model], target.weight) for target in route.targets)
    fallbacks = tuple(models[name] for name in dict.fromkeys(_fallback_names(route, models, routes)))
    return ResolvedRoute(route, targets, fallbacks)


def _fallback_names(route: Route, models: Mapping[str, object], routes: Mapping[str, Route]) -> Iterator[str]:
    """A fallback's name is a model's, or a route's: then its targets and its own fallbacks."""
    for name in route.fallbacks:
        if name in models:
            yield name
        else:
            yield from (target.model for target in routes[name].targets)
            yield from _fallback_names(routes[name], models, routes)


def _flat_names(route: Route, spec: AIStackSpec) -> set[str]:
    models = {model.name: model for model in spec.models}
    routes = {other.name: other for other in routes_of(spec)}
    return {target.model for target in route.targets} | set(_fallback_names(route, models, routes))
