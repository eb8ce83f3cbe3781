"""AIBudget: a monthly amount of money for a set of stacks."""

from typing import Annotated, Literal

from pydantic import Field

from aistack.api.base import LabelSelector, Metadata, Model
from aistack.api.invariants import Invariant, ListMap
from aistack.api.scalars import Amount, Currency, Line, Timestamp, TimeZone
from aistack.api.stack import Condition, Generation

MOST_HELD = 9_007_199_254_740_991
"""2^53 - 1: the largest integer that every JSON reader keeps exactly."""
MOST_STACKS = 5_000
"""An entry is some 180 bytes, and etcd takes objects of 1.5 MiB."""

MicroUnits = Annotated[int, Field(ge=0, le=MOST_HELD)]


class BudgetLimit(Model):
    """How much may be reserved."""

    invariants = (
        Invariant(
            "self.currency == oldSelf.currency",
            "a budget's currency can't change: write a second AIBudget in the other currency",
        ),
    )

    amount: Amount
    """Decimal amount as a string, such as "25000"."""

    currency: Currency = "USD"
    """Three letters of ISO 4217; it can't change. Default USD."""

    period: Literal["Monthly"] = "Monthly"
    """What the amount is for; default Monthly, by the calendar."""


class BudgetSelector(Model):
    """The stacks that share the budget: both selectors must match."""

    namespace_selector: LabelSelector = LabelSelector()
    """Labels of their namespaces; default all."""

    stack_selector: LabelSelector = LabelSelector()
    """Labels of the stacks; default all."""


class Threshold(Model):
    """What happens when money was actually spent."""

    percent: Annotated[int, Field(ge=1, le=1000)]
    """Percent of the limit that was spent this month."""

    action: Literal["Warn", "Degrade", "Stop"]
    """Warn says so; Degrade sends routes to the cheapest target; Stop ends the gateway's traffic."""


class AIBudgetSpec(Model):
    """What is wanted."""

    limit: BudgetLimit
    """How much may be reserved."""

    time_zone: TimeZone = "UTC"
    """Where the month begins at midnight, such as Europe/Berlin; default UTC."""

    selector: BudgetSelector = BudgetSelector()
    """The stacks that share the budget; default all."""

    enforcement: Literal["Deny", "Warn", "Audit"] = "Deny"
    """Deny refuses a stack that doesn't fit, Warn lets it in and says so, Audit only counts. Default Deny."""

    basis: Literal["Max", "Expected"] = "Max"
    """Reserve for the most replicas, or for those that the traffic needs; default Max."""

    thresholds: Annotated[tuple[Threshold, ...], Field(max_length=8), ListMap("percent")] = ()
    """What happens when money was actually spent; default nothing."""


class StackReservation(Model):
    """Money that is held for one stack."""

    stack: Line
    """Namespace and name."""

    uid: Line
    """The stack's uid."""

    spec_hash: Line
    """Digest of the spec that was priced."""

    micro_units: MicroUnits
    """Held a month, in millionths of the budget's currency; for an update the larger of both specs' costs
    until the newer one is rolled out."""


class PendingReservation(StackReservation):
    """Money that is held for a spec that was admitted but not yet seen."""

    expires_at: Timestamp
    """When it is let go unless the spec was seen (UTC)."""


class AIBudgetStatus(Model):
    """What is true; written by compare-and-swap."""

    observed_generation: Generation = 0
    """The metadata.generation that this status is about; default 0."""

    conditions: Annotated[tuple[Condition, ...], Field(max_length=16), ListMap("type")] = ()
    """One a concern."""

    reserved: Amount | None = None
    """Committed and pending together a month, a decimal string."""

    reserved_percent: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    """What is reserved, in percent of the limit, rounded down."""

    committed: Amount | None = None
    """Held for the specs that run."""

    pending: Annotated[tuple[PendingReservation, ...], Field(max_length=MOST_STACKS)] = ()
    """Held for specs that were admitted but not yet seen."""

    stacks: Annotated[tuple[StackReservation, ...], Field(max_length=MOST_STACKS)] = ()
    """What each stack holds."""

    stack_count: Annotated[int, Field(ge=0)] | None = None
    """How many stacks hold something."""

    month: Line | None = None
    """The month that is metered, such as 2026-11, in spec.timeZone."""

    month_to_date: Amount | None = None
    """Actually spent since the month began; what was used over its turn is divided."""

    forecast: Amount | None = None
    """Expected at the month's end; absent before a day of it is known."""

    forecast_low: Amount | None = None
    """The month ends above it in nine of ten cases."""

    forecast_high: Amount | None = None
    """The month ends below it in nine of ten cases."""

    action: Literal["Degrade", "Stop"] | None = None
    """What the thresholds that are reached do to the gateways of its stacks, until the month turns."""

    metered_at: Timestamp | None = None
    """When the month to date was last found to be another (UTC)."""


class AIBudget(Model):
    """A monthly amount of money for a set of stacks; none runs without a reservation in it."""

    api_version: Literal["aistack.dev/v1alpha1"]
    kind: Literal["AIBudget"]
    metadata: Metadata
    spec: AIBudgetSpec
    """What is wanted."""

    status: AIBudgetStatus = AIBudgetStatus()
    """What is true; written by the operator."""
