"""What changing one leaf of an AIStack's spec does: the table of leaves.yaml.

A place is the path of a leaf or a branch in a stack, with names where the schema has lists:
`models[llama].selfHosted.source`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests import schemas, stacks
from tests.schemas import Schema, Steps, dotted

Spec = Mapping[str, Any]

TABLE = Path(__file__).with_name("leaves.yaml")
STEP = re.compile(r"([^.\[]+)(?:\[([^\]]+)\])?")
"""One step of a place: a field and, where that is a list, the name of one of its items."""


@dataclass(frozen=True)
class Change:
    """A place in the base stack's spec, what to write there, and what comes of it."""

    at: str
    to: Any
    children: Sequence[str] = ()
    """What is changed: `deployment/llama` is the stack's Deployment of that part."""
    said: str = ""
    """Where it is refused; the place itself when empty."""

    def __str__(self) -> str:
        return f"{self.at}: {self.to}"[:90]

    def made_in(self, spec: Spec) -> dict[str, Any]:
        """The spec with this change. StopIteration when it has no item of a name in `at`."""
        changed = deepcopy(dict(spec))
        node: Any = changed
        *steps, (last, _) = STEP.findall(self.at)
        for field, name in steps:
            node = _item(node[field], name) if name else node.setdefault(field, {})
        node[last] = self.to
        return changed

    def leaves(self) -> set[str]:
        """The leaves that it sets, as the schema names them: `models[].name`. KeyError for none of its."""
        node = _spec_schema()
        path: Steps = ()
        for field, name in STEP.findall(self.at):
            node, path = node["properties"][field], (*path, field)
            if name:
                node, path = node["items"], (*path, "[]")
        return {dotted(leaf) for leaf in _leaves(node, self.to, path)}


@dataclass(frozen=True)
class Table:
    base: Spec
    changing: tuple[Change, ...]
    fixed: tuple[Change, ...]
    refused: tuple[Change, ...]
    recorded: tuple[Change, ...]

    def stack(self, *changes: Change) -> dict[str, Any]:
        """The base stack with some changes."""
        spec: Spec = self.base
        for change in changes:
            spec = change.made_in(spec)
        return stacks.stack(**spec)


@cache
def table() -> Table:
    read = yaml.safe_load(TABLE.read_text())
    rows = {name: tuple(Change(**row) for row in read[name]) for name in read if name != "base"}
    return Table(base=read["base"], **rows)


def leaves_of_the_schema() -> set[str]:
    """Every field of the spec that holds a value, and not further fields."""
    inner = {"properties", *schemas.STEPS}
    return {dotted(path) for path, node in schemas.nodes(_spec_schema()) if not inner & node.keys()}


def child(manifest: Mapping[str, Any]) -> str:
    """`deployment/llama` for the Deployment support-llama of the stack support."""
    return f"{manifest['kind'].lower()}/{part(manifest['metadata']['name'])}"


def part(object_name: str) -> str:
    """`llama` for support-llama; the stack's own name stands for the stack as a whole."""
    return object_name.removeprefix("support-")


def _spec_schema() -> Schema:
    spec: Schema = schemas.schema(schemas.definitions()["AIStack"])["properties"]["spec"]
    return spec


def _leaves(node: Schema, value: Any, path: Steps) -> Iterator[Steps]:
    if "properties" in node:
        for field, inner in value.items():
            yield from _leaves(node["properties"][field], inner, (*path, field))
    elif "items" in node:
        for inner in value:
            yield from _leaves(node["items"], inner, (*path, "[]"))
    elif "additionalProperties" in node:
        for inner in value.values():
            yield from _leaves(node["additionalProperties"], inner, (*path, "{}"))
    else:
        yield path


def _item(items: list[Any], name: str) -> Any:
    """The item of this name; a route's target is named by its model."""
    return next(item for item in items if name in (item.get("name"), item.get("model")))
