"""AIStack: one AI system, whole."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError

from aistack.api.base import Metadata, Model
from aistack.api.gateway import Gateway
from aistack.api.governance import Decision, Governance, Objectives, ValueMetric
from aistack.api.invariants import Invariant, ListMap
from aistack.api.models import AIModel
from aistack.api.retrieval import Agent, Pipeline, Tracking, Traffic, VectorStore
from aistack.api.scalars import Amount, Currency, Line, Name, Timestamp

Environment = Literal["production", "staging", "development"]
Message = Annotated[str, Field(max_length=4096)]
Generation = Annotated[int, Field(ge=0)]
RuleCount = Annotated[int, Field(ge=0, le=100_000)]
RuleName = Annotated[str, Field(max_length=288)]


class AIStackSpec(Model):
    """What is wanted."""

    suspend: bool = False
    """The kill switch: every workload goes to zero, data is kept. Default false."""

    environment: Environment = "development"
    """What the stack is for; policies match on it. Default development."""

    models: Annotated[tuple[AIModel, ...], Field(min_length=1, max_length=32), ListMap("name")]
    """The models, by the names that routes, pipelines and agents use."""

    gateway: Gateway = Gateway()
    """The one endpoint; default one route a model, of the model's name."""

    vector_stores: Annotated[tuple[VectorStore, ...], Field(max_length=16), ListMap("name")] = ()
    """Databases of embeddings; default none."""

    pipelines: Annotated[tuple[Pipeline, ...], Field(max_length=32), ListMap("name")] = ()
    """Retrieval-augmented generation; default none."""

    agents: Annotated[tuple[Agent, ...], Field(max_length=64), ListMap("name")] = ()
    """A graph of agents that hand work to each other; default none."""

    tracking: Tracking = Tracking()
    """Experiments, evaluations and the registry of models."""

    traffic: Traffic | None = None
    """The load that is expected; default unknown, and then the cost is that of what runs."""

    objectives: Objectives | None = None
    """What users may rely on; default no promise."""

    value: Annotated[tuple[ValueMetric, ...], Field(max_length=32), ListMap("name")] = ()
    """What the stack is worth; default not tracked."""

    governance: Governance = Governance()
    """Who answers for the system and under which rules it stands."""

    decision: Decision | None = None
    """Why it is as it is; default not said."""


class Condition(Model):
    """One concern, as kstatus and kubectl wait read it."""

    type: Line
    """What the condition is about: a member of ConditionType."""

    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""

    reason: Line
    """Why, as one word: a member of Reason, documented in docs/reasons.md."""

    message: Message = ""
    """Why, as a sentence that names the part, the pod and the cause; default empty."""

    last_transition_time: Timestamp
    """When the status last changed (UTC)."""

    observed_generation: Generation = 0
    """The metadata.generation that this was said about; default 0."""


class Endpoints(Model):
    """Where the stack answers."""

    gateway: Line | None = None
    """The URL inside the cluster."""

    public: Line | None = None
    """The URL outside the cluster, when it is exposed."""


class ComponentStatus(Model):
    """One row a part, with the root cause found in pods and events."""

    name: Line
    """Kind and name of the part, such as model/llama."""

    ready: bool
    """Whether it answers."""

    reason: Line
    """Why, as one word: a member of Reason."""

    message: Message = ""
    """Why, as a sentence; default empty."""

    since: Timestamp
    """Since when it has been so (UTC)."""


class InventoryItem(Model):
    """One applied object: what it is, and the digests of what was applied and of the fields we own."""

    group: Annotated[str, Field(max_length=253)] = ""
    """API group; default empty, the core group."""

    kind: Line
    """The object's kind."""

    name: Line
    """The object's name, in the stack's namespace."""

    applied: Annotated[str, Field(max_length=64)]
    """Digest of what was applied."""

    owned: Annotated[str, Field(max_length=64)]
    """Digest of the fields that the operator owns."""


class MonthlyRange(Model):
    """What a month costs, as decimal strings."""

    min: Amount
    """With the fewest replicas."""

    expected: Amount
    """With the declared traffic."""

    max: Amount
    """With the most replicas."""


class LimitStatus(Model):
    """What is spent of a monthlyLimit."""

    part: Line
    """Whose it is: model/gpt, client/web."""

    spent: Amount
    """Since the month began, a decimal string."""

    stopped: bool
    """Whether the gateway asks the model no more, or answers the client with 429."""

    until: Timestamp
    """When the month turns (UTC)."""


class MeasuredThroughput(Model):
    """How much a replica of a self-hosted model has served while requests waited for it."""

    model: Name
    """The model's name."""

    tokens_per_second: Annotated[int, Field(ge=1, le=10_000_000)]
    """Read and written together: the median of the last times in which requests waited."""

    since: Timestamp
    """When the first of these times began (UTC)."""

    replica: Line
    """Digest of what a replica was then: weights, vLLM, accelerators. For another one it says nothing."""


class CostStatus(Model):
    """What the stack costs, as decimal strings in `currency`."""

    currency: Currency = "USD"
    """Three letters of ISO 4217; default USD."""

    monthly: MonthlyRange | None = None
    """The estimate for a month of 730 hours."""

    counted: MonthlyRange | None = None
    """What budgets count of it, to the millionth: the estimate without what was measured."""

    month_to_date: Amount | None = None
    """Spent since the month began."""

    forecast: Amount | None = None
    """Expected at the month's end."""

    unread_since: Timestamp | None = None
    """Since when a gateway of the stack, or all of it, can't be metered (UTC): what came since may be missing
    in monthToDate and limits until it can. Default all is read."""

    break_even_tokens: Annotated[int, Field(ge=0, le=1_000_000_000_000_000)] | None = None
    """Tokens a month above which self-hosting is cheaper than the managed alternative."""

    price_book: Line | None = None
    """The PriceBook that the estimate was made with, and its date."""

    unknown_prices: Annotated[tuple[Line, ...], Field(max_length=64)] = ()
    """What has no price and is therefore not in the sums; default nothing."""

    throughput: Annotated[tuple[MeasuredThroughput, ...], Field(max_length=32), ListMap("model")] = ()
    """What replicas have served under full load; the estimate and the break-even stand on it where no
    tokensPerSecond is declared. Default nothing is measured yet."""

    limits: Annotated[tuple[LimitStatus, ...], Field(max_length=1056), ListMap("part")] = ()
    """What is spent of each monthlyLimit; default none is set, or nothing is metered yet."""


class BudgetShare(Model):
    """What the stack holds of one budget."""

    name: Line
    """The AIBudget's name."""

    reserved: Amount
    """Reserved a month, a decimal string in the budget's currency."""

    phase: Literal["Pending", "Committed", "Refused"]
    """Pending until the controller has committed it; Refused when it didn't fit."""


class PolicyStatus(Model):
    """How many rules were kept."""

    passed: RuleCount = 0
    """Rules kept; default 0."""

    failed: RuleCount = 0
    """Rules broken that deny; default 0."""

    warned: RuleCount = 0
    """Rules broken that warn; default 0."""

    waived: RuleCount = 0
    """Rules broken under an exception; default 0."""

    broken: Annotated[tuple[RuleName, ...], Field(max_length=128)] = ()
    """The rules that what runs breaks, as policy/rule, also those that only report; of a stack that was never
    let in, those that keep it out and all else that it breaks. Default none."""

    report: Line | None = None
    """Name of the report with a row a rule."""


class RecordsStatus(Model):
    """Where the records are."""

    config_map: Line | None = None
    """The ConfigMap with the compliance checklist, the diagram and the cost plan of what runs."""

    digest: Line
    """Digest of what the records say."""

    since: Timestamp
    """When they began to say it (UTC)."""

    objects: Annotated[tuple[InventoryItem, ...], Field(max_length=4), ListMap("group", "kind", "name")] = ()
    """What was written; one that somebody edits is put back."""


class TargetShare(Model):
    """What a target gets of a route's requests."""

    model: Name
    """The model's name."""

    percent: Annotated[int, Field(ge=0, le=100)]
    """Its part of the requests that are sent to the targets."""

    milliseconds: Annotated[int, Field(ge=0)] | None = None
    """What its answers took in the mean when the shares were last moved; absent before it was measured."""


class RouteStatus(Model):
    """How the requests of a route are shared out now."""

    name: Name
    """The route's name."""

    targets: Annotated[tuple[TargetShare, ...], Field(max_length=16), ListMap("model")]
    """The share of each target."""

    since: Timestamp
    """When they became so (UTC)."""


class AIStackStatus(Model):
    """What is true."""

    observed_generation: Generation = 0
    """The metadata.generation that this status is about; default 0."""

    conditions: Annotated[tuple[Condition, ...], Field(max_length=16), ListMap("type")] = ()
    """Ready, Reconciling and Stalled as kstatus reads them, then one a concern."""

    models_ready: Line | None = None
    """Models that answer over models wanted, such as 2/3."""

    endpoints: Endpoints | None = None
    """Where the stack answers."""

    components: Annotated[tuple[ComponentStatus, ...], Field(max_length=256), ListMap("name")] = ()
    """One row a part."""

    inventory: Annotated[
        tuple[InventoryItem, ...], Field(max_length=1024), ListMap("group", "kind", "name")
    ] = ()
    """What was applied; an object that is here and no longer wanted is deleted."""

    routes: Annotated[tuple[RouteStatus, ...], Field(max_length=64), ListMap("name")] = ()
    """The routes of the strategy lowestLatency, whose shares follow what is measured."""

    cost: CostStatus | None = None
    """What the stack costs."""

    budgets: Annotated[tuple[BudgetShare, ...], Field(max_length=16), ListMap("name")] = ()
    """What the stack holds of each budget."""

    policy: PolicyStatus | None = None
    """How many rules were kept."""

    records: RecordsStatus | None = None
    """Where the records are."""

    @classmethod
    def of(cls, raw: dict[str, Any]) -> Self:
        """That of an AIStack as it is; one that another version wrote, and that can't be read, is none."""
        try:
            return cls.parse(raw.get("status", {}))
        except ValidationError:
            return cls()

    @property
    def broken(self) -> tuple[str, ...]:
        """The rules that what runs breaks."""
        return self.policy.broken if self.policy else ()


class AIStack(Model):
    """One AI system: its models, routes, stores, pipelines and agents, and the promises it makes."""

    invariants = (
        Invariant(
            "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$') && size(self.metadata.name) <= 30",
            "the names of Services begin with the stack's: write a metadata.name of at most 30 lower-case"
            " letters, digits and '-' that begins with a letter",
        ),
    )

    api_version: Literal["aistack.dev/v1alpha1"]
    kind: Literal["AIStack"]
    metadata: Metadata
    spec: AIStackSpec
    """What is wanted."""

    status: AIStackStatus = AIStackStatus()
    """What is true; written by the operator."""

    def suspended(self) -> Self:
        """The same, switched off."""
        return self.model_copy(update={"spec": self.spec.model_copy(update={"suspend": True})})
