"""AIPolicy and AIPolicyException: rules that stacks must meet, and dated waivers of them."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from aistack.api.base import LabelSelector, Metadata, Model
from aistack.api.governance import RiskTier
from aistack.api.invariants import ListMap, ListSet
from aistack.api.scalars import KEYS, Date, Line, Name, ObjectName, Text, Timestamp
from aistack.api.stack import Environment

Expression = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
ParamValue = Annotated[tuple[Line, ...], Field(max_length=256)]


class PolicyStatus(Model):
    """What came of a policy, counted again when a stack was judged anew."""

    stacks: Annotated[int, Field(ge=0)] | None = None
    """Stacks that it is about; absent until every stack was looked at."""

    violating: Annotated[int, Field(ge=0)] | None = None
    """Of these, the ones that break a rule which no exception waives, or on which a rule has no answer."""


class PolicyMatch(Model):
    """The stacks that a policy is about: all that is set must match."""

    namespace_selector: LabelSelector = LabelSelector()
    """Labels of their namespaces; default all."""

    stack_selector: LabelSelector = LabelSelector()
    """Labels of the stacks; default all."""

    environments: Annotated[tuple[Environment, ...], Field(max_length=3), ListSet()] = ()
    """Their spec.environment; default all."""

    risk_tiers: Annotated[tuple[RiskTier, ...], Field(max_length=4), ListSet()] = ()
    """Their spec.governance.riskTier; default all."""


class Rule(Model):
    """One rule, in CEL."""

    id: Name
    """The name that reports and exceptions use."""

    severity: Literal["low", "medium", "high", "critical"] = "medium"
    """How much it matters; default medium."""

    references: Annotated[tuple[Line, ...], Field(max_length=32), ListSet()] = ()
    """The laws and controls that it comes from; default none."""

    expression: Expression
    """CEL that must be true, over object, oldObject, namespaceObject, facts and params."""

    field: Line = "spec"
    """The field that it is about, such as spec.governance.owner; default spec."""

    message: Text
    """What is wrong when it isn't true."""

    found: Expression | None = None
    """CEL that gives what was found instead, a text or a list of texts; default what stands at `field`."""

    remediation: Text | None = None
    """What to write instead."""

    evidence: Name | None = None
    """The id in spec.governance.evidence that would show it; default none."""


class AIPolicySpec(Model):
    """What is wanted."""

    description: Text | None = None
    """What the policy is for."""

    match: PolicyMatch = PolicyMatch()
    """The stacks that it is about; default all."""

    action: Literal["Deny", "Warn", "Audit"] = "Audit"
    """Deny refuses a stack, Warn lets it in and says so, Audit only reports. Default Audit."""

    on_violation: Literal["Report", "BlockUpdates", "Suspend"] = "BlockUpdates"
    """For a stack that runs and breaks a rule: Report only, BlockUpdates that make it worse, or Suspend it.
    Default BlockUpdates."""

    exceptions: Literal["Allowed", "Never"] = "Allowed"
    """Whether an AIPolicyException can waive the rules; default Allowed."""

    effective_from: Date | None = None
    """The day from which Deny denies; before it, it warns. Default at once."""

    rules: Annotated[tuple[Rule, ...], Field(min_length=1, max_length=100), ListMap("id")]
    """The rules, by id."""

    params: Annotated[dict[str, ParamValue], Field(max_length=64), KEYS] = {}
    """Lists of values that the expressions read; default none."""


class AIPolicy(Model):
    """Rules that every matching stack must meet."""

    api_version: Literal["aistack.dev/v1alpha1"]
    kind: Literal["AIPolicy"]
    metadata: Metadata
    spec: AIPolicySpec
    """What is wanted."""

    status: PolicyStatus = PolicyStatus()
    """What is true; written by the operator."""


class PolicyRules(Model):
    """Some rules of one policy."""

    name: ObjectName
    """The AIPolicy's name."""

    rules: Annotated[tuple[Name, ...], Field(min_length=1, max_length=100), ListSet()]
    """Ids of the rules."""


class AIPolicyExceptionSpec(Model):
    """What is wanted."""

    policies: Annotated[tuple[PolicyRules, ...], Field(min_length=1, max_length=16), ListMap("name")]
    """The rules that are waived, by policy."""

    stacks: Annotated[tuple[Name, ...], Field(min_length=1, max_length=64), ListSet()]
    """The stacks that they are waived for, in this namespace."""

    reason: Text
    """Why."""

    ticket: Line
    """Where it was asked for."""

    approved_by: Line
    """Who allowed it."""

    expires_at: Timestamp
    """When the rules hold again (UTC), such as 2027-01-31T00:00:00Z."""


class AIPolicyException(Model):
    """A dated, justified waiver of named rules for named stacks."""

    api_version: Literal["aistack.dev/v1alpha1"]
    kind: Literal["AIPolicyException"]
    metadata: Metadata
    spec: AIPolicyExceptionSpec
    """What is wanted."""
