"""spec.objectives, value, governance, decision: the promises a stack makes and why it is as it is."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from aistack.api.base import Amount, Date, Duration, Line, Model, Money, Name, Sha256, Text, Uri


class Objectives(Model):
    availability: (
        Annotated[str, StringConstraints(pattern=r"^[0-9]{1,2}(\.[0-9]{1,4})?$", max_length=8)] | None
    ) = None
    latency_p95: Duration | None = Field(default=None, alias="latencyP95")
    first_token_p95: Duration | None = Field(default=None, alias="firstTokenP95")


class ValueMetric(Model):
    name: Name
    description: Text | None = None
    query: Annotated[str, StringConstraints(min_length=1, max_length=4096)]
    baseline: Annotated[float, Field(ge=-1e15, le=1e15)] | None = None
    target: Annotated[float, Field(ge=-1e15, le=1e15)] | None = None
    value_per_unit: Money | None = None


class DataHandling(Model):
    classification: Literal["public", "internal", "confidential", "restricted"] | None = None
    personal: bool = False
    residency: Annotated[tuple[Line, ...], Field(max_length=32)] = ()
    dpia_ref: Text | None = None


class Oversight(Model):
    contact: Line | None = None
    escalation: Line | None = None


class Disclosure(Model):
    chat: bool = False
    provenance: bool = False
    biometric: bool = False
    label: bool = False


class Evidence(Model):
    id: Name
    ref: Uri
    sha256: Sha256 | None = None
    date: Date | None = None
    model_revision: Line | None = None
    metrics: Annotated[dict[Line, Annotated[float, Field(ge=-1e15, le=1e15)]], Field(max_length=64)] = {}


class Governance(Model):
    owner: Line | None = None
    inventory_ref: Line | None = None
    role: Literal["provider", "deployer"] | None = None
    risk_tier: Literal["minimal", "limited", "high", "prohibited"] | None = None
    use_cases: Annotated[tuple[Line, ...], Field(max_length=32)] = ()
    intended_purpose: Text | None = None
    data: DataHandling = DataHandling()
    oversight: Oversight = Oversight()
    disclosure: Disclosure = Disclosure()
    review_by: Date | None = None
    evidence: Annotated[tuple[Evidence, ...], Field(max_length=64)] = ()


class Alternative(Model):
    name: Line
    cost: Amount | None = None
    rejected_because: Text | None = None


class Decision(Model):
    status: Literal["proposed", "accepted", "rejected", "deprecated", "superseded"] = "proposed"
    drivers: Annotated[tuple[Text, ...], Field(max_length=32)] = ()
    considered: Annotated[tuple[Alternative, ...], Field(max_length=16)] = ()
    confirmation: Text | None = None
