"""What a gateway's routes mean, in no engine's words: who is tried, in which order, for how long."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeGuard

from aistack.api.gateway import Client, Queue, RouteAffinity
from aistack.labels import purge_annotation
from aistack.resolved import (
    ManagedModel,
    ResolvedGateway,
    ResolvedModel,
    ResolvedRoute,
    SelfHostedModel,
    StackRef,
    Way,
)
from aistack.units import seconds

BYTES_PER_TOKEN = 2
"""By how many bytes of its body a request's tokens are estimated. In most languages text has 3 to 4.5 bytes a
token, code about 3: that leaves room for the answer, and little is underestimated. A request that is sent on
for nothing costs more; one that isn't sent on would fail.
"""
SIMILARITY = 0.92
SESSION_HEADER = "x-session-id"
PREFIX_BYTES = 64 * 1024
"""More than most system prompts have: conversations that only these begin alike are told apart."""
EMBEDDING_PATIENCE = 1.0
SMALLEST_CONTEXT = 512
"""Tokens that every embedding model in use reads: that of BERT, of which the small ones are made."""


NO_ANNOTATIONS: Mapping[str, str] = {}
Attempt = tuple[ResolvedModel, ...]
"""The models of which one answers: mostly there is one; of several the least busy replica does."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One way through a route: picked in proportion to `weight`, then one attempt after the other."""

    weight: int
    attempts: tuple[Attempt, ...]
    waits_for: SelfHostedModel | None = None
    """The last attempt is to this model, which may be at zero: it waits until the model has started."""

    @property
    def asked_first(self) -> Attempt:
        """The models that such a request is meant for; others answer only where these can't."""
        return self.attempts[0] if self.attempts else (self.waits_for,) if self.waits_for else ()


@dataclass(frozen=True, slots=True)
class Kept:
    """How answers are given again: the same answer to the same request, for `seconds` after it was made."""

    seconds: int
    shared: bool
    """Between clients; else each has its own."""
    epoch: str = ""
    """Another one finds nothing of what was kept before."""
    epochs: Mapping[str, str] = field(default_factory=dict)
    """The same of single clients, by their names."""
    similar: "Similar | None" = None
    """By what the same answer is given to a similar question too; None is never."""


@dataclass(frozen=True, slots=True)
class Similar:
    """Two requests that differ in the words of their last question alone, and in those only so much."""

    model: ResolvedModel
    """Whose embeddings are compared."""
    similarity: float
    """The least cosine between them."""
    longest: int
    """Bytes of a question in UTF-8: a longer one may not fit into the model's context."""
    patience: float
    """Seconds that its embedding may take."""
    rests: bool
    """The model's money is spent: until it isn't, only the same request is found."""


@dataclass(frozen=True, slots=True)
class Session:
    """Requests belong together that name the same session, in a header or in their body, for one client."""

    header: str


@dataclass(frozen=True, slots=True)
class Prefix:
    """Requests belong together that begin alike."""

    bytes: int
    """At most so many of a request are its beginning."""


@dataclass(frozen=True, slots=True)
class NeutralRoute:
    """A model name that clients use. Times are in seconds.

    `timeout` bounds one attempt: a whole answer must be complete, a stream must have begun. A fallback after
    a timeout gets the same time again, so a request ends after `timeout` times its attempts at the latest; a
    stream that has begun is never cut by it. `first_token_timeout` bounds a stream's beginning more tightly.
    """

    name: str
    task: str
    choices: tuple[Choice, ...]
    long_choices: tuple[Choice, ...]
    """The choices for a request of more than `longest_body`; empty: the same."""
    longest_body: int
    """The bytes of a request's body that fit into every target's context; 0 without `long_choices`."""
    timeout: float
    first_token_timeout: float | None
    clients: tuple[str, ...] | None
    """The clients that may use it; None is every client that may enter."""
    requests_per_minute: int | None
    """How many requests are taken in a minute, over all clients; None is no limit."""
    max_output_tokens: int | None
    """The longest answer that a client may ask for; None is the model's own."""
    tokens_per_minute: int | None
    """How many tokens all replicas together give in a minute, over all clients; None is no limit."""
    when_down: str | None
    """The text that is answered when every attempt has failed; None is an error."""
    kept: Kept | None = None
    """How its answers are given again; None is never."""
    guardrails: tuple[str, ...] = ()
    """What is checked of its requests and answers: `PIIMask`, `PromptInjection`."""
    denied_words: tuple[str, ...] = ()
    """What neither may contain."""
    allowed_words: tuple[str, ...] = ()
    """What none of these looks at."""
    affinity: Session | Prefix | None = None
    """Which requests the same replica answers while it has room; None is none."""
    longest_wait: float | None = None
    """Seconds in the queue, when every attempt has failed; None is no queue."""
    stopped: bool = False
    """Its money is spent: every request gets an error, and no model is asked."""

    @property
    def streams(self) -> bool:
        """Whether an answer may come as a stream."""
        return self.task == "chat"

    @property
    def intercepted(self) -> bool:
        """Whether the adapter sees its requests first, and asks for the models' answers itself."""
        return self.kept is not None or self.checked

    @property
    def checked(self) -> bool:
        """Whether no request may go past the adapter."""
        return bool(self.guardrails or self.denied_words)

    @property
    def queued(self) -> bool:
        """Whether a request that nobody could answer waits."""
        return self.longest_wait is not None

    @property
    def last_answer(self) -> str | None:
        """What its models' list ends with. Intercepted, it is answered in front of the adapter, which would
        keep it; queued, after the queue."""
        return None if self.intercepted else self.answer_of_adapter

    @property
    def answer_of_adapter(self) -> str | None:
        """What the way to the adapter ends with."""
        return None if self.queued else self.when_down

    def attempts(self, choices: tuple[Choice, ...]) -> int:
        """How often a request is tried at most, the last answer included; the same for each choice."""
        one = choices[0]
        return len(one.attempts) + (one.waits_for is not None) + (self.last_answer is not None)

    @property
    def most_attempts(self) -> int:
        """The same, whichever way a request goes."""
        return max(self.attempts(choices) for choices in (self.choices, self.long_choices) if choices)


@dataclass(frozen=True, slots=True)
class NeutralGateway:
    """A gateway as every engine is made from it."""

    resolved: ResolvedGateway
    routes: tuple[NeutralRoute, ...]
    models: tuple[ResolvedModel, ...]
    """Those that some request may arrive at, each once."""

    @property
    def stack(self) -> StackRef:
        return self.resolved.stack

    @property
    def clients(self) -> tuple[Client, ...]:
        """Empty: whoever reaches the gateway may use it."""
        return self.resolved.clients

    @property
    def managed(self) -> tuple[ManagedModel, ...]:
        return tuple(model for model in self.models if isinstance(model, ManagedModel))

    @property
    def direct(self) -> tuple[ManagedModel, ...]:
        """Managed models whose providers speak OpenAI's protocol."""
        return tuple(model for model in self.managed if not model.needs_adapter)

    @property
    def adapted(self) -> tuple[ManagedModel, ...]:
        """Managed models that are reached through the adapter; without any there is no adapter."""
        return tuple(model for model in self.managed if model.needs_adapter)

    @property
    def intercepted(self) -> tuple[NeutralRoute, ...]:
        """The routes whose requests the adapter sees first."""
        return tuple(route for route in self.routes if route.intercepted)

    @property
    def finds_similar(self) -> bool:
        """Whether some question is compared with earlier ones."""
        return any(route.kept and route.kept.similar for route in self.routes)

    @property
    def queue(self) -> Queue | None:
        """What holds requests that nobody could answer."""
        return self.resolved.spec.queue

    @property
    def asked_again(self) -> bool:
        """Whether anybody asks the front behind its clients."""
        return bool(self.intercepted or self.queue)

    @property
    def sleepers(self) -> tuple[SelfHostedModel, ...]:
        """Models that may be at zero, each once."""
        return tuple(model for model in self.models if _may_sleep(model))

    @property
    def longest_timeout(self) -> float:
        """Seconds that the slowest route gives one attempt."""
        return max(route.timeout for route in self.routes)

    @property
    def longest_in_adapter(self) -> float:
        """Seconds: one attempt, or of an intercepted request all of them."""
        intercepted = [route.timeout * route.most_attempts for route in self.intercepted]
        return max([self.longest_timeout, *intercepted])


def neutral(gateway: ResolvedGateway, annotations: Mapping[str, str] = NO_ANNOTATIONS) -> NeutralGateway:
    """`annotations` are the stack's: they say what of its kept answers is given to nobody any more."""
    routes = tuple(
        replace(
            _neutral(route, gateway, annotations),
            longest_wait=seconds(gateway.spec.queue.max_wait) if gateway.spec.queue else None,
            stopped=gateway.stopped or route.stopped,
        )
        for route in gateway.routes
    )
    return NeutralGateway(gateway, routes, gateway.reached)


def _neutral(route: ResolvedRoute, gateway: ResolvedGateway, annotations: Mapping[str, str]) -> NeutralRoute:
    spec = route.spec
    first_token = seconds(spec.first_token_timeout) if spec.first_token_timeout else None
    return NeutralRoute(
        name=route.name,
        task=route.targets[0].model.spec.task,
        choices=tuple(_choices(route)),
        long_choices=(_in_order(route.long_way, spec.retries),) if route.long_way else (),
        longest_body=_longest_body(route) if route.long_way else 0,
        timeout=seconds(spec.timeout),
        first_token_timeout=first_token or None,
        clients=_allowed(route.name, gateway.clients),
        requests_per_minute=spec.limits.requests_per_minute,
        max_output_tokens=spec.limits.max_output_tokens,
        tokens_per_minute=spec.limits.tokens_per_minute,
        when_down=spec.when_down.message if spec.when_down else None,
        guardrails=spec.guardrails,
        denied_words=spec.denied_words,
        allowed_words=spec.allowed_words,
        kept=_kept(route, gateway, annotations) if route.is_cached else None,
        affinity=_affinity(spec.affinity) if spec.affinity else None,
    )


def _affinity(spec: RouteAffinity) -> Session | Prefix:
    if spec.by == "Session":
        return Session(spec.header or SESSION_HEADER)
    return Prefix(spec.prefix_bytes or PREFIX_BYTES)


def _kept(route: ResolvedRoute, gateway: ResolvedGateway, annotations: Mapping[str, str]) -> Kept:
    def epoch(client: str) -> str:
        keys = (purge_annotation(route.name, client), purge_annotation("", client))
        said = [annotations.get(key, "") for key in keys]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:8] if any(said) else ""

    cache = route.spec.cache
    return Kept(
        seconds=math.ceil(seconds(cache.ttl)),
        shared=cache.scope == "Shared",
        epoch=epoch(""),
        epochs={client.name: found for client in gateway.clients if (found := epoch(client.name))},
        similar=_similar(route.embedding, cache.similarity, gateway.resting) if route.embedding else None,
    )


def _similar(model: ResolvedModel, similarity: float | None, resting: tuple[ResolvedModel, ...]) -> Similar:
    return Similar(
        model,
        similarity=SIMILARITY if similarity is None else similarity,
        longest=BYTES_PER_TOKEN * (model.spec.context_window or SMALLEST_CONTEXT),
        patience=EMBEDDING_PATIENCE,
        rests=model in resting,
    )


def _choices(route: ResolvedRoute) -> Iterator[Choice]:
    if route.spec.strategy == "leastBusy":
        together = tuple(target.model for target in route.targets if target.weight)
        after = tuple((model,) for model in route.fallbacks if model not in together)
        yield _choice(1, (together, *after), route.spec.retries)
        return
    for way in route.ways:
        yield _in_order(way, route.spec.retries)


def _in_order(way: Way, retries: int) -> Choice:
    return _choice(way.weight, tuple((model,) for model in way.models), retries)


def _choice(weight: int, attempts: tuple[Attempt, ...], retries: int) -> Choice:
    """Attempts that are left over go to further replicas of the first one's. Where a model may be at zero,
    the last attempt waits for it: only a request that nobody else answers waits.
    """
    sleeper = next((model for attempt in attempts for model in attempt if _may_sleep(model)), None)
    if sleeper is None:
        return Choice(weight, _filled(attempts, 1 + retries))
    once = attempts == ((sleeper,),) and not retries
    return Choice(weight, () if once else _filled(attempts, retries), sleeper)


def _filled(attempts: tuple[Attempt, ...], count: int) -> tuple[Attempt, ...]:
    return (*[attempts[0]] * (count - len(attempts)), *attempts)


def _may_sleep(model: ResolvedModel) -> TypeGuard[SelfHostedModel]:
    return isinstance(model, SelfHostedModel) and model.hosted.scaling.min == 0


def _longest_body(route: ResolvedRoute) -> int:
    """Bytes. A route whose target has no contextWindow declares no way for what is too long."""
    windows = (target.model.spec.context_window or 0 for target in route.targets if target.weight)
    return BYTES_PER_TOKEN * min(windows)


def _allowed(route: str, clients: tuple[Client, ...]) -> tuple[str, ...] | None:
    """A client that names no routes may use all of them."""
    if all(not client.routes or route in client.routes for client in clients):
        return None
    return tuple(client.name for client in clients if not client.routes or route in client.routes)
