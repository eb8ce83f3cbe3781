"""spec.gateway: the one endpoint of a stack."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from aistack.api.accesslog import Logging
from aistack.api.base import KeyRef, Model, Money
from aistack.api.invariants import Invariant, ListMap, ListSet
from aistack.api.models import MIN_TO_MAX
from aistack.api.scalars import (
    LINE,
    Count,
    Duration,
    Image,
    Name,
    ObjectName,
    Share,
    Text,
)

Phrase = Annotated[str, StringConstraints(pattern=LINE, min_length=2, max_length=100)]
PerMinute = Annotated[int, Field(ge=1, le=1_000_000_000)]


class GatewayReplicas(Model):
    """How many replicas of the front run."""

    invariants = (MIN_TO_MAX,)

    min: Annotated[int, Field(ge=1, le=1000)] = 2
    """Fewest replicas; default 2."""

    max: Annotated[int, Field(ge=1, le=1000)] = 2
    """Most replicas; default 2."""


class GatewayRef(Model):
    """A Gateway of the Gateway API."""

    name: ObjectName
    """Name of the Gateway."""

    namespace: ObjectName | None = None
    """Its namespace, where a ReferenceGrant or its listener must allow the stack; default the stack's own."""

    scheme: Literal["https", "http"] = "https"
    """How clients call its listener: the status gives the address with it. Default https."""


class CertificateIssuer(Model):
    """An issuer of cert-manager."""

    name: ObjectName
    """Its name."""

    kind: Literal["ClusterIssuer", "Issuer"] = "ClusterIssuer"
    """ClusterIssuer, or an Issuer of the stack's namespace. Default ClusterIssuer."""


class Expose(Model):
    """How the endpoint is reached from outside the cluster."""

    invariants = (
        Invariant(
            "self.type == 'ClusterIP' || has(self.host)",
            "types Ingress and Gateway need host: write one such as support.ai.example.com",
        ),
        Invariant(
            "(self.type == 'Gateway') == has(self.gatewayRef)",
            "write gatewayRef with type Gateway, and only then",
        ),
        Invariant(
            "self.type == 'Ingress' || (!has(self.className) && !has(self.tlsSecretName))",
            "className and tlsSecretName belong to type Ingress: write type: Ingress, or leave them out",
        ),
        Invariant(
            "!has(self.certificateIssuer) || has(self.tlsSecretName)",
            "a certificate needs a place: write tlsSecretName, the Secret that the issuer is to fill",
        ),
    )

    type: Literal["ClusterIP", "Ingress", "Gateway"] = "ClusterIP"
    """ClusterIP stays inside the cluster; Ingress and Gateway publish `host`. Default ClusterIP."""

    host: ObjectName | None = None
    """The public host name; needed by Ingress and Gateway."""

    class_name: ObjectName | None = None
    """IngressClass; default is the cluster's."""

    tls_secret_name: ObjectName | None = None
    """Secret with the host's certificate, for type Ingress; default none."""

    certificate_issuer: CertificateIssuer | None = None
    """Who fills tlsSecretName and renews it: an issuer of cert-manager; default nobody, you fill it."""

    gateway_ref: GatewayRef | None = None
    """The Gateway that publishes the host; needed by type Gateway."""


class Client(Model):
    """Who may call the endpoint, and how much."""

    name: Name
    """The client's name in limits, logs and metrics."""

    secret_key_ref: KeyRef
    """The Secret's key that holds the client's API key."""

    routes: Annotated[tuple[Name, ...], Field(max_length=64), ListSet()] = ()
    """Routes that the client may use; default all."""

    requests_per_minute: PerMinute | None = None
    """Most requests a minute; default no limit."""

    tokens_per_minute: PerMinute | None = None
    """Most tokens of chats a minute, input and output together, counted when an answer ends; needs limitScope
    Global. Default no limit."""

    monthly_limit: Money | None = None
    """Most money a month that managed models and traffic may cost for it, as metered every two minutes, and
    with limitScope Global as the gateway counts each answer: then it gets 429 until the month turns. Default
    no limit."""


class Target(Model):
    """A model that a route sends requests to."""

    model: Name
    """Name of a model of this stack."""

    weight: Annotated[int, Field(ge=0, le=1000)] = 1
    """Its part of the requests, in proportion to the others' weights; 0 sends none. Default 1."""


class RouteLimits(Model):
    """Limits of one route, over all clients."""

    requests_per_minute: PerMinute | None = None
    """Most requests a minute; default no limit."""

    tokens_per_minute: PerMinute | None = None
    """Most tokens of chats a minute, input and output together, counted when an answer ends; needs limitScope
    Global. Default no limit."""

    max_output_tokens: PerMinute | None = None
    """Most tokens of one answer: a client that asks for more, or for nothing, gets this. Default is the
    model's own."""


class RouteCache(Model):
    """Answers that are given again."""

    invariants = (
        Invariant(
            "self.mode != 'Semantic' || has(self.embeddingModel)",
            "mode Semantic needs embeddingModel: write the name of a model with task embedding",
        ),
        Invariant(
            "self.mode == 'Semantic' || (!has(self.embeddingModel) && !has(self.similarity))",
            "embeddingModel and similarity belong to mode Semantic: write mode: Semantic, or leave them out",
        ),
    )

    mode: Literal["Off", "Exact", "Semantic"] = "Off"
    """Exact gives the answer to the same request again, Semantic also to one that differs in the words of its
    last question alone, and in those little; default Off."""

    similarity: Share | None = None
    """How similar two questions must be for Semantic: the least cosine of their embeddings, 0 to 1; default
    0.92."""

    ttl: Duration = "1h"
    """How long an answer is kept, in whole seconds; default 1h."""

    embedding_model: Name | None = None
    """The model of this stack whose embeddings are compared, never at zero; needed by Semantic."""

    scope: Literal["Client", "Shared"] = "Client"
    """Client keeps answers of one client from another; default Client."""


class RouteAffinity(Model):
    """Requests that one replica of a self-hosted model answers while it has room, for it remembers how they
    begin (vLLM's prefix cache): then the beginning is not computed again. A replica that has more than 1.25
    times the mean number of these requests leaves further ones to others."""

    invariants = (
        Invariant(
            "self.by == 'Session' || !has(self.header)",
            "header belongs to by: Session; write that, or leave header out",
        ),
        Invariant(
            "self.by == 'Prefix' || !has(self.prefixBytes)",
            "prefixBytes belongs to by: Prefix; write that, or leave prefixBytes out",
        ),
        Invariant(
            "!has(self.header) || !self.header.matches("
            "'^(authorization|cookie|x-api-key|x-request-id|x-(aistack|envoy|litellm)-.*)$')",
            "the gateway removes this header or writes it itself: write one of your clients', such as "
            "x-session-id",
        ),
    )

    by: Literal["Session", "Prefix"]
    """Session: a client's requests with the same `header`, else with the same `prompt_cache_key` in their
    bodies; one without either goes where it would without affinity. Prefix: chats whose messages are the same
    to the end of the user's first one, as they are in all turns of a conversation, and plain completions
    whose prompts begin alike, whoever asks."""

    header: Name | None = None
    """The request header that names a session, in lower-case letters; default x-session-id."""

    prefix_bytes: Annotated[int, Field(ge=64, le=1024 * 1024)] | None = None
    """How many bytes of its messages or prompt a request's beginning has at most. Fewer than a long system
    prompt has keep together all that begin with it. Default 65536."""


class WhenDown(Model):
    """What is answered when nothing else can answer."""

    message: Text
    """The answer's text."""


class Route(Model):
    """A model name that clients use, and the models behind it."""

    invariants = (
        Invariant(
            "self.targets.exists(target, target.weight > 0)",
            "every target has weight 0: write a weight above 0 for one of them",
        ),
        Invariant(
            "!has(self.fallbacks) || size(self.targets) > 1 || !(self.targets[0].model in self.fallbacks)",
            "the only target is its own fallback: write another model in fallbacks",
        ),
        Invariant(
            "!has(self.longContextFallbacks) || size(self.targets) > 1"
            " || !(self.targets[0].model in self.longContextFallbacks)",
            "the only target is its own longContextFallback: write a model with a larger contextWindow",
        ),
    )

    name: Name
    """The model name that clients send."""

    strategy: Literal["weighted", "leastBusy", "lowestLatency", "lowestCost", "ordered"] = "weighted"
    """How a target is chosen; default weighted. weighted: in proportion to the targets' weights. ordered: the
    first that can answer. lowestCost: so, too, but the cheapest first, by spec.traffic and the PriceBooks;
    what is self-hosted is paid anyway and comes first. lowestLatency: by shares that begin with the weights
    and slowly follow what the answers of each target take. leastBusy: the replica with the fewest requests of
    this route, among all targets, which are self-hosted then."""

    targets: Annotated[tuple[Target, ...], Field(min_length=1, max_length=16), ListMap("model")]
    """The models that answer, each once."""

    fallbacks: Annotated[tuple[Name, ...], Field(max_length=8)] = ()
    """Models to try in this order when the targets fail, time out or are out of budget; default none."""

    long_context_fallbacks: Annotated[tuple[Name, ...], Field(max_length=8)] = ()
    """Models or routes to try instead when a request is too long for a target, at 2 bytes of its body a token
    of the target's contextWindow; default none."""

    timeout: Duration = "10m"
    """Longest time for one attempt: a whole answer is complete by then, a stream has begun; so long a request
    waits for a model that is at zero. Default 10m."""

    first_token_timeout: Duration | None = None
    """Longest time to the first token before the next model is tried; default no limit but `timeout`."""

    retries: Annotated[int, Field(ge=0, le=10)] = 2
    """Attempts after the first; default 2. Every model is tried at least once, further attempts go to other
    replicas of the first."""

    affinity: RouteAffinity | None = None
    """Which requests the same replica answers; default none: each goes to the one with the fewest."""

    limits: RouteLimits = RouteLimits()
    """Limits over all clients."""

    cache: RouteCache = RouteCache()
    """Answers that are given again."""

    guardrails: Annotated[
        tuple[Literal["PIIMask", "PromptInjection"], ...], Field(max_length=2), ListSet()
    ] = ()
    """What is checked before a model sees a request, and a client an answer, streams too; default nothing.
    PIIMask replaces what has the form of personal data, in both; PromptInjection refuses requests that would
    have a model forget what it was told. They know forms and words, and find no others."""

    denied_words: Annotated[tuple[Phrase, ...], Field(max_length=256), ListSet()] = ()
    """Words and phrases with which a request or an answer is refused, in any case, also within longer words;
    default none."""

    allowed_words: Annotated[tuple[Phrase, ...], Field(max_length=256), ListSet()] = ()
    """Words and phrases that guardrails and deniedWords leave alone, in any case, as whole words: the address
    of your own support, a product's name. They allow nothing that reaches beyond them. Default none."""

    when_down: WhenDown | None = None
    """The answer after every fallback has failed; default an error."""


class QueueWorkers(Model):
    """How many of the requests that wait are tried at once: between tries the others wait."""

    invariants = (MIN_TO_MAX,)

    min: Annotated[int, Field(ge=0, le=1000)] = 0
    """So many while models fail, at least one; default 0."""

    max: Annotated[int, Field(ge=1, le=1000)] = 10
    """So many at most while models answer: one more with each answer, half as many after a failure.
    Default 10."""


class Queue(Model):
    """Holds requests that no target or fallback could answer, so that they wait instead of failing. The
    client's connection stays open meanwhile."""

    engine: Literal["redis", "nats"] = "redis"
    """What keeps the order of those that wait: names and numbers, no prompt and no answer. Default redis."""

    max_depth: Count = 10_000
    """Most requests in the queue, of all routes; further ones get the route's whenDown answer, or 429.
    Default 10000."""

    max_wait: Duration = "10m"
    """Longest wait of a request, from when it arrived to the begin of its last try; then it gets the route's
    whenDown answer, or 503. Default 10m."""

    workers: QueueWorkers = QueueWorkers()
    """How many of the requests that wait are tried at once."""


class Gateway(Model):
    """The one endpoint of a stack, in OpenAI's form."""

    engine: Literal["Envoy", "EnvoyAIGateway"] = "Envoy"
    """Envoy runs in the stack; EnvoyAIGateway is the cluster's own. Default Envoy."""

    image: Image | None = None
    """Envoy's image, best by digest; default is the operator's pinned one."""

    replicas: GatewayReplicas = GatewayReplicas()
    """How many replicas of the front run."""

    limit_scope: Literal["Global", "PerReplica"] = "PerReplica"
    """PerReplica: each replica of the front allows as much as a limit says. Global: limits hold over all
    replicas, which a rate-limit service and a Redis of the stack's own count for. Default PerReplica."""

    expose: Expose = Expose()
    """How the endpoint is reached from outside the cluster."""

    clients: Annotated[tuple[Client, ...], Field(max_length=256), ListMap("name")] = ()
    """Who may call; default everyone who reaches the endpoint."""

    logging: Logging = Logging()
    """What is kept of each request."""

    routes: Annotated[tuple[Route, ...], Field(max_length=64), ListMap("name")] = ()
    """The model names that clients use; default one a model, of the model's name. A stream says at its end
    how many tokens it took, as with OpenAI's `include_usage`."""

    queue: Queue | None = None
    """Holds requests that no target or fallback could answer; default none: they fail."""
