"""What a bound can't say: what holds between the fields of one object (CEL), and between the items of a list.

Each is written once. `crd.py` puts it into the schema for the API server, and pydantic applies the same
text where there is none (a file on the command line, a test), so that both give the same answer.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from cel_expr_python import cel
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema, to_jsonable_python

ACCEPTED: Mapping[str, bool] = {"accepted": True}
"""The validation context of an object in which the API server has already found every invariant kept."""

_ENVIRONMENT = cel.NewEnv(variables={"self": cel.Type.DYN})


@cache
def _compiled(expression: str) -> Any:
    return _ENVIRONMENT.compile(expression)


@dataclass(frozen=True)
class Invariant:
    """A CEL expression that holds, and the message that says what to write when it doesn't.

    `self` is the value as on the wire with its defaults. Lists and maps have no default there: an expression
    asks `has()` before it reads one. One that mentions `oldSelf` is about a change, and only the API
    server sees those. It stands in a model's `invariants`, or as an annotation of one field.
    """

    expression: str
    message: str

    @property
    def is_transition(self) -> bool:
        return "oldSelf" in self.expression

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def keep(value: Any, info: core_schema.ValidationInfo[Any]) -> Any:
            if info.context is not ACCEPTED:
                require((self,), to_jsonable_python(value, by_alias=True))
            return value

        return core_schema.with_info_after_validator_function(keep, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(schema) | validations((self,))


def require(invariants: Iterable[Invariant], wire: Any) -> None:
    """Raises the messages of the invariants that the JSON-shaped value `wire` breaks."""
    this = _ENVIRONMENT.Activation({"self": wire})
    broken = [
        invariant.message
        for invariant in invariants
        if not invariant.is_transition and _compiled(invariant.expression).eval(this).value() is not True
    ]
    if broken:
        raise PydanticCustomError("rule", "{messages}", {"messages": "; ".join(broken)})


def validations(invariants: Iterable[Invariant]) -> JsonSchemaValue:
    """The invariants as a part of a JSON schema; nothing without any."""
    items = [{"rule": invariant.expression, "message": invariant.message} for invariant in invariants]
    return {"x-kubernetes-validations": items} if items else {}


class ListMap:
    """Marks a list keyed by attributes of its items: no two share them, and appliers own single items."""

    def __init__(self, *keys: str) -> None:
        self.keys = keys

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def keep(items: tuple[Any, ...]) -> tuple[Any, ...]:
            require_unique(tuple(getattr(item, key) for key in self.keys) for item in items)
            return items

        return core_schema.no_info_after_validator_function(keep, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(schema) | {
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": [to_camel(key) for key in self.keys],
        }


class ListSet:
    """Marks a list of scalars in which each stands once."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def keep(items: tuple[Any, ...]) -> tuple[Any, ...]:
            require_unique((item,) for item in items)
            return items

        return core_schema.no_info_after_validator_function(keep, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(schema) | {"x-kubernetes-list-type": "set"}


def require_unique(keys: Iterable[tuple[Any, ...]]) -> None:
    """Raises the first key that occurs twice."""
    seen = set()
    for key in keys:
        if key in seen:
            twice = ", ".join(str(part) for part in key)
            raise PydanticCustomError(
                "duplicate", "{twice} is there twice: write each once", {"twice": twice}
            )
        seen.add(key)
