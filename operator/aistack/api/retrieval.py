"""spec.vectorStores, pipelines, agents, tracking: what knows, looks up and acts."""

from typing import Annotated, Literal

from pydantic import Field

from aistack.api.base import (
    ConfigMapSource,
    Count,
    Credentials,
    Cron,
    Duration,
    Line,
    Model,
    Name,
    ObjectName,
    Quantity,
    Share,
    Uri,
)


class Storage(Model):
    size: Quantity
    storage_class_name: ObjectName | None = None


class Backup(Model):
    schedule: Cron
    keep: Annotated[int, Field(ge=1, le=1000)] = 7
    destination: Uri
    credentials: Credentials | None = None


class VectorStore(Model):
    name: Name
    engine: Literal["qdrant", "pgvector", "chroma", "weaviate", "milvus"]
    replicas: Annotated[int, Field(ge=1, le=100)] = 1
    storage: Storage
    backup: Backup | None = None


class PipelineSource(Model):
    name: Name
    type: Literal["s3", "gs", "http", "git", "pvc", "kafka"]
    uri: Uri
    mode: Literal["Batch", "Stream"] = "Batch"
    schedule: Cron | None = None
    credentials: Credentials | None = None


class Chunking(Model):
    size: Annotated[int, Field(ge=16, le=100_000)] = 800
    overlap: Annotated[int, Field(ge=0, le=50_000)] = 100


class Answer(Model):
    route: Name
    top_k: Annotated[int, Field(ge=1, le=100)] = 6
    min_score: Share = 0.0
    name: Name


class Pipeline(Model):
    name: Name
    vector_store: Name
    embedding_model: Name
    sources: Annotated[tuple[PipelineSource, ...], Field(min_length=1, max_length=32)]
    chunking: Chunking = Chunking()
    answer: Answer | None = None


class Mcp(Model):
    url: Annotated[str, Field(pattern=r"^https?://[^\s]+$", max_length=1024)]


class Tool(Model):
    name: Name
    pipeline: Name | None = None
    mcp: Mcp | None = None


class AgentState(Model):
    store: Name


class AgentLimits(Model):
    max_steps: Annotated[int, Field(ge=1, le=1000)] = 12
    timeout: Duration = "60s"


class OnFailure(Model):
    fallback: Line


class Agent(Model):
    name: Name
    route: Name
    instructions: ConfigMapSource
    delegates_to: Annotated[tuple[Name, ...], Field(max_length=32)] = ()
    tools: Annotated[tuple[Tool, ...], Field(max_length=64)] = ()
    state: AgentState | None = None
    limits: AgentLimits = AgentLimits()
    on_failure: OnFailure | None = None


class Mlflow(Model):
    enabled: bool = False
    storage: Storage | None = None


class Tracking(Model):
    mlflow: Mlflow = Mlflow()


class Traffic(Model):
    requests_per_month: Annotated[int, Field(ge=0, le=1_000_000_000_000)]
    input_tokens: Count
    output_tokens: Count
    peak_factor: Annotated[float, Field(ge=1, le=1000)] = 1.0
    cache_hit_ratio: Share = 0.0
