"""Keeps every budget true for as long as this process leads: what it holds, for whom, what it says of it.

Stacks commit for themselves, in their own run. Here is what no run of a stack tells: that it is gone, that
it belongs to another budget, that a spec which was admitted never came.
"""

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

from pydantic import ValidationError

from aistack.accounts import Accounts
from aistack.api import AIBudget, AIStack
from aistack.api.base import Metadata
from aistack.api.budgets import PendingReservation, StackReservation
from aistack.budget import Budgets, Ledger
from aistack.budget.claim import spec_hash
from aistack.budget.ledger import kept
from aistack.errors import ApiError, NotLeader
from aistack.runtime.store import Key, Store
from aistack.status import of_budget

logger = logging.getLogger(__name__)

SETTLE_SECONDS = 0.5
"""From the first change until it is looked at: they come in swarms."""
LEAVING_SECONDS = 1.0
"""From one look at what is left of a deleted stack to the next."""
RETRY_SECONDS = 5.0


class Bookkeeping:
    """The budgets in `store`, and the accounts that write them."""

    def __init__(self, accounts: Accounts, store: Store, *, resync: float) -> None:
        self._accounts = accounts
        self._store = store
        self._resync = resync

    async def run(self) -> None:
        """Looks whenever something changes, when an entry expires, and every `resync` seconds."""
        while True:
            self._store.budgets_changed.clear()
            pause = await self._look(datetime.now(UTC))
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._store.budgets_changed.wait()
                    await asyncio.sleep(SETTLE_SECONDS)

    async def _look(self, now: datetime) -> float:
        """Writes what differs; the seconds until there is reason to look again."""
        pauses = [self._resync]
        for budget in self._store.budgets.values():
            try:
                pauses.append(await self._keep(budget, now))
            except (ApiError, NotLeader) as error:
                logger.warning("budget %s can't be kept, trying again: %s", budget.metadata.name, error)
                pauses.append(RETRY_SECONDS)
        return max(0.0, min(pauses))

    async def _keep(self, budget: AIBudget, now: datetime) -> float:
        step = partial(self._kept, budget, now)
        after, _ = step(Ledger.of(budget))
        if of_budget(budget, after, now) != budget.status:
            await self._accounts[budget.metadata.name].take(step, shows=True)
        expiries = [datetime.fromisoformat(entry.expires_at) for entry in after.pending.values()]
        next_expiry = (min(expiries) - now).total_seconds() if expiries else self._resync
        leaving = any(self._metadata(entry) is None for entry in after.committed.values())
        return min(max(next_expiry, LEAVING_SECONDS), LEAVING_SECONDS if leaving else self._resync)

    def _kept(self, budget: AIBudget, now: datetime, ledger: Ledger) -> tuple[Ledger, None]:
        return kept(ledger, partial(self._counts, budget), self._is_awaited, now), None

    def _counts(self, budget: AIBudget, entry: StackReservation) -> bool:
        """The stack is there and belongs to the budget, or is gone and something of it still runs."""
        if metadata := self._metadata(entry):
            return bool(Budgets((budget,), self._store.namespaces).counting(metadata))
        key = _key(entry)
        observed = self._store.observed(key)
        owned = any(child.owner_uid == entry.uid for child in observed.children.values())
        return owned or (bool(observed.pods) and self._store.metadata(key) is None)

    def _is_awaited(self, entry: PendingReservation) -> bool:
        """Its very spec is there, and the controller has not come to it yet."""
        stack = self._store.stack(_key(entry)) if self._metadata(entry) else None
        if (
            stack is None
            or stack.get("status", {}).get("observedGeneration") == stack["metadata"]["generation"]
        ):
            return False
        try:
            return spec_hash(AIStack.read({**stack, "status": {}}).spec) == entry.spec_hash
        except ValidationError:
            return False

    def _metadata(self, entry: StackReservation) -> Metadata | None:
        """Of the very stack that holds it; None when that is gone, whoever has its name now."""
        found = self._store.metadata(_key(entry))
        return found if found and found.uid == entry.uid else None


def _key(entry: StackReservation) -> Key:
    namespace, _, name = entry.stack.partition("/")
    return namespace, name
