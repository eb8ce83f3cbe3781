"""What every API type is made of: the strict base model and the bounded scalar types."""

from typing import Annotated, Any, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

GROUP = "aistack.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"


class Model(BaseModel):
    """A frozen, strict piece of the API: camelCase on the wire, no unknown fields."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", alias_generator=to_camel, populate_by_name=True
    )

    @classmethod
    def parse(cls, obj: dict[str, Any]) -> Self:
        """Reads a JSON-shaped object; raises pydantic.ValidationError with every problem in it."""
        return cls.model_validate_json(orjson.dumps(obj))

    def dump(self) -> dict[str, Any]:
        """The JSON-shaped object, without the fields that are absent."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


Name = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=30)
]
ObjectName = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", min_length=1, max_length=253)
]
Text = Annotated[str, StringConstraints(max_length=1024)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=253)]
Uri = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
Duration = Annotated[str, StringConstraints(pattern=r"^([0-9]{1,6}(ms|s|m|h|d))+$", max_length=32)]
Quantity = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{1,15}(\.[0-9]{1,9})?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$", max_length=32),
]
Amount = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,12}(\.[0-9]{1,6})?$", max_length=19)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$", min_length=3, max_length=3)]
Date = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", max_length=10)]
Cron = Annotated[
    str, StringConstraints(pattern=r"^[-0-9*/,A-Za-z]+( [-0-9*/,A-Za-z?#]+){4}$", max_length=100)
]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$", min_length=64, max_length=64)]
Count = Annotated[int, Field(ge=0, le=1_000_000_000)]
Port = Annotated[int, Field(ge=1, le=65535)]
Share = Annotated[float, Field(ge=0, le=1)]
Labels = Annotated[
    dict[
        Annotated[str, StringConstraints(max_length=317)], Annotated[str, StringConstraints(max_length=253)]
    ],
    Field(max_length=64),
]


class KeyRef(Model):
    """One key of a Secret or ConfigMap in the stack's own namespace."""

    name: ObjectName
    key: Annotated[str, StringConstraints(pattern=r"^[-._a-zA-Z0-9]+$", min_length=1, max_length=253)]


class SecretSource(Model):
    secret_key_ref: KeyRef


class ConfigMapSource(Model):
    config_map_key_ref: KeyRef


class WorkloadIdentity(Model):
    service_account_name: ObjectName


class Credentials(Model):
    """Exactly one of a Secret's key and a workload identity."""

    secret_key_ref: KeyRef | None = None
    workload_identity: WorkloadIdentity | None = None


class Money(Model):
    """A decimal amount of money; the currency is USD unless it says otherwise."""

    amount: Amount
    currency: Currency = "USD"


class LabelExpression(Model):
    key: Annotated[str, StringConstraints(min_length=1, max_length=317)]
    operator: Annotated[str, StringConstraints(pattern="^(In|NotIn|Exists|DoesNotExist)$", max_length=12)]
    values: Annotated[tuple[Annotated[str, StringConstraints(max_length=63)], ...], Field(max_length=64)] = ()


class LabelSelector(Model):
    match_labels: Labels = {}
    match_expressions: Annotated[tuple[LabelExpression, ...], Field(max_length=32)] = ()


class OwnerReference(Model):
    model_config = ConfigDict(extra="ignore")

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool = False


class Metadata(Model):
    """What the operator reads of an object's metadata; the API server owns the rest."""

    model_config = ConfigDict(extra="ignore")

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
