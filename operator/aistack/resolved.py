"""What a stack means once every name is an object: what is rendered, priced and judged."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from aistack.api.base import Metadata
from aistack.api.catalog import AcceleratorClassSpec
from aistack.api.gateway import Client, Gateway, Route, RouteLimits
from aistack.api.models import AIModel, Managed, SelfHosted
from aistack.api.stack import AIStackSpec
from aistack.catalog import Abilities, Traces
from aistack.providers import DIRECT_PROVIDERS
from aistack.quotas import Quotas


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
    resting: tuple[ResolvedModel, ...] = ()
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
