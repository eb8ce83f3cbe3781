"""What expressions read of the stack and of the facts, held to their types.

CEL evaluates JSON, which has no types: a field that nobody can write is absent for ever, and `has(…)` or `.?`
before it make a rule silent. So each path in an expression is followed through the types, also through lists,
optional values and the variables of macros. Where it can't be followed nothing is said.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from typing import Any

from aistack.api import AIPolicy, Reason
from aistack.api.stack import AIStackSpec
from aistack.govern.facts import Facts
from aistack.govern.rules import compiled, position
from aistack.govern.syntax import Call, Constant, Listed, Loop, Mapped, Name, Node, Select, tree
from aistack.problem import Problem, instead

Schema = Mapping[str, Any]
SAME = frozenset({"dyn", "optional.of", "value", "sort", "slice", "distinct", "reverse"})
"""Functions that give a value of the type of their first argument."""
JOINING = frozenset({"_+_", "orValue", "or"})
"""Functions that give a value of the type of any of their arguments."""
CHOICE = "_?_:_"
READS = frozenset({"_?._", "_[_]", "_[?_]"})
"""`a.?b`, `a[b]` and `a[?b]`."""
ITEMS = frozenset({"first", "last"})


@dataclass(frozen=True, slots=True)
class Place:
    """A place in one of the types: its path, and its schema in the document that it stands in."""

    path: str = field(compare=False)
    schema: Schema
    document: Schema = field(repr=False)

    @property
    def names(self) -> Mapping[str, Schema]:
        """The fields of an object; none for what is no object, or may have any field."""
        found: Mapping[str, Schema] = self.schema.get("properties", {})
        return found

    def at(self, name: str) -> "Place | None":
        """What stands in it under a name."""
        return self._inside(f".{name}", self.names[name]) if name in self.names else self.item

    @property
    def item(self) -> "Place | None":
        """What a list or a map holds."""
        if "items" in self.schema:
            return self._inside("[]", self.schema["items"])
        within = self.schema.get("additionalProperties")
        return self._inside("{}", within) if isinstance(within, Mapping) else None

    def _inside(self, step: str, schema: Schema) -> "Place":
        return Place(self.path + step, _plain(schema, self.document), self.document)


NOTHING = Place("", {}, {})
"""What has no field that could be read: a literal, and what is empty."""


def _plain(schema: Schema, document: Schema) -> Schema:
    """Without references, and without the null that an absent value is."""
    schema = next((each for each in schema.get("anyOf", ()) if each.get("type") != "null"), schema)
    if reference := schema.get("$ref"):
        found: Schema = document["$defs"][reference.rpartition("/")[2]]
        return found
    return schema


@cache
def _places() -> Mapping[str, Place]:
    """The variables whose types are known; what Kubernetes owns of an object may have any field."""
    spec = AIStackSpec.model_json_schema(by_alias=True, mode="serialization")
    facts = Facts.model_json_schema(by_alias=True, mode="serialization")
    whole = {"properties": {"spec": spec, "metadata": {}, "apiVersion": {}, "kind": {}}}
    return {
        "object": Place("object", whole, spec),
        "oldObject": Place("oldObject", whole, spec),
        "facts": Place("facts", facts, facts),
    }


def doubts(policy: AIPolicy) -> Iterator[Problem]:
    """Every field that an expression reads and that no stack can have."""
    for rule in policy.spec.rules:
        for name, expression in (("expression", rule.expression), ("found", rule.found or "true")):
            for offset, told in _unknown(expression):
                message = f"{position(expression, offset)}: {told}"
                yield Problem(f"spec.rules[{rule.id}].{name}", Reason.INVALID_REFERENCE, message)


def _unknown(expression: str) -> Iterator[tuple[int, str]]:
    program = compiled(expression)
    if program is None:
        return
    reader = _Reader()
    reader.place(tree(program.serialize()), _places())
    yield from sorted(reader.unknown)


Scope = Mapping[str, Place | None]


class _Reader:
    """Follows paths through a tree, and notes those that lead nowhere."""

    def __init__(self) -> None:
        self.unknown: set[tuple[int, str]] = set()
        """Where, and what to write instead."""

    def place(self, node: Node, scope: Scope) -> Place | None:
        """The place that an expression gives the value of; None where that isn't known."""
        match node:
            case Name(name):
                return scope.get(name)
            case Select(operand, name, offset):
                return self._step(self.place(operand, scope), name, offset)
            case Call():
                return self._called(node, scope)
            case Listed() | Mapped():
                return self._made(node, scope)
            case Loop():
                return self._looped(node, scope)
            case Constant():
                return NOTHING

    def _step(self, place: Place | None, name: str, offset: int) -> Place | None:
        if place is None:
            return None
        if place.names and name not in place.names:
            close = get_close_matches(name, place.names, n=1)
            told = f"write {close[0]}" if close else instead(place.names, "")
            self.unknown.add((offset, f"{place.path} has no field {name}; {told}"))
            return None
        return place.at(name)

    def _made(self, node: Listed | Mapped, scope: Scope) -> Place | None:
        items = [self.place(each, scope) for each in node.items]
        if not items:
            return NOTHING
        return _list_of(_common(items)) if isinstance(node, Listed) else None

    def _called(self, call: Call, scope: Scope) -> Place | None:
        places = [self.place(each, scope) for each in call.arguments]
        if call.function in READS:
            by = call.arguments[1]
            if isinstance(by, Constant) and by.text is not None:
                return self._step(places[0], by.text, call.offset)
            return places[0].item if places[0] else None
        if call.function in ITEMS:
            return places[0].item if places[0] else None
        if call.function == CHOICE:
            return _common(places[1:])
        if call.function in JOINING:
            return _common(places)
        return places[0] if call.function in SAME else None

    def _looped(self, loop: Loop, scope: Scope) -> Place | None:
        over = self.place(loop.over, scope)
        inside = {**scope, **_variables(loop, over), loop.accumulator: self.place(loop.start, scope)}
        self.place(loop.condition, inside)
        step = self.place(loop.step, inside)
        return self.place(loop.result, {**inside, loop.accumulator: step})


def _variables(loop: Loop, over: Place | None) -> Scope:
    """A macro with one variable goes over the keys of a map, and over the items of a list."""
    *_, last = loop.variables
    keys = over is not None and "items" not in over.schema and len(loop.variables) == 1
    return {**dict.fromkeys(loop.variables), last: over.item if over and not keys else None}


def _list_of(item: Place | None) -> Place | None:
    if item is None:
        return None
    return Place(item.path.removesuffix("[]"), {"items": item.schema}, item.document)


def _common(places: Iterable[Place | None]) -> Place | None:
    """The one that all are; None where they differ, or one isn't known."""
    first, *others = [each for each in places if each != NOTHING] or [NOTHING]
    return first if all(each == first for each in others) else None
