"""What becomes of a budget's entries when nobody asks: stacks that go, move, or never come."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from aistack.accounts import Accounts
from aistack.api import AIStack
from aistack.budget.claim import spec_hash
from aistack.kinds import AIBUDGET, Manifest
from aistack.runtime.bookkeeping import Bookkeeping
from aistack.runtime.store import Key, Store
from tests.budget_server import Server
from tests.budgets import UNIT, manifest
from tests.stacks import stack
from tests.virtual_time import in_virtual_time

UID = "uid-of-the-stack"


class World:
    """A budget with these entries, and what a controller knows of the cluster."""

    def __init__(self, *, spec: Any = None, **status: Any) -> None:
        self.server = Server(manifest(**(spec or {})))
        self.server.stored["care"]["status"] = status
        self.store = Store()
        self.store.update(self.seen())
        self.server.told = self.store.written
        accounts = Accounts(self.server, lambda: self.store.budgets, patience=90)
        self.looked_at: list[Key] = []
        self.bookkeeping = Bookkeeping(accounts, self.store, self.looked_at.extend, resync=600)

    def seen(self) -> Manifest:
        return {**self.server.stored["care"], "apiVersion": AIBUDGET.api_version, "kind": AIBUDGET.kind}

    def has(self, obj: dict[str, Any], version: int = 1, **metadata: Any) -> None:
        """The watch tells of an object."""
        told = {**obj["metadata"], "resourceVersion": str(version), **metadata}
        self.store.update({**obj, "metadata": told})

    def lost(self, obj: dict[str, Any], version: int = 99) -> None:
        self.store.remove({**obj, "metadata": {**obj["metadata"], "resourceVersion": str(version)}})

    async def keeps_books(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.bookkeeping.run()


def entry(cost: int = 60, name: str = "care/support", **fields: Any) -> dict[str, Any]:
    return {"stack": name, "uid": UID, "specHash": "first", "microUnits": cost * UNIT, **fields}


def pending(seconds: float, **fields: Any) -> dict[str, Any]:
    """One that expires in so many seconds of the real clock."""
    end = datetime.now(UTC) + timedelta(seconds=seconds)
    return entry(expiresAt=end.strftime("%Y-%m-%dT%H:%M:%SZ"), **fields)


def deployment() -> dict[str, Any]:
    owner = {"apiVersion": "aistack.dev/v1alpha1", "kind": "AIStack", "name": "support", "uid": UID}
    meta = {
        "name": "support-llama",
        "namespace": "care",
        "uid": "uid-of-the-child",
        "labels": {"aistack.dev/stack": "support"},
        "ownerReferences": [{**owner, "controller": True}],
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {"replicas": 1}}


@in_virtual_time
async def test_what_is_true_is_written_once_and_then_left_alone() -> None:
    world = World(stacks=[entry()])
    world.has(stack())
    await world.keeps_books(3600)
    assert world.server.reserved() == 60
    assert world.server.writes == 1, "its sums and conditions"
    assert world.server.stored["care"]["status"]["reserved"] == "60.00"
    assert world.server.reads == 0


@in_virtual_time
async def test_a_stack_that_is_gone_is_counted_until_its_objects_are_gone_too() -> None:
    world = World(stacks=[entry()])
    world.has(deployment())
    await world.keeps_books(60)
    assert world.server.reserved() == 60
    world.lost(deployment())
    await world.keeps_books(5)
    assert world.server.reserved() == 0


@in_virtual_time
async def test_another_stack_of_the_same_name_keeps_nothing_of_the_first() -> None:
    world = World(stacks=[entry()])
    world.has(stack(), uid="uid-of-the-second")
    await world.keeps_books(5)
    assert world.server.reserved() == 0


@in_virtual_time
async def test_a_stack_that_other_labels_moved_away_is_let_go_of() -> None:
    world = World(spec={"selector": {"stackSelector": {"matchLabels": {"tier": "gold"}}}}, stacks=[entry()])
    world.has(stack(), labels={"tier": "gold"})
    await world.keeps_books(5)
    assert world.server.reserved() == 60
    world.has(stack(), version=2, labels={"tier": "silver"})
    await world.keeps_books(5)
    assert world.server.reserved() == 0


@in_virtual_time
async def test_a_namespace_with_other_labels_takes_its_stacks_along() -> None:
    world = World(
        spec={"selector": {"namespaceSelector": {"matchLabels": {"team": "care"}}}}, stacks=[entry()]
    )
    place = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "care", "uid": "uid-of-care"}}
    world.has(place, labels={"team": "care"})
    world.has(stack())
    await world.keeps_books(5)
    assert world.server.reserved() == 60
    world.has(place, version=2, labels={"team": "sales"})
    await world.keeps_books(5)
    assert world.server.reserved() == 0


async def test_what_never_came_is_dropped_when_it_expires() -> None:
    world = World(pending=[pending(2.0)])
    await world.keeps_books(0.7)
    assert world.server.reserved() == 60
    await world.keeps_books(3.0)
    assert world.server.reserved() == 0


async def test_what_has_come_and_waits_for_its_turn_outlives_its_expiry() -> None:
    waiting = stack()
    digest = spec_hash(AIStack.parse(waiting).spec)
    world = World(pending=[pending(-60, specHash=digest)])
    world.has(waiting)
    await world.keeps_books(0.7)
    assert world.server.reserved() == 60
    world.has({**waiting, "status": {"observedGeneration": 1}}, version=2)
    await world.keeps_books(2.0)
    assert world.server.reserved() == 0, "it had its turn, and was refused for another reason"


GOLD = {"selector": {"stackSelector": {"matchLabels": {"tier": "gold"}}}}


@in_virtual_time
async def test_what_runs_is_held_until_the_budget_that_it_belongs_to_now_holds_it() -> None:
    world = World(spec=GOLD, stacks=[entry()])
    world.has(deployment())
    world.has(stack(), labels={"tier": "silver"})
    silver = manifest("silver", selector={"stackSelector": {"matchLabels": {"tier": "silver"}}})
    silver |= {"metadata": {"name": "silver", "uid": "uid-silver"}}
    world.has(silver)
    await world.keeps_books(60)
    assert world.server.reserved() == 60, "its newest spec is refused, so nobody has committed it there"
    world.has({**silver, "status": {"stacks": [entry()]}}, version=2)
    await world.keeps_books(5)
    assert world.server.reserved() == 0


@in_virtual_time
async def test_what_runs_and_is_held_nowhere_is_looked_at_again() -> None:
    world = World(spec=GOLD)
    world.has(stack(), labels={"tier": "gold"})
    await world.keeps_books(5)
    assert world.looked_at == [], "nothing of it runs"
    world.has(deployment())
    await world.keeps_books(5)
    assert set(world.looked_at) == {("care", "support")}


@in_virtual_time
async def test_a_selector_that_changes_while_its_budget_is_written_counts_at_once() -> None:
    world = World(spec=GOLD, stacks=[entry()])
    world.has(deployment())
    world.has(stack(), labels={"tier": "silver"})
    world.server.stored["care"]["spec"] = manifest()["spec"]
    world.server.stored["care"]["metadata"] = {
        **world.server.stored["care"]["metadata"],
        "resourceVersion": "2",
    }
    await world.keeps_books(5)
    assert world.server.reserved() == 60
