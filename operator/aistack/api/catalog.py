"""AcceleratorClass and PriceBook: what the platform offers, and what it costs."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from aistack.api.base import Metadata, Model
from aistack.api.invariants import Invariant, ListMap
from aistack.api.scalars import Amount, Currency, Date, Labels, Line, ObjectName, Quantity, ResourceName, Uri


class Toleration(Model):
    """A taint that pods of the class tolerate, as Kubernetes writes it."""

    invariants = (
        Invariant(
            "self.operator == 'Exists' || has(self.key)",
            "operator Equal needs key: write the taint's key, or operator: Exists",
        ),
        Invariant(
            "self.operator == 'Equal' || !has(self.value)",
            "operator Exists takes no value: leave value out, or write operator: Equal",
        ),
    )

    key: Annotated[str, StringConstraints(min_length=1, max_length=317)] | None = None
    """The taint's key; default every key, with operator Exists."""

    operator: Literal["Exists", "Equal"] = "Equal"
    """Equal compares the value, Exists doesn't look at it; default Equal."""

    value: Annotated[str, StringConstraints(max_length=63)] | None = None
    """The taint's value, for Equal; default empty."""

    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """The taint's effect; default all."""


class AcceleratorPrice(Model):
    """What one accelerator with its part of the node costs, as decimal strings."""

    invariants = (
        Invariant(
            "!has(self.spotHourly) || double(self.spotHourly) <= double(self.onDemandHourly)",
            "spotHourly is above onDemandHourly: write a spot price of at most onDemandHourly",
        ),
    )

    on_demand_hourly: Amount
    """An hour, without interruption."""

    spot_hourly: Amount | None = None
    """An hour of capacity that the cloud may take back; default unknown."""

    currency: Currency = "USD"
    """Three letters of ISO 4217; default USD."""

    region: Line | None = None
    """Where the price holds; default everywhere."""

    source: Uri
    """Where the price stands."""

    as_of: Date
    """The day on which it stood there."""


class AcceleratorClassSpec(Model):
    """What is offered."""

    invariants = (
        Invariant(
            "has(self.resourceName) || !has(self.memory)",
            "memory is the accelerator's: write resourceName too, or leave memory out for a CPU class",
        ),
    )

    resource_name: ResourceName | None = None
    """The extended resource that pods ask for, such as nvidia.com/gpu; default none: the class is CPU."""

    memory: Quantity | None = None
    """Memory of one accelerator, such as 24Gi; default unknown."""

    region: Line | None = None
    """Where its nodes are; residency rules read it. Default unknown."""

    node_selector: Labels = {}
    """Labels of its nodes; default any."""

    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=16)] = ()
    """Taints of its nodes that pods tolerate; default none."""

    runtime_class_name: ObjectName | None = None
    """RuntimeClass of the pods; default the node's."""

    price: AcceleratorPrice | None = None
    """What one costs; default unknown, which is never zero."""


class AcceleratorClass(Model):
    """One kind of accelerator: its resource, memory, nodes and price."""

    invariants = (
        Invariant(
            "self.metadata.name != 'cpu' || !has(self.spec.resourceName)",
            "class cpu has no accelerator: leave resourceName out, or write another metadata.name",
        ),
    )

    api_version: Literal["aistack.dev/v1alpha1"]
    kind: Literal["AcceleratorClass"]
    metadata: Metadata
    spec: AcceleratorClassSpec
    """What is offered."""


class LongInputPrice(Model):
    """What all tokens of a request cost whose input is a long one, as decimal strings a million tokens."""

    above_tokens: Annotated[int, Field(ge=1, le=1_000_000_000)]
    """The input from which on, exclusive."""

    input_per_million: Amount
    """A million tokens that are read."""

    output_per_million: Amount
    """A million tokens that are written."""

    cached_input_per_million: Amount | None = None
    """A million tokens that the provider had in its cache; default as inputPerMillion."""


class TokenPrice(Model):
    """What a managed model's tokens cost, as decimal strings a million tokens."""

    provider: Line
    """The provider, as in spec.models.managed.provider."""

    model: Line
    """The model's name at the provider."""

    input_per_million: Amount
    """A million tokens that are read."""

    output_per_million: Amount
    """A million tokens that are written."""

    cached_input_per_million: Amount | None = None
    """A million tokens that the provider had in its cache; default as inputPerMillion."""

    long_input: LongInputPrice | None = None
    """The second price of providers that take more for long inputs; default none."""

    source: Uri
    """Where the price stands."""

    retires: Date | None = None
    """The day on which the provider ends the model; default unknown."""


class StoragePrice(Model):
    """What volumes cost."""

    storage_class_name: Line
    """The StorageClass."""

    per_gib_month: Amount
    """A GiB for a month, a decimal string."""

    source: Uri
    """Where the price stands."""


class ComputePrice(Model):
    """What CPU and memory cost."""

    name: Line
    """What it is the price of, such as default or a node pool."""

    cpu_hourly: Amount
    """A core for an hour, a decimal string."""

    memory_gib_hourly: Amount
    """A GiB of memory for an hour, a decimal string."""

    source: Uri
    """Where the price stands."""


class TrafficPrice(Model):
    """What data that leaves costs."""

    name: Line
    """Where it goes, such as internet or other-region."""

    per_gib: Amount
    """A GiB, a decimal string."""

    source: Uri
    """Where the price stands."""


class PriceBookSpec(Model):
    """The prices, dated and sourced."""

    currency: Currency = "USD"
    """Three letters of ISO 4217, of every price here; default USD."""

    as_of: Date
    """The day on which the prices held."""

    tokens: Annotated[tuple[TokenPrice, ...], Field(max_length=5000), ListMap("provider", "model")] = ()
    """Managed models' tokens; default none."""

    storage: Annotated[tuple[StoragePrice, ...], Field(max_length=256), ListMap("storage_class_name")] = ()
    """Volumes; default none."""

    compute: Annotated[tuple[ComputePrice, ...], Field(max_length=256), ListMap("name")] = ()
    """CPU and memory; default none."""

    traffic: Annotated[tuple[TrafficPrice, ...], Field(max_length=256), ListMap("name")] = ()
    """Data that leaves; default none."""


class PriceBook(Model):
    """Prices of tokens, storage, compute and traffic, dated and sourced."""

    api_version: Literal["aistack.dev/v1alpha1"]
    kind: Literal["PriceBook"]
    metadata: Metadata
    spec: PriceBookSpec
    """The prices."""
