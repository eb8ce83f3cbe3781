"""From what a stack says to what it means: names become objects, defaults become values.

Every reference problem is found in one pass and returned as a value with the field's path; the webhook
refuses what the controller would report, because both call `resolve`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from aistack import checks
from aistack.api import AIStack
from aistack.api.base import Metadata
from aistack.api.catalog import AcceleratorClassSpec
from aistack.api.gateway import Client, Gateway, Route, RouteLimits
from aistack.api.models import AIModel, Managed, SelfHosted
from aistack.api.stack import AIStackSpec
from aistack.catalog import Abilities, Catalog, Traces
from aistack.images import version_in_tag
from aistack.problem import Problem
from aistack.providers import DIRECT_PROVIDERS
from aistack.quotas import Quotas
from aistack.references import (
    Names,
    fallbacks_of,
    followed,
    members_of,
    names_of,
    reference_problems,
)

__all__ = [
    "Catalog",
    "ManagedModel",
    "Problem",
    "Replicas",
    "Resolution",
    "ResolvedGateway",
    "ResolvedModel",
    "ResolvedRoute",
    "ResolvedStack",
    "SelfHostedModel",
    "StackRef",
    "Way",
    "WeightedTarget",
    "resolve",
]


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

    @property
    def at_zero(self) -> bool:
        """No replica is to run, and the stack is not suspended: a request starts one."""
        return self.replicas.min == 0 < self.replicas.max


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
class Way:
    """One way through a route: picked in proportion to `weight`, then the models that are tried in order."""

    weight: int
    models: tuple[ResolvedModel, ...]


@dataclass(frozen=True, slots=True)
class ResolvedRoute:
    """A model name that clients use, and who answers it: targets first, then fallbacks in their order."""

    spec: Route
    targets: tuple[WeightedTarget, ...]
    fallbacks: tuple[ResolvedModel, ...]
    long_context_fallbacks: tuple[ResolvedModel, ...]
    embedding: ResolvedModel | None = None
    """What finds its similar questions; None where only the same request gets an answer again."""
    stopped: bool = False
    """The money of all its models is spent: it answers every request with an error."""

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def is_cached(self) -> bool:
        """Whether its answers are given again."""
        return self.spec.cache.mode != "Off"

    @property
    def is_intercepted(self) -> bool:
        """Whether the adapter sees its requests before any model does."""
        return bool(self.is_cached or self.spec.guardrails or self.spec.denied_words)

    @property
    def ways(self) -> tuple[Way, ...]:
        """Weight 0 takes a target out. An order is one way: the targets, then the fallbacks. By how busy they
        are, each target is taken to get as many requests as the others.
        """
        targets = [target for target in self.targets if target.weight]
        if self.spec.strategy == "leastBusy":
            targets = [replace(target, weight=1) for target in targets]
        if self.spec.strategy in {"ordered", "lowestCost"}:
            return (Way(1, self._each_once(target.model for target in targets)),)
        by_weight = [target.model for target in sorted(targets, key=lambda target: -target.weight)]
        return tuple(Way(picked.weight, self._each_once((picked.model, *by_weight))) for picked in targets)

    @property
    def answering(self) -> tuple[ResolvedModel, ...]:
        """Every model that its requests may arrive at; weight 0 is no way."""
        return tuple(model for way in (*self.ways, self.long_way) if way for model in way.models)

    @property
    def long_way(self) -> Way | None:
        """What is tried for a request that is too long for a target; None when that is nothing else."""
        return Way(1, self.long_context_fallbacks) if self.long_context_fallbacks else None

    def _each_once(self, targets: Iterable[ResolvedModel]) -> tuple[ResolvedModel, ...]:
        return tuple({model.name: model for model in (*targets, *self.fallbacks)}.values())


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
    ratelimit_image: str
    redis_image: str
    cache_image: str
    queue_image: str
    operator_namespace: str
    abilities: Abilities
    traces: Traces | None = None
    """Where spans of its requests go; None: nowhere."""
    stopped: bool = False
    """A budget has ended its traffic: it answers every request with an error."""
    spent_clients: Mapping[str, str] = field(default_factory=dict)
    """The clients whose money is spent, and until when (RFC 3339, UTC): they get an error."""
    resting: tuple["ResolvedModel", ...] = ()
    """The models whose money is spent: no route leads to them, and all is kept for when one does again."""
    quotas: Quotas | None = None
    """By what it counts the money of models and clients over all replicas; None: it counts none."""

    @property
    def object_name(self) -> str:
        return self.stack.child("gateway")

    @property
    def tiers(self) -> Mapping[str, Replicas]:
        """The parts that run, in the order of the status. One Redis each: what is shared is shared there."""
        found = {"gateway": self.replicas}
        if self.needs_adapter:
            found["adapter"] = self.replicas
        if self.needs_ratelimit:
            found |= {"ratelimit": self._fixed(2), "redis": self._fixed(1)}
        if self.spec.queue:
            found |= {"redis": self._fixed(1), "queue": self._fixed(2)}
        if self.needs_cache:
            found["cache"] = self._fixed(1)
        return found

    def _fixed(self, count: int) -> Replicas:
        """Not more than fronts at least, so none while the stack is suspended."""
        count = min(count, self.replicas.min)
        return Replicas(count, count, autoscaled=False)

    @property
    def reached(self) -> tuple[ResolvedModel, ...]:
        """Every model that some request may arrive at, now or later, each once."""
        embeddings = (route.embedding for route in self.routes if route.embedding)
        answering = (model for route in self.routes for model in route.answering)
        models = (*answering, *embeddings, *self.resting)
        return tuple({model.name: model for model in models}.values())

    @property
    def needs_ratelimit(self) -> bool:
        """Some limit holds over all replicas."""
        limited: list[RouteLimits | Client] = [*(route.spec.limits for route in self.routes), *self.clients]
        a_minute = any(each.requests_per_minute or each.tokens_per_minute for each in limited)
        return self.quotas is not None or (self.spec.limit_scope == "Global" and a_minute)

    @property
    def needs_adapter(self) -> bool:
        """Some route is intercepted, or leads to a provider that doesn't speak OpenAI's protocol."""
        translated = any(isinstance(model, ManagedModel) and model.needs_adapter for model in self.reached)
        return translated or any(route.is_intercepted for route in self.routes)

    @property
    def needs_cache(self) -> bool:
        """Some route's answers are given again."""
        return any(route.is_cached for route in self.routes)


@dataclass(frozen=True, slots=True)
class ResolvedStack:
    """A stack with nothing left to look up: what the rest of the line works on."""

    ref: StackRef
    metadata: Metadata
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
