"""Keeps every budget true for as long as this process leads: what it holds, for whom, what it says of it.

Stacks commit for themselves, in their own run. Here is what no run of a stack tells: that it is gone, that
it belongs to another budget, that a spec which was admitted never came, that what runs is held by nobody.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Set
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

from pydantic import ValidationError

from aistack.accounts import Accounts
from aistack.api import AIBudget, AIStack
from aistack.api.base import Metadata
from aistack.api.budgets import PendingReservation, StackReservation
from aistack.budget import Budgets, Ledger
from aistack.budget.claim import counts, spec_hash
from aistack.budget.ledger import kept
from aistack.errors import ApiError, NotLeader
from aistack.govern.matching import selects
from aistack.runtime.store import Key, Store
from aistack.status import of_budget

logger = logging.getLogger(__name__)

SETTLE_SECONDS = 0.5
"""From the first change until it is looked at: they come in swarms."""
LEAVING_SECONDS = 1.0
"""From one look at what is left of a deleted stack to the next."""
RETRY_SECONDS = 5.0


class Bookkeeping:
    """The budgets in `store`, and the accounts that write them.

    `on_unheld` is told which stacks run and have no reservation in a budget that counts them.
    """

    def __init__(
        self, accounts: Accounts, store: Store, on_unheld: Callable[[Set[Key]], None], *, resync: float
    ) -> None:
        self._accounts = accounts
        self._store = store
        self._on_unheld = on_unheld
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
        for name in list(self._store.budgets):
            try:
                pauses.append(await self._keep(name, now))
            except (ApiError, NotLeader) as error:
                logger.warning("budget %s can't be kept, trying again: %s", name, error)
                pauses.append(RETRY_SECONDS)
        if unheld := self._unheld():
            self._on_unheld(unheld)
        return max(0.0, min(pauses))

    async def _keep(self, name: str, now: datetime) -> float:
        budget = self._store.budgets.get(name)
        if budget is None:
            return self._resync
        step = partial(self._kept, now)
        after, _ = step(Ledger.of(budget))
        if of_budget(budget, after, now) != budget.status:
            await self._accounts[name].take(step, shows=True)
        expiries = [datetime.fromisoformat(entry.expires_at) for entry in after.pending.values()]
        next_expiry = (min(expiries) - now).total_seconds() if expiries else self._resync
        leaving = any(self._metadata(entry) is None for entry in after.committed.values())
        return min(max(next_expiry, LEAVING_SECONDS), LEAVING_SECONDS if leaving else self._resync)

    def _kept(self, now: datetime, ledger: Ledger) -> tuple[Ledger, None]:
        return kept(ledger, partial(self._counts, ledger), self._is_awaited, now), None

    def _counts(self, ledger: Ledger, entry: StackReservation) -> bool:
        """The stack is there and belongs to the budget, or is gone and something of it still runs, or runs
        and belongs elsewhere, where it is not held yet."""
        key, metadata = _key(entry), self._metadata(entry)
        if metadata is None:
            return self._runs(key, entry.uid) or (
                bool(self._store.observed(key).pods) and self._store.metadata(key) is None
            )
        labels = self._store.namespaces.get(metadata.namespace, {})
        if counts(ledger.terms, metadata, labels):
            return True
        return self._runs(key, entry.uid) and any(
            not _holds(budget, entry.uid) for budget in self._counting(metadata)
        )

    def _counting(self, metadata: Metadata) -> tuple[AIBudget, ...]:
        return Budgets(tuple(self._store.budgets.values()), self._store.namespaces).counting(metadata)

    def _runs(self, key: Key, uid: str) -> bool:
        """Whether objects of this very stack are there."""
        return any(child.owner_uid == uid for child in self._store.observed(key).children.values())

    def _unheld(self) -> Set[Key]:
        """Labels that change and change back within a moment can cost a stack its reservation."""
        return frozenset().union(*map(self._unheld_by, self._store.budgets.values()))

    def _unheld_by(self, budget: AIBudget) -> Iterator[Key]:
        held, selector = {entry.uid for entry in budget.status.stacks}, budget.spec.selector
        stacks, namespaces = self._store.stacks(), self._store.namespaces
        places = {place: namespaces.get(place, {}) for place, _ in stacks}
        chosen = {place for place, labels in places.items() if selects(selector.namespace_selector, labels)}
        for key in stacks:
            metadata = self._store.metadata(key) if key[0] in chosen else None
            if (
                metadata
                and metadata.uid not in held
                and selects(selector.stack_selector, metadata.labels)
                and self._runs(key, metadata.uid)
            ):
                yield key

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


def _holds(budget: AIBudget, uid: str) -> bool:
    return any(entry.uid == uid for entry in budget.status.stacks)


def _key(entry: StackReservation) -> Key:
    namespace, _, name = entry.stack.partition("/")
    return namespace, name
