"""spec.objectives, value, governance, decision: the promises a stack makes and why it is as it is."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from aistack.api.base import Model, Money
from aistack.api.invariants import Invariant, ListMap, ListSet
from aistack.api.scalars import KEYS, Amount, Date, Duration, Line, Name, Percentage, Sha256, Text, Uri

Measure = Annotated[float, Field(ge=-1e15, le=1e15)]
RiskTier = Literal["minimal", "limited", "high", "prohibited"]


class Objectives(Model):
    """What users may rely on; alerts and the capacity plan follow from it."""

    invariants = (
        Invariant(
            "has(self.availability) || has(self.latencyP95) || has(self.firstTokenP95)",
            "no objective is set: write availability, latencyP95 or firstTokenP95, or leave objectives out",
        ),
    )

    availability: Percentage | None = None
    """Percent of requests that are answered, as a string such as "99.9"; default no promise."""

    latency_p95: Duration | None = Field(default=None, alias="latencyP95")
    """Time for a whole answer that 95 % of requests keep; default no promise."""

    first_token_p95: Duration | None = Field(default=None, alias="firstTokenP95")
    """Time to the first token that 95 % of requests keep; default no promise."""


class ValueMetric(Model):
    """What the stack is worth: defined before it is deployed, tracked after."""

    name: Name
    """Name of the metric."""

    description: Text | None = None
    """What it counts, in words."""

    query: Annotated[str, StringConstraints(min_length=1, max_length=4096)]
    """The PromQL query that counts it over a month."""

    baseline: Measure | None = None
    """Its value a month before the stack; default unknown."""

    target: Measure | None = None
    """The value a month that is aimed at; default none."""

    value_per_unit: Money | None = None
    """What one unit is worth; default unknown, and then no return is computed."""


class DataHandling(Model):
    """What data goes in."""

    classification: Literal["public", "internal", "confidential", "restricted"] | None = None
    """How sensitive it is; default not said."""

    personal: bool = False
    """Whether it holds personal data; default false."""

    residency: Annotated[tuple[Line, ...], Field(max_length=32), ListSet()] = ()
    """Where data may be processed, such as EU; default anywhere."""

    dpia_ref: Text | None = None
    """Where the data protection impact assessment is."""


class Oversight(Model):
    """The people behind the system."""

    contact: Line | None = None
    """Who watches over it."""

    escalation: Line | None = None
    """Where a case goes that the system shouldn't decide."""


class Disclosure(Model):
    """What users are told."""

    chat: bool = False
    """They are told that they talk to a machine; default false."""

    provenance: bool = False
    """Generated content carries a mark that machines read; default false."""

    biometric: bool = False
    """They are told of emotion recognition or biometric categories; default false."""

    label: bool = False
    """Generated content is labelled for people; default false."""


class Evidence(Model):
    """A document or a result that shows that something was done."""

    id: Name
    """What it is evidence of; policies ask for it by this name."""

    ref: Uri
    """Where it is."""

    sha256: Sha256 | None = None
    """SHA-256 of what was there; default unknown."""

    date: Date | None = None
    """When it was made."""

    model_revision: Line | None = None
    """The model's revision that it is about; it no longer counts for another."""

    metrics: Annotated[dict[str, Measure], Field(max_length=64), KEYS] = {}
    """Results by name, such as groundedness: 0.93; default none."""


class Governance(Model):
    """Who answers for the system and under which rules it stands."""

    owner: Line | None = None
    """Who answers for it, as an address that is read."""

    inventory_ref: Line | None = None
    """Its number in the organisation's inventory of AI systems."""

    role: Literal["provider", "deployer"] | None = None
    """The organisation's role under the EU AI Act."""

    risk_tier: RiskTier | None = None
    """Risk under the EU AI Act; default not assessed."""

    use_cases: Annotated[tuple[Line, ...], Field(max_length=32), ListSet()] = ()
    """What it is used for, in the organisation's words; default none."""

    intended_purpose: Text | None = None
    """What it is for, in a sentence."""

    data: DataHandling = DataHandling()
    """What data goes in."""

    oversight: Oversight = Oversight()
    """The people behind it."""

    disclosure: Disclosure = Disclosure()
    """What users are told."""

    review_by: Date | None = None
    """When all of this must be looked at again."""

    evidence: Annotated[tuple[Evidence, ...], Field(max_length=64), ListMap("id")] = ()
    """What shows that the rules were kept; default none."""


class Alternative(Model):
    """A way that was not taken."""

    name: Line
    """What it is."""

    cost: Amount | None = None
    """What it would cost a month, a decimal string in the stack's currency; default unknown."""

    rejected_because: Text | None = None
    """Why it was not taken."""


class Decision(Model):
    """Feeds the decision record; everything else in that comes from the spec."""

    status: Literal["proposed", "accepted", "rejected", "deprecated", "superseded"] = "proposed"
    """Where the decision stands; default proposed."""

    drivers: Annotated[tuple[Text, ...], Field(max_length=32)] = ()
    """What decided, most important first; default none."""

    considered: Annotated[tuple[Alternative, ...], Field(max_length=16), ListMap("name")] = ()
    """Ways that were not taken; default none."""

    confirmation: Text | None = None
    """How it is seen that the decision was right."""
