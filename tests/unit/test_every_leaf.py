"""Every leaf of the spec changes what it should and nothing else; how a stack came to be leaves no trace."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import assume, given, note
from hypothesis import strategies as st
from pydantic import ValidationError

from aistack import apply
from aistack.api import AIStack
from aistack.api.stack import InventoryItem
from aistack.cost.prices import DEFAULT, index, shipped_book
from aistack.kinds import FIELD_MANAGER, Manifest
from aistack.observed import Observed, digest, observe
from aistack.platform import Platform
from aistack.render import render
from aistack.resolve import Resolution
from aistack.waking import both_ways
from tests import leaves
from tests.leaves import Change
from tests.stacks import catalog

PLATFORM = Platform(
    catalog(custom_metrics=True, resource_metrics=True, gateway_api=True), index({DEFAULT: shipped_book()})
)
TABLE = leaves.table()


def resolution(*changes: Change) -> Resolution:
    return PLATFORM.resolve(AIStack.parse(TABLE.stack(*changes)))


def children(*changes: Change) -> Mapping[str, Manifest]:
    """What the base stack with some changes is rendered to while all its models run."""
    found = resolution(*changes)
    assert found.stack, "; ".join(map(str, found.problems))
    return {leaves.child(manifest): manifest for manifest in render(both_ways(found.stack)[0])}


def different(before: Mapping[str, Any], after: Mapping[str, Any]) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def test_every_leaf_of_the_schema_stands_in_the_table_and_nothing_else_does() -> None:
    rows = (*TABLE.changing, *TABLE.fixed, *TABLE.refused, *TABLE.recorded)
    assert set().union(*(row.leaves() for row in rows)) == leaves.leaves_of_the_schema()


@pytest.mark.parametrize("change", TABLE.changing, ids=str)
def test_a_leaf_changes_the_children_of_its_row_and_no_other(change: Change) -> None:
    assert change.children
    assert different(children(), children(change)) == set(change.children)


@pytest.mark.parametrize("change", TABLE.refused, ids=str)
def test_what_is_not_served_is_refused_where_it_stands(change: Change) -> None:
    (path,) = {problem.path for problem in resolution(change).problems}
    branch = f"spec.{change.said or change.at}"
    assert path.startswith(branch) or branch.startswith(path)


@pytest.mark.parametrize("change", TABLE.recorded, ids=str)
def test_what_is_only_recorded_changes_no_child(change: Change) -> None:
    assert children() == children(change)


class World:
    """A cluster that takes every write: what the plans make of it, without a network."""

    def __init__(self) -> None:
        self.objects: dict[str, Manifest] = {}
        self.inventory: tuple[InventoryItem, ...] = ()

    def reconcile(self, changes: Iterable[Change]) -> set[str]:
        """The children that are written or deleted on the way to a stack; none when it's refused."""
        try:
            stack = resolution(*changes).stack
        except (ValidationError, StopIteration):
            return set()
        if stack is None:
            return set()
        seen = {(each["kind"], each["metadata"]["name"]): observe(each) for each in self.objects.values()}
        plan = apply.plan(stack.ref, render(both_ways(stack)[0]), self.inventory, Observed(seen))
        assert plan.waiting == ()
        written = [write for part in plan.writes.values() for write in part]
        deleted = {f"{child.kind.lower()}/{leaves.part(child.name)}" for child in plan.deletions}
        self.objects = {name: each for name, each in self.objects.items() if name not in deleted}
        self.objects |= {leaves.child(write.manifest): stored(write.manifest) for write in written}
        self.inventory = (*plan.unchanged, *(item(write.manifest) for write in written))
        return deleted | {leaves.child(write.manifest) for write in written}


def stored(manifest: Manifest) -> Manifest:
    """As the API server would give it back."""
    fields = {"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": {"f:all": digest(manifest)}}
    meta = {**manifest["metadata"], "uid": "uid", "resourceVersion": "1", "managedFields": [fields]}
    return {**manifest, "metadata": meta}


def item(manifest: Manifest) -> InventoryItem:
    child = observe(stored(manifest))
    return InventoryItem(kind=child.kind, name=child.name, applied=digest(manifest), owned=child.owned)


SERVED = st.lists(st.sampled_from(TABLE.changing), max_size=3)
ANYTHING = st.lists(st.sampled_from((*TABLE.changing, *TABLE.refused, *TABLE.recorded)), max_size=3)


@given(history=st.lists(ANYTHING, max_size=4), last=SERVED)
def test_whatever_came_before_the_end_is_that_of_going_there_at_once(
    history: list[list[Change]], last: list[Change]
) -> None:
    note(f"{[list(map(str, each)) for each in history]} then {list(map(str, last))}")
    travelled, direct = World(), World()
    for changes in history:
        travelled.reconcile(changes)
    assume(direct.reconcile(last))  # changes that don't fit together are refused: no end to compare
    travelled.reconcile(last)
    assert travelled.objects == direct.objects
    assert travelled.reconcile(last) == set()


@given(good=SERVED, bad=st.sampled_from(TABLE.refused))
def test_a_refused_change_and_its_withdrawal_write_nothing(good: list[Change], bad: Change) -> None:
    world = World()
    world.reconcile(good)
    assert world.reconcile([*good, bad]) == set()
    assert world.reconcile(good) == set()
