"""AIStack: one AI system, whole."""

from typing import Annotated, Literal

from pydantic import Field

from aistack.api.base import Amount, Currency, Line, Metadata, Model, Name
from aistack.api.gateway import Gateway
from aistack.api.governance import Decision, Governance, Objectives, ValueMetric
from aistack.api.models import AIModel
from aistack.api.retrieval import Agent, Pipeline, Tracking, Traffic, VectorStore

Message = Annotated[str, Field(max_length=4096)]


class AIStackSpec(Model):
    suspend: bool = False
    environment: Literal["production", "staging", "development"] = "development"
    models: Annotated[tuple[AIModel, ...], Field(min_length=1, max_length=32)]
    gateway: Gateway = Gateway()
    vector_stores: Annotated[tuple[VectorStore, ...], Field(max_length=16)] = ()
    pipelines: Annotated[tuple[Pipeline, ...], Field(max_length=32)] = ()
    agents: Annotated[tuple[Agent, ...], Field(max_length=64)] = ()
    tracking: Tracking = Tracking()
    traffic: Traffic | None = None
    objectives: Objectives | None = None
    value: Annotated[tuple[ValueMetric, ...], Field(max_length=32)] = ()
    governance: Governance = Governance()
    decision: Decision | None = None


class Condition(Model):
    type: Line
    status: Literal["True", "False", "Unknown"]
    reason: Line
    message: Message = ""
    last_transition_time: str
    observed_generation: int = 0


class Endpoints(Model):
    gateway: Line | None = None
    public: Line | None = None


class ComponentStatus(Model):
    """One row a part, with the root cause found in pods and events."""

    name: Line
    ready: bool
    reason: Line
    message: Message = ""
    since: str


class InventoryItem(Model):
    """One applied object: what it is, and the digests of what was applied and of the fields we own."""

    group: Annotated[str, Field(max_length=253)] = ""
    kind: Line
    name: Line
    applied: Annotated[str, Field(max_length=64)]
    owned: Annotated[str, Field(max_length=64)]


class MonthlyRange(Model):
    min: Amount
    expected: Amount
    max: Amount


class CostStatus(Model):
    currency: Currency = "USD"
    monthly: MonthlyRange | None = None
    month_to_date: Amount | None = None
    forecast: Amount | None = None
    break_even_tokens: Annotated[int, Field(ge=0, le=1_000_000_000_000_000)] | None = None
    price_book: Line | None = None
    unknown_prices: Annotated[tuple[Line, ...], Field(max_length=64)] = ()


class BudgetShare(Model):
    name: Line
    reserved: Amount
    phase: Literal["Pending", "Committed", "Refused"]


class PolicyStatus(Model):
    passed: Annotated[int, Field(ge=0, le=100_000)] = 0
    failed: Annotated[int, Field(ge=0, le=100_000)] = 0
    warned: Annotated[int, Field(ge=0, le=100_000)] = 0
    waived: Annotated[int, Field(ge=0, le=100_000)] = 0
    report: Line | None = None


class ValueStatus(Model):
    name: Name
    current: float
    monthly_value: Amount | None = None
    roi: float | None = None


class RecordsStatus(Model):
    config_map: Line
    digest: Line


class AIStackStatus(Model):
    observed_generation: int = 0
    conditions: Annotated[tuple[Condition, ...], Field(max_length=16)] = ()
    ready: Line | None = None
    reason: Line | None = None
    models_ready: Line | None = None
    endpoints: Endpoints | None = None
    components: Annotated[tuple[ComponentStatus, ...], Field(max_length=256)] = ()
    inventory: Annotated[tuple[InventoryItem, ...], Field(max_length=1024)] = ()
    cost: CostStatus | None = None
    budgets: Annotated[tuple[BudgetShare, ...], Field(max_length=16)] = ()
    policy: PolicyStatus | None = None
    value: Annotated[tuple[ValueStatus, ...], Field(max_length=32)] = ()
    records: RecordsStatus | None = None


class AIStack(Model):
    api_version: Literal["aistack.dev/v1alpha1"]
    kind: Literal["AIStack"]
    metadata: Metadata
    spec: AIStackSpec
    status: AIStackStatus = AIStackStatus()
