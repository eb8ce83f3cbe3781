"""spec.models: what answers, self-hosted or managed."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from aistack.api.base import Credentials, Model, Money, SecretSource
from aistack.api.invariants import Invariant, ListMap
from aistack.api.scalars import (
    KEYS,
    ApiVersion,
    Count,
    Cron,
    Duration,
    HttpUrl,
    Image,
    IntOrQuantity,
    Line,
    Name,
    ObjectName,
    PartName,
    Project,
    Quantity,
    Region,
    Share,
    Source,
    Text,
    TimeZone,
    Uri,
    VariableName,
    Version,
)

Argument = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
Replicas = Annotated[int, Field(ge=0, le=1000)]
MIN_TO_MAX = Invariant("self.min <= self.max", "min is above max: write a max of at least min")
GROWS_ONLY = Invariant(
    "quantity(self.size).compareTo(quantity(oldSelf.size)) >= 0",
    "a volume can't shrink: write the size that it has, or a larger one",
)
SAME_VOLUME = Invariant(
    "self.accessMode == oldSelf.accessMode && has(self.storageClassName) == has(oldSelf.storageClassName)"
    " && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)",
    "a volume's storageClassName and accessMode can't change: remove the cache, then write it anew",
)


class EnvVar(Model):
    """One environment variable: a value, or a Secret's key."""

    invariants = (
        Invariant("has(self.value) != has(self.valueFrom)", "write exactly one of value and valueFrom"),
    )

    name: VariableName
    """The variable's name."""

    value: Text | None = None
    """The value as it stands; never a secret."""

    value_from: SecretSource | None = None
    """The Secret's key that holds the value."""


class Runtime(Model):
    """The server that loads the model: vLLM."""

    image: Image | None = None
    """Container image, best by digest; default is the operator's pinned vLLM image."""

    version: Version | None = None
    """vLLM's version in the image, such as 0.33.0; decides which flags may be written. Default: that in
    the image's tag, or else that of the operator's image."""

    args: Annotated[tuple[Argument, ...], Field(max_length=64)] = ()
    """Further arguments of `vllm serve`, one item each, never through a shell; default none."""

    env: Annotated[tuple[EnvVar, ...], Field(max_length=64), ListMap("name")] = ()
    """Further environment variables; default none."""


class Accelerator(Model):
    """What a replica computes on."""

    class_: ObjectName = Field(alias="class")
    """Name of an AcceleratorClass, or cpu for none."""

    count: Annotated[int, Field(ge=1, le=64)] = 1
    """Accelerators per node; default 1."""


class Parallelism(Model):
    """How one replica is spread over accelerators and nodes."""

    tensor: Annotated[int, Field(ge=1, le=64)] = 1
    """Accelerators that share each layer; default 1."""

    pipeline: Annotated[int, Field(ge=1, le=64)] = 1
    """Stages that the layers are cut into; default 1."""

    nodes: Annotated[int, Field(ge=1, le=64)] = 1
    """Nodes of one replica; above 1 it becomes a Ray cluster or a LeaderWorkerSet. Default 1."""


class Adapter(Model):
    """A LoRA adapter, served beside the model under its own name."""

    name: Name
    """The name that clients ask for."""

    source: Uri
    """Where the adapter's weights are, such as hf://owner/name."""

    revision: Line | None = None
    """Commit or version of the weights; default is the newest at the time of download."""


class Cache(Model):
    """A volume that keeps downloaded weights, so that a new replica doesn't download them again."""

    invariants = (GROWS_ONLY, SAME_VOLUME)

    size: Quantity
    """Size of the volume, such as 40Gi; it can grow, not shrink."""

    storage_class_name: ObjectName | None = None
    """StorageClass; default is the cluster's."""

    access_mode: Literal["ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany"] = "ReadWriteOnce"
    """How nodes share the volume; default ReadWriteOnce."""


class Resources(Model):
    """CPU, memory and other countable resources of one pod."""

    requests: Annotated[dict[str, IntOrQuantity], Field(max_length=16), KEYS] = {}
    """What the scheduler sets aside, such as cpu: 4 (cores) and memory: 24Gi; default from the model."""

    limits: Annotated[dict[str, IntOrQuantity], Field(max_length=16), KEYS] = {}
    """What the pod may not exceed; default none but the accelerators."""


class ScalingTargets(Model):
    """What the autoscaler holds each replica at."""

    waiting_requests: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Requests waiting in vLLM per replica, above which one is added; default 5."""

    kv_cache_usage: Share | None = None
    """Part of the KV cache in use, 0 to 1, above which a replica is added; default not looked at."""


class ScheduledScale(Model):
    """Other bounds at certain hours."""

    invariants = (MIN_TO_MAX,)

    name: Name
    """Name of the schedule."""

    start: Cron
    """When it begins: five cron fields, such as "0 20 * * *"."""

    end: Cron
    """When it ends: five cron fields."""

    time_zone: TimeZone = "UTC"
    """Time zone of both, such as Europe/Berlin; default UTC."""

    min: Replicas
    """Fewest replicas in these hours."""

    max: Annotated[int, Field(ge=1, le=1000)]
    """Most replicas in these hours."""


class Scaling(Model):
    """How many replicas run; min equal to max is a fixed number."""

    invariants = (
        MIN_TO_MAX,
        Invariant(
            "!has(self.toZeroAfter) || self.min == 0",
            "toZeroAfter needs min: 0: write min: 0, or leave toZeroAfter out",
        ),
    )

    min: Replicas = 1
    """Fewest replicas; with 0 the model is at zero until a request comes, which waits while it starts.
    Default 1."""

    max: Annotated[int, Field(ge=1, le=1000)] = 1
    """Most replicas; default 1."""

    targets: ScalingTargets = ScalingTargets()
    """What decides that a replica is added or removed, from vLLM's own metrics."""

    scale_down_after: Duration = "5m"
    """How long demand must be low before a replica is removed; default 5m."""

    to_zero_after: Duration | None = None
    """How long without a request before the last replica ends; only with min: 0. Default never: it stays once
    a request has started it."""

    schedule: Annotated[tuple[ScheduledScale, ...], Field(max_length=16), ListMap("name")] = ()
    """Other bounds at certain hours; default none."""


class Rollout(Model):
    """How a changed model replaces the old one."""

    strategy: Literal["Surge", "InPlace"] = "Surge"
    """Surge starts the new replica first and needs a spare set of accelerators; InPlace stops the old one
    first. Default Surge."""


class Spot(Model):
    """Capacity that the cloud may take back."""

    share: Share = 0.0
    """Part of the replicas that run on spot nodes, 0 to 1; default 0."""


class SelfHosted(Model):
    """A model that vLLM serves in the cluster."""

    source: Source
    """Where the weights are: hf://owner/name, s3://, gs://, oci://, pvc:// or mlflow://."""

    revision: Line | None = None
    """Commit or version of the weights; default is the newest at the time of download."""

    credentials: Credentials | None = None
    """What opens the source; default none."""

    runtime: Runtime = Runtime()
    """The server's image, version, arguments and environment."""

    accelerator: Accelerator
    """What a replica computes on."""

    parallelism: Parallelism = Parallelism()
    """How one replica is spread over accelerators and nodes."""

    adapters: Annotated[tuple[Adapter, ...], Field(max_length=32), ListMap("name")] = ()
    """LoRA adapters, each served under its own name; default none."""

    cache: Cache | None = None
    """A volume for the weights; default none: each replica downloads them."""

    resources: Resources = Resources()
    """CPU, memory and other resources of each pod."""

    scaling: Scaling = Scaling()
    """How many replicas run, and what decides it."""

    rollout: Rollout = Rollout()
    """How a changed model replaces the old one."""

    tokens_per_second: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    """Tokens a second, read and written together, that one replica serves under full load, as a load test
    found; the cost's expected replicas and break-even are computed from it. Default what was measured while
    requests waited, or else unknown."""

    spot: Spot = Spot()
    """Use of capacity that the cloud may take back."""


Provider = Literal["openai", "anthropic", "azure", "bedrock", "sagemaker", "vertex", "openaiCompatible"]


class Managed(Model):
    """A model that a provider serves."""

    invariants = (
        Invariant(
            "self.provider != 'azure' || (has(self.endpoint) && has(self.apiVersion))",
            "provider azure needs endpoint and apiVersion: write both",
        ),
        Invariant(
            "!(self.provider in ['bedrock', 'sagemaker']) || has(self.region)",
            "providers bedrock and sagemaker need region: write one such as eu-central-1",
        ),
        Invariant(
            "self.provider != 'vertex' || (has(self.project) && has(self.region))",
            "provider vertex needs project and region: write both",
        ),
        Invariant(
            "self.provider != 'openaiCompatible' || has(self.endpoint)",
            "provider openaiCompatible needs endpoint: write one such as https://host/v1",
        ),
    )

    provider: Provider
    """Who serves it."""

    model: Line
    """The model's name at the provider."""

    endpoint: HttpUrl | None = None
    """The provider's address; needed by azure and openaiCompatible, default is the provider's own."""

    region: Region | None = None
    """The provider's region; needed by bedrock, sagemaker and vertex. Residency rules read it."""

    project: Project | None = None
    """The cloud project; needed by vertex."""

    api_version: ApiVersion | None = None
    """The API's version; needed by azure."""

    credentials: Credentials | None = None
    """What opens the provider; default none."""

    data_terms: Text | None = None
    """Where it is agreed what the provider may do with the data, such as a contract's number."""

    monthly_limit: Money | None = None
    """Most money a month, as metered every two minutes, and with limitScope Global as the gateway counts each
    answer: then the gateway asks the model no more until the month turns, and its routes lead to their other
    models, or answer 402. Default none."""


class AIModel(Model):
    """A name that routes, pipelines and agents refer to, and what is behind it."""

    invariants = (
        Invariant("has(self.selfHosted) != has(self.managed)", "write exactly one of selfHosted and managed"),
        Invariant(
            "!has(self.dimensions) || self.task == 'embedding'",
            "dimensions belong to task embedding: write task: embedding, or leave dimensions out",
        ),
    )

    name: PartName
    """The name that the rest of the stack uses; what is behind it can be swapped."""

    task: Literal["chat", "embedding", "rerank"] = "chat"
    """What the model does; default chat."""

    context_window: Count | None = None
    """Most tokens of a request and its answer; default is the model's own."""

    dimensions: Count | None = None
    """Length of an embedding's vector; only with task embedding. Recorded: the model's own is what comes."""

    license: Line | None = None
    """Licence of the weights, such as apache-2.0; policies read it."""

    self_hosted: SelfHosted | None = None
    """Served by vLLM in the cluster."""

    managed: Managed | None = None
    """Served by a provider."""
