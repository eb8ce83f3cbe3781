"""The committed CRDs and examples, as tests walk them.

A path is a tuple of field names, with "[]" for a list's items and "{}" for a map's values.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
STEPS = {"items": "[]", "additionalProperties": "{}"}

Steps = tuple[str, ...]
Schema = dict[str, Any]
Object = dict[str, Any]


@cache
def definitions() -> dict[str, Object]:
    """Kind → its CustomResourceDefinition, as committed in crds/."""
    read = (yaml.safe_load(path.read_text()) for path in sorted((ROOT / "crds").glob("*.yaml")))
    return {definition["spec"]["names"]["kind"]: definition for definition in read}


def schema(definition: Object) -> Schema:
    """The one version's schema."""
    (version,) = definition["spec"]["versions"]
    root: Schema = version["schema"]["openAPIV3Schema"]
    return root


def nodes(node: Schema, path: Steps = ()) -> Iterator[tuple[Steps, Schema]]:
    """Every node of a schema with its path, the root first."""
    yield path, node
    for name, field in node.get("properties", {}).items():
        yield from nodes(field, (*path, name))
    for key, step in STEPS.items():
        if key in node:
            yield from nodes(node[key], (*path, step))


@cache
def examples() -> dict[str, Object]:
    """Kind → an object in which every field is set: examples/full.yaml and examples/platform.yaml."""
    files = ("full.yaml", "platform.yaml")
    read = (yaml.safe_load_all((ROOT / "examples" / name).read_text()) for name in files)
    return {obj["kind"]: obj for documents in read for obj in documents}


def changed(value: Any, path: Steps, change: Any) -> Any:
    """A copy of `value` in which the first node at `path` is `change(node)`; KeyError where there is none."""
    if not path:
        return change(value)
    step, rest = path[0], path[1:]
    if step == "[]":
        return _changed_item(list(enumerate(value)), list(value), rest, change, path)
    if step == "{}":
        return _changed_item(list(value.items()), dict(value), rest, change, path)
    return {**value, step: changed(value[step], rest, change)}


def _changed_item(items: list[tuple[Any, Any]], copy: Any, rest: Steps, change: Any, path: Steps) -> Any:
    for key, item in items:
        try:
            copy[key] = changed(item, rest, change)
        except KeyError:
            continue
        return copy
    raise KeyError(path)


def merged(node: Any, change: Any) -> Any:
    """An object with some fields set, or absent where `change` says None; anything else is replaced.

    A function makes the new node from the old one.
    """
    if callable(change):
        return change(node)
    if not isinstance(node, Mapping) or not isinstance(change, Mapping):
        return change
    return {key: value for key, value in {**node, **change}.items() if value is not None}


def dotted(path: Steps) -> str:
    """The path for a reader, such as spec.models[].name."""
    return ".".join(path).replace(".[]", "[]").replace(".{}", "{}")
