"""spec.models: what answers, self-hosted or managed."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from aistack.api.base import (
    Count,
    Credentials,
    Cron,
    Duration,
    Labels,
    Line,
    Model,
    Money,
    Name,
    ObjectName,
    Quantity,
    SecretSource,
    Share,
    Text,
    Uri,
)

Argument = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
Image = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][-a-zA-Z0-9._:/@]*$", max_length=512)]


class EnvVar(Model):
    """One environment variable: a value, or a Secret's key."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=128)]
    value: Text | None = None
    value_from: SecretSource | None = None


class Runtime(Model):
    image: Image | None = None
    version: Annotated[str, StringConstraints(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$", max_length=20)] | None = (
        None
    )
    args: Annotated[tuple[Argument, ...], Field(max_length=64)] = ()
    env: Annotated[tuple[EnvVar, ...], Field(max_length=64)] = ()


class Accelerator(Model):
    class_: ObjectName = Field(alias="class")
    count: Annotated[int, Field(ge=1, le=64)] = 1


class Parallelism(Model):
    tensor: Annotated[int, Field(ge=1, le=64)] = 1
    pipeline: Annotated[int, Field(ge=1, le=64)] = 1
    nodes: Annotated[int, Field(ge=1, le=64)] = 1


class Adapter(Model):
    name: Name
    source: Uri
    revision: Line | None = None


class Cache(Model):
    size: Quantity
    storage_class_name: ObjectName | None = None
    access_mode: Literal["ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany"] = "ReadWriteOnce"


class Resources(Model):
    requests: Annotated[Labels, Field(max_length=16)] = {}
    limits: Annotated[Labels, Field(max_length=16)] = {}


class ScalingTargets(Model):
    waiting_requests: Annotated[int, Field(ge=1, le=10_000)] | None = None
    kv_cache_usage: Share | None = None


class ScheduledScale(Model):
    name: Name
    start: Cron
    end: Cron
    time_zone: Line = "UTC"
    min: Annotated[int, Field(ge=0, le=1000)]
    max: Annotated[int, Field(ge=1, le=1000)]


class Scaling(Model):
    min: Annotated[int, Field(ge=0, le=1000)] = 1
    max: Annotated[int, Field(ge=1, le=1000)] = 1
    targets: ScalingTargets = ScalingTargets()
    scale_down_after: Duration = "5m"
    to_zero_after: Duration | None = None
    schedule: Annotated[tuple[ScheduledScale, ...], Field(max_length=16)] = ()


class Rollout(Model):
    strategy: Literal["Surge", "InPlace"] = "Surge"


class Spot(Model):
    share: Share = 0.0


class SelfHosted(Model):
    source: Annotated[
        str, StringConstraints(pattern=r"^(hf|s3|gs|oci|pvc|mlflow)://[^\s]+$", max_length=1024)
    ]
    revision: Line | None = None
    credentials: Credentials | None = None
    runtime: Runtime = Runtime()
    accelerator: Accelerator
    parallelism: Parallelism = Parallelism()
    adapters: Annotated[tuple[Adapter, ...], Field(max_length=32)] = ()
    cache: Cache | None = None
    resources: Resources = Resources()
    scaling: Scaling = Scaling()
    rollout: Rollout = Rollout()
    spot: Spot = Spot()


Provider = Literal["openai", "anthropic", "azure", "bedrock", "sagemaker", "vertex", "openaiCompatible"]


class Managed(Model):
    provider: Provider
    model: Line
    endpoint: Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$", max_length=1024)] | None = None
    region: Line | None = None
    project: Line | None = None
    api_version: Line | None = None
    credentials: Credentials | None = None
    data_terms: Text | None = None
    monthly_limit: Money | None = None


class AIModel(Model):
    """A name that routes, pipelines and agents refer to, and what is behind it."""

    name: Name
    task: Literal["chat", "embedding", "rerank"] = "chat"
    context_window: Count | None = None
    dimensions: Count | None = None
    license: Line | None = None
    self_hosted: SelfHosted | None = None
    managed: Managed | None = None
