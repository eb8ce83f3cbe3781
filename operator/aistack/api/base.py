"""The base of every API type: a strict model, and the pieces that several kinds share."""

from typing import Annotated, Any, ClassVar, Literal, Self

import orjson
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError

from aistack.api.invariants import ACCEPTED, Invariant, require, validations
from aistack.api.scalars import Amount, Currency, KeyName, Labels, ObjectName

GROUP = "aistack.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"


class Model(BaseModel):
    """A frozen, strict piece of the API: camelCase on the wire, no unknown fields, its rules kept."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )

    invariants: ClassVar[tuple[Invariant, ...]] = ()

    @classmethod
    def parse(cls, obj: dict[str, Any]) -> Self:
        """Reads a JSON-shaped object as the API server would.

        Raises pydantic.ValidationError with every problem in it.
        """
        try:
            wire = orjson.dumps(_without_nulls(obj), option=orjson.OPT_NON_STR_KEYS)
        except (TypeError, RecursionError) as error:
            problem = PydanticCustomError("json", "is no JSON object: {why}", {"why": str(error)})
            raise ValidationError.from_exception_data(
                cls.__name__, [InitErrorDetails(type=problem, loc=(), input=None)]
            ) from error
        return cls.model_validate_json(wire)

    @classmethod
    def read(cls, obj: dict[str, Any]) -> Self:
        """Reads an object that the API server has accepted: its invariants hold, and aren't asked again.

        It takes a fifth of the time of `parse`, for watch events and admission reviews. Raises
        pydantic.ValidationError where the types don't fit, as after an upgrade.
        """
        return cls.model_validate_json(orjson.dumps(obj), context=ACCEPTED)

    def dump(self) -> dict[str, Any]:
        """The JSON-shaped object, without the fields that are absent."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    @model_validator(mode="after")
    def _keeps_its_invariants(self, info: ValidationInfo) -> Self:
        if self.invariants and info.context is not ACCEPTED:
            require(self.invariants, self.dump())
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        reference = handler(core_schema)
        handler.resolve_ref_schema(reference).update(validations(cls.invariants))
        return reference


def _without_nulls(value: Any) -> Any:
    """As the API server does: a field that is null is a field that is absent."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


class KeyRef(Model):
    """One key of a Secret or ConfigMap in the stack's own namespace."""

    name: ObjectName
    """Name of the Secret or ConfigMap, in the stack's namespace."""

    key: KeyName
    """The key inside it."""


class SecretSource(Model):
    """A value that stands in a Secret."""

    secret_key_ref: KeyRef
    """The key of the Secret that holds the value; the operator never reads it, the pod does."""


class ConfigMapSource(Model):
    """A text that stands in a ConfigMap."""

    config_map_key_ref: KeyRef
    """The key of the ConfigMap that holds the text."""


class WorkloadIdentity(Model):
    """An identity that the cloud gives to a ServiceAccount; no key is stored."""

    service_account_name: ObjectName
    """ServiceAccount in the stack's namespace that the provider trusts."""


class Credentials(Model):
    """Exactly one of a Secret's key and a workload identity."""

    invariants = (
        Invariant(
            "has(self.secretKeyRef) != has(self.workloadIdentity)",
            "write exactly one of secretKeyRef and workloadIdentity",
        ),
    )

    secret_key_ref: KeyRef | None = None
    """The key of the Secret that holds the token."""

    workload_identity: WorkloadIdentity | None = None
    """The ServiceAccount that may call the provider."""


class Money(Model):
    """A decimal amount of money."""

    amount: Amount
    """Decimal amount as a string, such as "1500" or "4.10"."""

    currency: Currency = "USD"
    """Three letters of ISO 4217; default USD."""


class LabelExpression(Model):
    """One requirement on a label."""

    invariants = (
        Invariant(
            "(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
            "write values with In and NotIn, and none with Exists and DoesNotExist",
        ),
    )

    key: Annotated[str, StringConstraints(min_length=1, max_length=317)]
    """The label's key."""

    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """In and NotIn compare with `values`; Exists and DoesNotExist look at the key only."""

    values: Annotated[tuple[Annotated[str, StringConstraints(max_length=63)], ...], Field(max_length=64)] = ()
    """The values to compare with; default none."""


class LabelSelector(Model):
    """Selects objects by labels; an empty one selects all."""

    match_labels: Labels = {}
    """Labels that an object must have; default none."""

    match_expressions: Annotated[tuple[LabelExpression, ...], Field(max_length=32)] = ()
    """Requirements that all must hold; default none."""


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
