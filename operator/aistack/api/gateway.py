"""spec.gateway: the one endpoint of a stack."""

from typing import Annotated, Literal

from pydantic import Field

from aistack.api.base import (
    Count,
    Duration,
    KeyRef,
    Line,
    Model,
    Money,
    Name,
    ObjectName,
    Share,
    Text,
)
from aistack.api.models import Image

PerMinute = Annotated[int, Field(ge=1, le=1_000_000_000)]


class GatewayReplicas(Model):
    min: Annotated[int, Field(ge=1, le=1000)] = 2
    max: Annotated[int, Field(ge=1, le=1000)] = 2


class GatewayRef(Model):
    name: ObjectName
    namespace: ObjectName | None = None


class Expose(Model):
    type: Literal["ClusterIP", "Ingress", "Gateway"] = "ClusterIP"
    host: ObjectName | None = None
    class_name: ObjectName | None = None
    tls_secret_name: ObjectName | None = None
    gateway_ref: GatewayRef | None = None


class Client(Model):
    name: Name
    secret_key_ref: KeyRef
    routes: Annotated[tuple[Name, ...], Field(max_length=64)] = ()
    requests_per_minute: PerMinute | None = None
    tokens_per_minute: PerMinute | None = None
    monthly_limit: Money | None = None


class LogSink(Model):
    secret_key_ref: KeyRef
    region: Line | None = None


class Logging(Model):
    retention: Duration | None = None
    sink: LogSink | None = None
    redact: Annotated[tuple[Literal["PII", "Secrets"], ...], Field(max_length=2)] = ()


class Target(Model):
    model: Name
    weight: Annotated[int, Field(ge=0, le=1000)] = 1


class RouteLimits(Model):
    requests_per_minute: PerMinute | None = None
    tokens_per_minute: PerMinute | None = None
    max_output_tokens: PerMinute | None = None


class RouteCache(Model):
    mode: Literal["Off", "Exact", "Semantic"] = "Off"
    similarity: Share | None = None
    ttl: Duration = "1h"
    embedding_model: Name | None = None
    scope: Literal["Client", "Shared"] = "Client"


class WhenDown(Model):
    message: Text


class Route(Model):
    name: Name
    strategy: Literal["weighted", "leastBusy", "lowestLatency", "lowestCost", "ordered"] = "weighted"
    targets: Annotated[tuple[Target, ...], Field(min_length=1, max_length=16)]
    fallbacks: Annotated[tuple[Name, ...], Field(max_length=8)] = ()
    long_context_fallbacks: Annotated[tuple[Name, ...], Field(max_length=8)] = ()
    timeout: Duration = "10m"
    first_token_timeout: Duration | None = None
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    limits: RouteLimits = RouteLimits()
    cache: RouteCache = RouteCache()
    guardrails: Annotated[tuple[Literal["PIIMask", "PromptInjection"], ...], Field(max_length=8)] = ()
    when_down: WhenDown | None = None


class QueueWorkers(Model):
    min: Annotated[int, Field(ge=0, le=1000)] = 0
    max: Annotated[int, Field(ge=1, le=1000)] = 10


class Queue(Model):
    engine: Literal["redis", "nats"] = "redis"
    max_depth: Count = 10_000
    max_wait: Duration = "10m"
    workers: QueueWorkers = QueueWorkers()


class Gateway(Model):
    engine: Literal["Envoy", "EnvoyAIGateway"] = "Envoy"
    image: Image | None = None
    replicas: GatewayReplicas = GatewayReplicas()
    limit_scope: Literal["Global", "PerReplica"] = "PerReplica"
    expose: Expose = Expose()
    clients: Annotated[tuple[Client, ...], Field(max_length=256)] = ()
    logging: Logging = Logging()
    routes: Annotated[tuple[Route, ...], Field(max_length=64)] = ()
    queue: Queue | None = None
