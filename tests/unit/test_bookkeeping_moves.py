"""However labels change and whatever becomes of the newest spec: what runs is never held by nobody.

Two budgets count a stack by its label, and a controller works on what it is told of late: watch, books and
runs take turns in any order.
"""

import asyncio
from collections.abc import Set
from contextlib import suppress
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from aistack.accounts import Accounts
from aistack.budget import Budgets, Ledger
from aistack.kinds import AIBUDGET, Kind, Manifest
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
    """A stack that runs, held by the gold budget; both budgets have room for it."""

    def __init__(self) -> None:
        self.store, self.version = Store(), 10
        self.server = Distant(
            *(manifest(tier, selector={"stackSelector": {"matchLabels": {"tier": tier}}}) for tier in TIERS)
        )
        entry = {"stack": "care/support", "uid": UID, "specHash": "first", "microUnits": COST * UNIT}
        self.server.stored["gold"]["status"] = {"stacks": [entry]}
        for stored in self.server.stored.values():
            self.store.update({**stored, "apiVersion": AIBUDGET.api_version, "kind": AIBUDGET.kind})
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

    def label(self, tier: str) -> None:
        self.version += 1
        meta = {**stack()["metadata"], "labels": {"tier": tier}, "resourceVersion": str(self.version)}
        self.store.update({**stack(), "metadata": meta})
        self.tier = tier
        self.due.set()

    def on_unheld(self, keys: Set[Key]) -> None:
        if KEY in keys:
            self.due.set()

    def holding(self) -> set[str]:
        ledgers = (Ledger.of(budget) for budget in self.server.budgets().values())
        return {ledger.name for ledger in ledgers if UID in ledger.committed}

    async def reconciles(self) -> None:
        """As the reconciler does with money, whenever the stack is due."""
        while True:
            await self.due.wait()
            self.due.clear()
            metadata = self.store.metadata(KEY)
            assert metadata is not None
            counting = Budgets(tuple(self.store.budgets.values()), {}).counting(metadata)
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


async def _take(did: list[tuple[str, object]]) -> None:
    world = World()
    working = [asyncio.create_task(world.bookkeeping.run()), asyncio.create_task(world.reconciles())]
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
    for task in working:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
