"""An API server that holds budgets and nothing else, for tests of those who write them."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from aistack.accounts import Accounts
from aistack.api import AIBudget
from aistack.budget import Ledger
from aistack.errors import Conflict, NotFound
from aistack.kinds import Kind, Manifest
from aistack.kube import Kube
from tests.budgets import UNIT


class Server(Kube):
    """An API server that holds budgets, and a cache of them that is as old as the test wants."""

    def __init__(self, *budgets: Manifest) -> None:
        self.stored = {item["metadata"]["name"]: {**item, "status": {}} for item in budgets}
        for item in self.stored.values():
            item["metadata"] |= {"uid": f"uid-{item['metadata']['name']}", "resourceVersion": "1"}
        self.cache = dict(self.stored)
        self.reads = self.writes = self.conflicts = 0
        self.failing: Exception | None = None
        """Answers every write, or that of one budget."""
        self.failing_at = ""
        self.hanging_at = ""
        """No write to this one is answered before `goes_on`; `hangs` says that one has come."""
        self.hangs, self.goes_on = asyncio.Event(), asyncio.Event()
        self.told: Callable[[Manifest], None] = lambda _: None

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        self.reads += 1
        await asyncio.sleep(0)
        if name not in self.stored:
            raise NotFound(404, "NotFound", f"{kind.plural}{namespace} {name} not found")
        return self.stored[name]

    async def replace_status(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        *,
        uid: str,
        status: Mapping[str, Any],
        resource_version: str = "",
    ) -> Manifest:
        await asyncio.sleep(0)
        if self.hanging_at == name:
            self.hangs.set()
            await self.goes_on.wait()
        if self.failing and self.failing_at in {"", name}:
            raise self.failing
        found = self.stored.get(name)
        if found is None:
            raise NotFound(404, "NotFound", f"{kind.plural}{namespace} {name} not found")
        meta = found["metadata"]
        if (meta["uid"], meta["resourceVersion"]) != (uid, resource_version):
            self.conflicts += 1
            raise Conflict(409, "Conflict", "changed meanwhile")
        self.writes += 1
        version = str(int(resource_version) + 1)
        self.stored[name] = {
            **found,
            "metadata": {**meta, "resourceVersion": version},
            "status": dict(status),
        }
        self.cache[name] = self.stored[name]
        self.told({**self.stored[name], "apiVersion": kind.api_version, "kind": kind.kind})
        return self.stored[name]

    def budgets(self) -> dict[str, AIBudget]:
        return {name: AIBudget.parse(item) for name, item in self.cache.items()}

    def accounts(self) -> Accounts:
        """What one process has of it."""
        return Accounts(self, self.budgets, patience=90)

    def counting(self) -> list[AIBudget]:
        return [AIBudget.parse(item) for _, item in sorted(self.stored.items())]

    def reserved(self, name: str = "care") -> float:
        return Ledger.of(AIBudget.parse(self.stored[name])).reserved / UNIT
