"""What the cluster looks like, as far as it was told: fed by the watches and by the answers to our writes.

Of a stack's objects only what decisions need is kept: the full dicts of 15,000 children are 305 MB.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, replace
from datetime import datetime
from sys import intern
from typing import TypeVar

import orjson
from pydantic import ValidationError

from aistack.api import AcceleratorClass, AIBudget, AIPolicy, AIPolicyException, PriceBook
from aistack.api.base import Metadata
from aistack.api.validation import problems
from aistack.govern import Policies
from aistack.kinds import (
    ACCELERATOR_CLASS,
    AIBUDGET,
    AIPOLICY,
    AIPOLICY_EXCEPTION,
    AISTACK,
    NAMESPACE,
    POD,
    PRICE_BOOK,
    Kind,
    Manifest,
)
from aistack.labels import STACK_LABEL
from aistack.observed import Child, Observed, Pod, observe, observe_pod
from aistack.unreadable import GUARDS, Unreadable, unreadable

logger = logging.getLogger(__name__)

Key = tuple[str, str]
"""(namespace, name) of a stack."""
ObjectId = tuple[str, str, str]
"""(kind, namespace, name); the namespace is empty for what has none."""

NOBODY: frozenset[Key] = frozenset()
SERVER_ONLY = frozenset({"managedFields", "resourceVersion"})
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


Labels = dict[str, str]


@dataclass(frozen=True, slots=True)
class _Stack:
    """An AIStack as JSON, a fifth of the size of its dict, without its version and what only servers read."""

    wire: bytes
    accelerator_classes: frozenset[str]
    metadata: Metadata
    """By what budgets choose the stack, and its uid: made once, for they ask for thousands at each look."""


Shared = AcceleratorClass | PriceBook | AIPolicy | AIPolicyException | AIBudget | Unreadable
"""What stacks have in common."""
SHARED: Mapping[str, type[AcceleratorClass | PriceBook | AIPolicy | AIPolicyException | AIBudget]] = {
    ACCELERATOR_CLASS.kind: AcceleratorClass,
    PRICE_BOOK.kind: PriceBook,
    AIPOLICY.kind: AIPolicy,
    AIPOLICY_EXCEPTION.kind: AIPolicyException,
    AIBUDGET.kind: AIBudget,
}
RULES = frozenset({AIPOLICY.kind, AIPOLICY_EXCEPTION.kind})
Value = _Stack | Shared | Labels | Child | Pod | None
"""None: an object that can't be read. Of a namespace its labels are kept."""
T = TypeVar("T", AcceleratorClass, PriceBook, AIPolicy, AIPolicyException, AIBudget, Unreadable)


@dataclass(slots=True)
class _Entry:
    value: Value
    uid: str
    revision: int
    home: Key | None
    """The stack that a child or a pod belongs to."""


class Store:
    """The newest known version of each object. Every change answers with the stacks that it concerns."""

    def __init__(self) -> None:
        self.namespaces: dict[str, Labels] = {}
        """The labels of each."""
        self.rules_changed = asyncio.Event()
        """Set when a policy or an exception is another one; who acts on it clears it."""
        self.budgets_changed = asyncio.Event()
        """Set when a budget is another one, or other stacks may belong to it; who acts on it clears it."""
        self._shared: dict[ObjectId, Shared] = {}
        self._entries: dict[ObjectId, _Entry] = {}
        self._objects: defaultdict[Key, set[ObjectId]] = defaultdict(set)
        self._stacks: dict[Key, _Stack] = {}
        self._seen: dict[str, int] = {}

    @property
    def accelerator_classes(self) -> dict[str, AcceleratorClass]:
        return {item.metadata.name: item for item in self._all(AcceleratorClass)}

    @property
    def price_books(self) -> dict[str, PriceBook]:
        return {item.metadata.name: item for item in self._all(PriceBook)}

    @property
    def budgets(self) -> dict[str, AIBudget]:
        return {item.metadata.name: item for item in self._all(AIBudget)}

    @property
    def unreadable(self) -> tuple[Unreadable, ...]:
        """The budgets and policies that can't be read."""
        return tuple(self._all(Unreadable))

    def policies(self, now: datetime) -> Policies:
        """Every policy and exception, and the labels of the namespaces, to judge by at `now` (UTC)."""
        return Policies(tuple(self._all(AIPolicy)), tuple(self._all(AIPolicyException)), self.namespaces, now)

    def _all(self, kind: type[T]) -> Iterator[T]:
        return (item for item in self._shared.values() if isinstance(item, kind))

    def stacks(self) -> Set[Key]:
        return self._stacks.keys()

    def stack(self, key: Key) -> Manifest | None:
        """The AIStack without resourceVersion and managedFields; None when there is none."""
        stack = self._stacks.get(key)
        return orjson.loads(stack.wire) if stack else None

    def metadata(self, key: Key) -> Metadata | None:
        """A stack's name, namespace, uid and labels; None when there is none."""
        stack = self._stacks.get(key)
        return stack.metadata if stack else None

    def observed(self, key: Key) -> Observed:
        """Everything seen of one stack's objects, as of now."""
        children: dict[tuple[str, str], Child] = {}
        pods: dict[str, Pod] = {}
        for identity in self._objects.get(key, ()):
            value = self._entries[identity].value
            if isinstance(value, Child):
                children[value.kind, value.name] = value
            elif isinstance(value, Pod):
                pods[value.name] = value
        return Observed(children, pods)

    def update(self, manifest: Manifest) -> Set[Key]:
        """An object as a list or a watch shows it; an older version than the known one changes nothing."""
        kind, revision = manifest["kind"], int(manifest["metadata"]["resourceVersion"])
        self._seen[kind] = max(self._seen.get(kind, 0), revision)
        return self._put(manifest)

    def remove(self, manifest: Manifest) -> Set[Key]:
        """An object that a watch shows as deleted; a newer one of its name stays."""
        kind, revision = manifest["kind"], int(manifest["metadata"]["resourceVersion"])
        self._seen[kind] = max(self._seen.get(kind, 0), revision)
        entry = self._entries.get(identity(manifest))
        if entry is None or entry.uid != manifest["metadata"]["uid"]:
            return NOBODY
        return self._drop(identity(manifest))

    def retain(self, kind: Kind, listed: Set[ObjectId], resource_version: str) -> Set[Key]:
        """Ends a list: what it did not hold is gone, except what is newer than the list."""
        gone = [
            known
            for known, entry in self._entries.items()
            if known[0] == kind.kind and known not in listed and entry.revision <= int(resource_version)
        ]
        return frozenset().union(*map(self._drop, gone))

    def written(self, manifest: Manifest) -> None:
        """The answer to our own write, which no watch may have told of yet."""
        revision = int(manifest["metadata"]["resourceVersion"])
        # The watch has been there already: an object that is absent was deleted after we wrote it.
        if identity(manifest) not in self._entries and revision <= self._seen.get(manifest["kind"], 0):
            return
        self._put(manifest)

    def deleted(self, key: Key, child: Child) -> None:
        """We had a child deleted: until a watch shows it gone, it is on its way out."""
        entry = self._entries.get((child.kind, key[0], child.name))
        if entry and entry.uid == child.uid:
            entry.value = replace(child, deleting=True)

    def _put(self, manifest: Manifest) -> Set[Key]:
        known = identity(manifest)
        before = self._entries.get(known)
        if before and int(manifest["metadata"]["resourceVersion"]) <= before.revision:
            return NOBODY
        entry = _entry(manifest)
        self._entries[known] = entry
        self._index(known, before, entry)
        if before and before.home == entry.home and _same(before.value, entry.value):
            return NOBODY
        return self._concerned(known, before, entry)

    def _drop(self, known: ObjectId) -> Set[Key]:
        entry = self._entries.pop(known)
        gone = _Entry(None, entry.uid, entry.revision, None)
        concerned = self._concerned(known, entry, gone)
        self._index(known, entry, gone)
        return concerned

    def _index(self, known: ObjectId, before: _Entry | None, after: _Entry) -> None:
        kind, namespace, name = known
        if _moves_between_budgets(kind, before, after):
            self.budgets_changed.set()
        if kind == AISTACK.kind:
            if isinstance(after.value, _Stack):
                self._stacks[namespace, name] = after.value
            else:
                self._stacks.pop((namespace, name), None)
        elif kind in SHARED:
            if kind in RULES and not _asks_the_same(before, after):
                self.rules_changed.set()
            if isinstance(after.value, Shared):
                self._shared[known] = after.value
            else:
                self._shared.pop(known, None)
        elif kind == NAMESPACE.kind:
            if isinstance(after.value, dict):
                self.namespaces[name] = after.value
            else:
                self.namespaces.pop(name, None)
        elif before is None or before.home != after.home:
            self._move(known, before.home if before else None, after.home)

    def _move(self, known: ObjectId, before: Key | None, after: Key | None) -> None:
        if before:
            self._objects[before].discard(known)
            if not self._objects[before]:
                del self._objects[before]
        if after:
            self._objects[after].add(known)

    def _concerned(self, known: ObjectId, before: _Entry | None, after: _Entry) -> Set[Key]:
        kind, namespace, name = known
        if kind == AISTACK.kind:
            return frozenset({(namespace, name)})
        if kind in SHARED and _asks_the_same(before, after):
            return NOBODY
        if kind == ACCELERATOR_CLASS.kind:
            return frozenset(key for key, stack in self._stacks.items() if name in stack.accelerator_classes)
        if kind in {AIPOLICY_EXCEPTION.kind, NAMESPACE.kind}:
            place = namespace or name
            return frozenset(key for key in self._stacks if key[0] == place)
        if kind in SHARED:
            return frozenset(self._stacks)
        homes = {entry.home for entry in (before, after) if entry and entry.home}
        return homes & self._stacks.keys()


def identity(manifest: Manifest) -> ObjectId:
    meta = manifest["metadata"]
    return intern(manifest["kind"]), intern(meta.get("namespace", "")), meta["name"]


def _entry(manifest: Manifest) -> _Entry:
    meta = manifest["metadata"]
    stack = meta.get("labels", {}).get(STACK_LABEL)
    home = (intern(meta["namespace"]), intern(stack)) if stack and "namespace" in meta else None
    return _Entry(_value(manifest), meta["uid"], int(meta["resourceVersion"]), home)


def _value(manifest: Manifest) -> Value:
    kind = manifest["kind"]
    if kind == AISTACK.kind:
        return _stack(manifest)
    if kind in SHARED:
        return _read(manifest)
    if kind == NAMESPACE.kind:
        labels: Labels = manifest["metadata"].get("labels", {})
        return labels
    if kind == POD.kind:
        return observe_pod(manifest)
    return observe(manifest)


def _stack(manifest: Manifest) -> _Stack:
    meta = {name: value for name, value in manifest["metadata"].items() if name not in SERVER_ONLY}
    if LAST_APPLIED in meta.get("annotations", {}):
        annotations = meta["annotations"].items()
        meta["annotations"] = {name: value for name, value in annotations if name != LAST_APPLIED}
    classes = (
        model.get("selfHosted", {}).get("accelerator", {}).get("class", "")
        for model in manifest.get("spec", {}).get("models", ())
    )
    labels = {intern(label): intern(value) for label, value in meta.get("labels", {}).items()}
    metadata = Metadata(name=meta["name"], namespace=meta["namespace"], uid=meta["uid"], labels=labels)
    return _Stack(orjson.dumps({**manifest, "metadata": meta}), frozenset(classes), metadata)


def _read(manifest: Manifest) -> Shared | None:
    """What can't be read gives nothing, but what may forbid something is not taken for absent."""
    kind = manifest["kind"]
    try:
        return SHARED[kind].read(manifest)
    except ValidationError as error:
        lines = problems(error, manifest)
    guards = kind in GUARDS
    meaning = "nothing new runs under it" if guards else "counts as absent"
    told = manifest["metadata"]["name"], meaning, "; ".join(lines)
    logger.warning("%s %s can't be read and %s: %s", kind, *told)
    return unreadable(manifest, lines) if guards else None


def _moves_between_budgets(kind: str, before: _Entry | None, after: _Entry) -> bool:
    if kind == AISTACK.kind:
        one, other = before.value if before else None, after.value
        same = isinstance(one, _Stack) and isinstance(other, _Stack) and one.metadata == other.metadata
        return not same
    return kind in {AIBUDGET.kind, NAMESPACE.kind}


def _asks_the_same(before: _Entry | None, after: _Entry) -> bool:
    if before is None or before.uid != after.uid:
        return False
    return _terms(before.value) == _terms(after.value)


def _terms(value: Value) -> object:
    """What an object asks of stacks; its labels and what its status tells concern it alone."""
    if isinstance(value, AIBudget):
        return value.spec, value.status.action
    if isinstance(value, AcceleratorClass | PriceBook | AIPolicy | AIPolicyException):
        return value.spec
    return value if isinstance(value, Unreadable) else None


def _same(before: Value, after: Value) -> bool:
    """Whether two versions of an object differ in nothing but their version."""
    if isinstance(before, Child) and isinstance(after, Child):
        return replace(before, resource_version=after.resource_version) == after
    if isinstance(before, Pod) and isinstance(after, Pod):
        return replace(before, resource_version=after.resource_version) == after
    return before == after
