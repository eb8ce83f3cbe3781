"""spec.vectorStores, pipelines, agents, tracking, traffic: what knows, looks up and acts."""

from typing import Annotated, Literal

from pydantic import Field

from aistack.api.base import ConfigMapSource, Credentials, Model
from aistack.api.invariants import Invariant, ListMap, ListSet
from aistack.api.models import GROWS_ONLY
from aistack.api.scalars import (
    Count,
    Cron,
    Duration,
    HttpUrl,
    Line,
    Name,
    ObjectName,
    PartName,
    Quantity,
    Share,
    Uri,
)


class Storage(Model):
    """A volume."""

    invariants = (GROWS_ONLY,)

    size: Quantity
    """Size of the volume, such as 50Gi; it can grow, not shrink."""

    storage_class_name: ObjectName | None = None
    """StorageClass; default is the cluster's."""


class Backup(Model):
    """Copies of a store, outside the cluster."""

    schedule: Cron
    """When a copy is made: five cron fields in UTC, such as "0 3 * * *"."""

    keep: Annotated[int, Field(ge=1, le=1000)] = 7
    """How many copies are kept; default 7."""

    destination: Uri
    """Where copies go, such as s3://bucket/path."""

    credentials: Credentials | None = None
    """What opens the destination; default none."""


class VectorStore(Model):
    """A database of embeddings."""

    invariants = (
        Invariant(
            "self.engine == oldSelf.engine",
            "a store's engine can't change: write a second store and move the data",
        ),
        Invariant(
            "self.engine != 'chroma' || self.replicas == 1",
            "chroma runs as one replica: write replicas: 1, or another engine",
        ),
    )

    name: PartName
    """The name that pipelines and agents refer to."""

    engine: Literal["qdrant", "pgvector", "chroma", "weaviate", "milvus"]
    """Which database; it can't change."""

    replicas: Annotated[int, Field(ge=1, le=100)] = 1
    """How many replicas run; default 1."""

    storage: Storage
    """The volume of each replica."""

    backup: Backup | None = None
    """Copies outside the cluster; default none."""


class PipelineSource(Model):
    """Where documents come from."""

    invariants = (
        Invariant(
            "(self.type == 'kafka') == (self.mode == 'Stream')",
            "type kafka is read as a stream, all others in batches: write mode: Stream with kafka only",
        ),
        Invariant(
            "self.mode == 'Batch' || !has(self.schedule)",
            "a stream has no schedule: leave schedule out, or write mode: Batch",
        ),
    )

    name: Name
    """Name of the source."""

    type: Literal["s3", "gs", "http", "git", "pvc", "kafka"]
    """What kind of place it is."""

    uri: Uri
    """Where it is, such as s3://bucket/path/ or kafka://broker:9092/topic."""

    mode: Literal["Batch", "Stream"] = "Batch"
    """Batch reads all at certain times, Stream reads each document as it comes (kafka); default Batch."""

    schedule: Cron | None = None
    """When a batch runs: five cron fields in UTC; default once, and again when the pipeline changes."""

    credentials: Credentials | None = None
    """What opens the source; default none."""


class Chunking(Model):
    """How documents are cut before they are embedded."""

    invariants = (
        Invariant("self.overlap < self.size", "overlap isn't below size: write an overlap smaller than size"),
    )

    size: Annotated[int, Field(ge=16, le=100_000)] = 800
    """Tokens of a piece; default 800."""

    overlap: Annotated[int, Field(ge=0, le=50_000)] = 100
    """Tokens that a piece shares with the one before; default 100."""


class Answer(Model):
    """The pipeline as a model of its own at the gateway: it looks up, then answers."""

    route: Name
    """The route that writes the answer."""

    top_k: Annotated[int, Field(ge=1, le=100)] = 6
    """Pieces that are handed to the model; default 6."""

    min_score: Share = 0.0
    """Least similarity of a piece, 0 to 1; default 0."""

    name: Name
    """The model name that clients send."""


class Pipeline(Model):
    """Retrieval-augmented generation: sources, cut and embedded into a store."""

    name: PartName
    """Name of the pipeline; agents refer to it."""

    vector_store: Name
    """Name of a store of this stack."""

    embedding_model: Name
    """Name of a model of this stack with task embedding."""

    sources: Annotated[tuple[PipelineSource, ...], Field(min_length=1, max_length=32), ListMap("name")]
    """Where documents come from."""

    chunking: Chunking = Chunking()
    """How documents are cut."""

    answer: Answer | None = None
    """The pipeline as a model at the gateway; default none."""


class Mcp(Model):
    """A server of the Model Context Protocol."""

    url: HttpUrl
    """Its address."""


class Tool(Model):
    """Something that an agent can use: exactly one of a pipeline and an MCP server."""

    invariants = (Invariant("has(self.pipeline) != has(self.mcp)", "write exactly one of pipeline and mcp"),)

    name: Name
    """The tool's name, as the model sees it."""

    pipeline: Name | None = None
    """A pipeline of this stack that the agent can ask."""

    mcp: Mcp | None = None
    """An MCP server that the agent can call."""


class AgentState(Model):
    """Where an agent keeps what it must remember."""

    store: Name
    """Name of a store of this stack."""


class AgentLimits(Model):
    """Where an agent stops."""

    max_steps: Annotated[int, Field(ge=1, le=1000)] = 12
    """Most calls of models and tools for one task; default 12."""

    timeout: Duration = "60s"
    """Longest time of one task; default 60s."""


class OnFailure(Model):
    """What happens to a task that an agent couldn't end."""

    fallback: Line
    """Who takes it, such as human-queue."""


class Agent(Model):
    """One node in a graph of agents that hand work to each other."""

    invariants = (
        Invariant(
            "!has(self.delegatesTo) || !(self.name in self.delegatesTo)",
            "an agent can't delegate to itself: write another agent's name in delegatesTo",
        ),
    )

    name: PartName
    """Name of the agent."""

    route: Name
    """The route whose model it thinks with."""

    instructions: ConfigMapSource
    """The text that tells it what to do."""

    delegates_to: Annotated[tuple[Name, ...], Field(max_length=32), ListSet()] = ()
    """Agents of this stack that it may hand work to; default none."""

    tools: Annotated[tuple[Tool, ...], Field(max_length=64), ListMap("name")] = ()
    """What it can use; default nothing."""

    state: AgentState | None = None
    """Where it remembers; default it forgets after each task."""

    limits: AgentLimits = AgentLimits()
    """Where it stops."""

    on_failure: OnFailure | None = None
    """What happens to a task that it couldn't end; default an error to the caller."""


class Mlflow(Model):
    """An MLflow server of the stack."""

    enabled: bool = False
    """Whether it runs; default false."""

    storage: Storage | None = None
    """The volume for its files; default none: they are lost with the pod."""


class Tracking(Model):
    """Experiments, evaluations and the registry of models."""

    mlflow: Mlflow = Mlflow()
    """An MLflow server of the stack."""


class Traffic(Model):
    """The load that is expected: the cost, the capacity plan and the budget are computed from it."""

    requests_per_month: Annotated[int, Field(ge=0, le=1_000_000_000_000)]
    """Requests a month."""

    input_tokens: Count
    """Mean tokens of a request."""

    output_tokens: Count
    """Mean tokens of an answer."""

    peak_factor: Annotated[float, Field(ge=1, le=1000)] = 1.0
    """The busiest minute's requests over the mean minute's; default 1. Recorded: nothing is sized by it."""

    cache_hit_ratio: Share = 0.0
    """Part of the requests to routes with a cache that it answers, 0 to 1; default 0. A month's cost at most
    doesn't count on it."""
