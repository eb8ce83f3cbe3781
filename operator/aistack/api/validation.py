"""What pydantic found wrong, said as the API: the field, what is wrong with it, what to write instead."""

import json
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from aistack.api.crd import DEFINITIONS, Schema, root_schema
from aistack.api.scalars import HINTS

MESSAGES = {
    "missing": "is missing: write it",
    "literal_error": "is {input}: write {expected}",
    "greater_than_equal": "is {input}: write at least {ge}",
    "less_than_equal": "is {input}: write at most {le}",
    "string_too_short": "is too short: write at least {min_length} character(s)",
    "string_too_long": "is too long: write at most {max_length} characters",
    "too_short": "has {actual_length} items: write at least {min_length}",
    "too_long": "has {actual_length} items: write at most {max_length}",
    "calendar": "is {input}, which is no day of the calendar: write one such as 2026-11-01",
    "string_type": "is {input}: write a string, in quotes where it looks like a number",
    "int_type": "is {input}: write a whole number",
    "float_type": "is {input}: write a number",
    "bool_type": "is {input}: write true or false",
    "tuple_type": "is {input}: write a list",
    "dict_type": "is {input}: write a map",
    "model_type": "is {input}: write an object",
}
"""pydantic's type of error → what to say; the rest of pydantic's messages are said as they are."""


def problems(error: ValidationError, obj: Mapping[str, Any]) -> list[str]:
    """One line a problem of the object that `obj` was meant to be, such as

    `spec.models[llama].selfHosted.scaling.min: is -1: write at least 0`.
    """
    schema = _schema(error.title)
    errors = (each for each in error.errors(include_url=False) if not _counts_only_the_sound(each))
    return [_line(details, schema, obj) for details in errors]


@cache
def _schema(kind: str) -> Schema:
    return next((root_schema(each.model) for each in DEFINITIONS if each.model.__name__ == kind), {})


def _counts_only_the_sound(details: ErrorDetails) -> bool:
    """pydantic says that a list is too short when its items are wrong, not few."""
    return details["type"] == "too_short" and len(details["input"]) >= details["ctx"]["min_length"]


def _line(details: ErrorDetails, schema: Schema, obj: Any) -> str:
    """Walks schema and object down to the error, naming list items by their keys."""
    path = ""
    siblings: Schema = {}
    for part in details["loc"]:
        if isinstance(part, int):
            obj = obj[part] if isinstance(obj, Sequence) and part < len(obj) else None
            path += f"[{_item_name(part, obj, schema)}]"
            schema = schema.get("items", {})
        else:
            obj = obj.get(part) if isinstance(obj, Mapping) else None
            path += f".{part}" if path else part
            siblings = schema.get("properties", {})
            schema = siblings.get(part, {})
    return f"{path or 'object'}: {_message(details, siblings)}"


def _item_name(index: int, item: Any, schema: Schema) -> str:
    """An item's key where the list has one and the item gives it, else its index."""
    keys = schema.get("x-kubernetes-list-map-keys", ())
    names = [item[key] for key in keys if isinstance(item, Mapping) and isinstance(item.get(key), str | int)]
    return ",".join(map(str, names)) if names else str(index)


def _message(details: ErrorDetails, siblings: Schema) -> str:
    facts = {**details.get("ctx", {}), "input": _shown(details["input"])}
    if details["type"] == "extra_forbidden":
        return _unknown_field(str(details["loc"][-1]), siblings)
    if details["type"] == "string_pattern_mismatch":
        return f"is {facts['input']}: {HINTS[facts['pattern']]}"
    template = MESSAGES.get(details["type"])
    return template.format_map(facts) if template else details["msg"]


def _unknown_field(name: str, known: Schema) -> str:
    close = get_close_matches(name, known, n=1)
    instead = f"write {close[0]}" if close else "remove it"
    return f"is no field here: {instead}"


def _shown(value: Any) -> str:
    """A value as the reader wrote it, cut where it gets long; of a list or map only that it is one."""
    if isinstance(value, Mapping):
        return "a map"
    if isinstance(value, list | tuple):
        return "a list"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}…"
