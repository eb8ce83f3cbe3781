"""However labels change and whatever becomes of the newest spec: what runs is never held by nobody.

Two budgets count a stack by its label, and a controller works on what it is told of late: watch, books and
runs take turns in any order.
"""

import asyncio
from collections.abc import AsyncIterator, Set
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aistack.accounts import Accounts
from aistack.budget import Budgets, Ledger
from aistack.kinds import Kind, Manifest
from aistack.runtime.bookkeeping import Bookkeeping
from aistack.runtime.store import Key, Store
from tests.budget_server import Server
from tests.budgets import UNIT, claim, manifest
from tests.stacks import stack
from tests.unit.test_bookkeeping import UID, deployment
from tests.virtual_time import in_virtual_time

KEY: Key = ("care", "support")
TIERS = ("gold", "silver")
COST = 60

steps = st.lists(
    st.one_of(
        st.sampled_from(TIERS).map(lambda tier: ("label", tier)),
        st.booleans().map(lambda refused: ("refuse", refused)),
        st.sampled_from([0.0, 0.1, 0.6, 3.0]).map(lambda seconds: ("wait", seconds)),
        st.just(("run", 0)),
    ),
    max_size=25,
)


class Distant(Server):
    """What is written to it takes a while: labels change meanwhile."""

    async def replace_status(self, kind: Kind, namespace: str, name: str, **fields: Any) -> Manifest:
        await asyncio.sleep(0.2)
        return await super().replace_status(kind, namespace, name, **fields)


class World:
    """A stack that runs, held by the gold budget; both budgets have room for it.

    They choose it by its own labels (`stackSelector`) or by its namespace's.
    """

    def __init__(self, selector: str = "stackSelector") -> None:
        self.store, self.version, self.selector = Store(), 10, selector
        self.server = Distant(*(self.budget(tier, tier) for tier in TIERS))
        entry = {"stack": "care/support", "uid": UID, "specHash": "first", "microUnits": COST * UNIT}
        self.server.stored["gold"]["status"] = {"stacks": [entry]}
        for stored in self.server.stored.values():
            self.store.update(stored)
        self.server.told = self.told
        self.accounts = Accounts(self.server, lambda: self.store.budgets, patience=90)
        self.bookkeeping = Bookkeeping(self.accounts, self.store, self.on_unheld, resync=600)
        self.refused = False
        self.due = asyncio.Event()
        self.never_by_nobody = True
        child = deployment()
        self.store.update({**child, "metadata": {**child["metadata"], "resourceVersion": "1"}})
        self.label("gold")

    def told(self, written: Manifest) -> None:
        self.store.written(written)
        self.never_by_nobody = self.never_by_nobody and bool(self.holding())

    def budget(self, name: str, tier: str) -> Manifest:
        return manifest(name, selector={self.selector: {"matchLabels": {"tier": tier}}})

    def label(self, tier: str) -> None:
        """The stack's own labels change, and its namespace's: only one of them decides."""
        self.tier, place = tier, {"name": KEY[0], "uid": "uid-of-care"}
        self.see({"apiVersion": "v1", "kind": "Namespace", "metadata": {**place, "labels": {"tier": tier}}})
        own = tier if self.selector == "stackSelector" else "gold"
        self.see({**stack(), "metadata": {**stack()["metadata"], "labels": {"tier": own}}})

    def see(self, obj: Manifest) -> None:
        """The watch tells of an object, and whom it concerns is due."""
        self.version += 1
        told = {**obj["metadata"], "resourceVersion": str(self.version)}
        self.on_unheld(self.store.update({**obj, "metadata": told}))

    def make(self, name: str, tier: str) -> None:
        made = self.budget(name, tier)
        self.version += 1
        made["metadata"] |= {"uid": f"uid-{name}", "resourceVersion": str(self.version)}
        self.server.stored[name] = made | {"status": {}}
        self.on_unheld(self.store.update(self.server.stored[name]))

    def unmake(self, name: str) -> None:
        gone = self.server.stored.pop(name)
        self.on_unheld(self.store.remove(gone))

    def on_unheld(self, keys: Set[Key]) -> None:
        if KEY in keys:
            self.due.set()

    def holding(self) -> set[str]:
        ledgers = map(Ledger.of, self.server.counting())
        return {ledger.name for ledger in ledgers if UID in ledger.committed}

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        working = [asyncio.create_task(self.bookkeeping.run()), asyncio.create_task(self.reconciles())]
        yield
        for task in working:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def reconciles(self) -> None:
        """As the reconciler does with money, whenever the stack is due."""
        while True:
            await self.due.wait()
            self.due.clear()
            metadata = self.store.metadata(KEY)
            assert metadata is not None
            budgets = Budgets(tuple(self.store.budgets.values()), self.store.namespaces)
            counting = budgets.counting(metadata)
            if self.refused:
                await self.accounts.hold(claim(COST, uid=UID, spec="standing"), counting)
            else:
                await self.accounts.commit(claim(COST, uid=UID), counting, running=True)


@example([("wait", 3.0), ("label", "silver"), ("wait", 0.6), ("label", "gold")]).via(
    "back while it is let go of"
)
@given(steps)
def test_what_runs_is_always_held_and_in_the_end_only_where_it_belongs(did: list[tuple[str, object]]) -> None:
    in_virtual_time(_take)(did)


@in_virtual_time
async def test_a_namespace_with_other_labels_takes_its_stacks_to_the_budget_that_counts_them_then() -> None:
    world = World("namespaceSelector")
    async with world.at_work():
        await asyncio.sleep(5)
        for tier in ("silver", "gold", "silver"):
            world.label(tier)
            await asyncio.sleep(30)
            assert world.holding() == {tier}
            assert world.server.reserved(tier) == COST
    assert world.never_by_nobody


@pytest.mark.parametrize("first", ["the new one is made", "the old one is deleted"])
@in_virtual_time
async def test_a_budget_that_gets_another_name_counts_what_it_counted(first: str) -> None:
    world = World()
    async with world.at_work():
        await asyncio.sleep(5)
        if first == "the new one is made":
            world.make("golden", "gold")
            await asyncio.sleep(30)
            assert world.holding() == {"gold", "golden"}, "both count it, for they are two"
            world.unmake("gold")
        else:
            world.unmake("gold")
            await asyncio.sleep(30)
            assert world.holding() == set(), "nobody is held to what isn't there"
            world.make("golden", "gold")
        await asyncio.sleep(30)
    assert world.holding() == {"golden"}
    assert world.server.reserved("golden") == COST


async def _take(did: list[tuple[str, object]]) -> None:
    world = World()
    async with world.at_work():
        for what, value in did:
            if what == "label":
                world.label(str(value))
            elif what == "refuse":
                world.refused = bool(value)
            elif what == "run":
                world.due.set()
            else:
                await asyncio.sleep(float(str(value)))
        await asyncio.sleep(30)
        assert world.never_by_nobody
        assert world.holding() == {world.tier}
        assert world.server.reserved(world.tier) == COST
