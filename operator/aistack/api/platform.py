"""The platform team's kinds: AIBudget, AIPolicy, AIPolicyException, AcceleratorClass, PriceBook."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from aistack.api.base import (
    Amount,
    Currency,
    Date,
    Labels,
    LabelSelector,
    Line,
    Metadata,
    Model,
    Name,
    ObjectName,
    Quantity,
    Text,
    Uri,
)
from aistack.api.stack import Condition

Timestamp = Annotated[
    str,
    StringConstraints(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z$", max_length=30
    ),
]
MicroUnits = Annotated[int, Field(ge=0, le=9_007_199_254_740_991)]


class BudgetLimit(Model):
    amount: Amount
    currency: Currency = "USD"
    period: Literal["Monthly"] = "Monthly"


class BudgetSelector(Model):
    namespace_selector: LabelSelector = LabelSelector()
    stack_selector: LabelSelector = LabelSelector()


class Threshold(Model):
    percent: Annotated[int, Field(ge=1, le=1000)]
    action: Literal["Warn", "Degrade", "Stop"]


class AIBudgetSpec(Model):
    limit: BudgetLimit
    time_zone: Line = "UTC"
    selector: BudgetSelector = BudgetSelector()
    enforcement: Literal["Deny", "Warn", "Audit"] = "Deny"
    basis: Literal["Max", "Expected"] = "Max"
    thresholds: Annotated[tuple[Threshold, ...], Field(max_length=8)] = ()


class PendingReservation(Model):
    stack: Line
    uid: Line
    spec_hash: Line
    micro_units: MicroUnits
    expires_at: Timestamp


class StackReservation(Model):
    stack: Line
    uid: Line
    spec_hash: Line
    micro_units: MicroUnits


class AIBudgetStatus(Model):
    observed_generation: int = 0
    conditions: Annotated[tuple[Condition, ...], Field(max_length=16)] = ()
    reserved: Amount | None = None
    committed: Amount | None = None
    pending: Annotated[tuple[PendingReservation, ...], Field(max_length=2048)] = ()
    stacks: Annotated[tuple[StackReservation, ...], Field(max_length=10_000)] = ()
    month_to_date: Amount | None = None
    forecast: Amount | None = None


class AIBudget(Model):
    api_version: Literal["aistack.dev/v1alpha1"]
    kind: Literal["AIBudget"]
    metadata: Metadata
    spec: AIBudgetSpec
    status: AIBudgetStatus = AIBudgetStatus()


class PolicyMatch(Model):
    namespace_selector: LabelSelector = LabelSelector()
    stack_selector: LabelSelector = LabelSelector()
    environments: Annotated[
        tuple[Literal["production", "staging", "development"], ...], Field(max_length=3)
    ] = ()
    risk_tiers: Annotated[
        tuple[Literal["minimal", "limited", "high", "prohibited"], ...], Field(max_length=4)
    ] = ()


class Rule(Model):
    id: Name
    severity: Literal["low", "medium", "high", "critical"] = "medium"
    references: Annotated[tuple[Line, ...], Field(max_length=32)] = ()
    expression: Annotated[str, StringConstraints(min_length=1, max_length=4096)]
    message: Text
    remediation: Text | None = None


ParamValue = Annotated[tuple[Line, ...], Field(max_length=256)]


class AIPolicySpec(Model):
    description: Text | None = None
    match: PolicyMatch = PolicyMatch()
    action: Literal["Deny", "Warn", "Audit"] = "Audit"
    on_violation: Literal["Report", "BlockUpdates", "Suspend"] = "BlockUpdates"
    effective_from: Date | None = None
    rules: Annotated[tuple[Rule, ...], Field(min_length=1, max_length=100)]
    params: Annotated[dict[Line, ParamValue], Field(max_length=64)] = {}


class PlatformStatus(Model):
    observed_generation: int = 0
    conditions: Annotated[tuple[Condition, ...], Field(max_length=16)] = ()


class AIPolicy(Model):
    api_version: Literal["aistack.dev/v1alpha1"]
    kind: Literal["AIPolicy"]
    metadata: Metadata
    spec: AIPolicySpec
    status: PlatformStatus = PlatformStatus()


class PolicyRules(Model):
    name: ObjectName
    rules: Annotated[tuple[Name, ...], Field(min_length=1, max_length=100)]


class AIPolicyExceptionSpec(Model):
    policies: Annotated[tuple[PolicyRules, ...], Field(min_length=1, max_length=16)]
    stacks: Annotated[tuple[Name, ...], Field(min_length=1, max_length=64)]
    reason: Text
    ticket: Line
    approved_by: Line
    expires_at: Timestamp


class AIPolicyException(Model):
    api_version: Literal["aistack.dev/v1alpha1"]
    kind: Literal["AIPolicyException"]
    metadata: Metadata
    spec: AIPolicyExceptionSpec
    status: PlatformStatus = PlatformStatus()


class Toleration(Model):
    key: Annotated[str, StringConstraints(max_length=317)] | None = None
    operator: Literal["Exists", "Equal"] = "Equal"
    value: Annotated[str, StringConstraints(max_length=63)] | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None


class AcceleratorPrice(Model):
    on_demand_hourly: Amount
    spot_hourly: Amount | None = None
    currency: Currency = "USD"
    region: Line | None = None
    source: Uri
    as_of: Date


class AcceleratorClassSpec(Model):
    resource_name: (
        Annotated[str, StringConstraints(pattern=r"^[a-z0-9.-]+(/[a-zA-Z0-9._-]+)?$", max_length=253)] | None
    ) = None
    memory: Quantity | None = None
    region: Line | None = None
    node_selector: Labels = {}
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=16)] = ()
    runtime_class_name: ObjectName | None = None
    price: AcceleratorPrice | None = None


class AcceleratorClass(Model):
    api_version: Literal["aistack.dev/v1alpha1"]
    kind: Literal["AcceleratorClass"]
    metadata: Metadata
    spec: AcceleratorClassSpec
    status: PlatformStatus = PlatformStatus()


class TokenPrice(Model):
    provider: Line
    model: Line
    input_per_million: Amount
    output_per_million: Amount
    cached_input_per_million: Amount | None = None
    source: Uri
    retires: Date | None = None


class StoragePrice(Model):
    storage_class_name: Line
    per_gib_month: Amount
    source: Uri


class ComputePrice(Model):
    name: Line
    cpu_hourly: Amount
    memory_gib_hourly: Amount
    source: Uri


class TrafficPrice(Model):
    name: Line
    per_gib: Amount
    source: Uri


class PriceBookSpec(Model):
    currency: Currency = "USD"
    as_of: Date
    tokens: Annotated[tuple[TokenPrice, ...], Field(max_length=5000)] = ()
    storage: Annotated[tuple[StoragePrice, ...], Field(max_length=256)] = ()
    compute: Annotated[tuple[ComputePrice, ...], Field(max_length=256)] = ()
    traffic: Annotated[tuple[TrafficPrice, ...], Field(max_length=256)] = ()


class PriceBook(Model):
    api_version: Literal["aistack.dev/v1alpha1"]
    kind: Literal["PriceBook"]
    metadata: Metadata
    spec: PriceBookSpec
    status: PlatformStatus = PlatformStatus()
