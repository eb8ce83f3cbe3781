"""The controller: what the watches tell goes into the queue, the queue's keys go through `reconcile`."""

import asyncio
import logging
import time
import uuid
from collections.abc import Set
from dataclasses import replace
from datetime import UTC, datetime

from prometheus_client import REGISTRY

from aistack.accounts import Accounts
from aistack.api import AIBudget
from aistack.budget import Budgets
from aistack.catalog import Catalog, Traces
from aistack.connection import Connection
from aistack.cost.prices import PriceIndex
from aistack.errors import NotLeader, Unavailable
from aistack.govern.exceptions import next_change
from aistack.images import default_images
from aistack.kinds import (
    ACCELERATOR_CLASS,
    AIBUDGET,
    AIPOLICY,
    AIPOLICY_EXCEPTION,
    AISTACK,
    CHILD_KINDS,
    NAMESPACE,
    POD,
    PRICE_BOOK,
    Manifest,
)
from aistack.kube import Kube
from aistack.observed import METADATA_SUFFICES
from aistack.platform import Platform
from aistack.reconciler import Outcome, reconcile
from aistack.runtime.admissionpolicies import AdmissionPolicies
from aistack.runtime.bookkeeping import Bookkeeping
from aistack.runtime.demand import Demand
from aistack.runtime.discovery import Discovery
from aistack.runtime.doubts import tell_of_doubts
from aistack.runtime.endpoint import endpoint
from aistack.runtime.latencies import Latencies
from aistack.runtime.lease import Lease
from aistack.runtime.loaders import Loaders
from aistack.runtime.logs import about
from aistack.runtime.metering import Metering
from aistack.runtime.metrics import (
    LEASE_HELD,
    QUEUE_DEPTH,
    QUEUE_OLDEST,
    RECONCILE_SECONDS,
    BudgetAmounts,
    PolicyResults,
    Spending,
    StackCosts,
    StackStates,
    UnreadableObjects,
    count_request,
)
from aistack.runtime.policystatus import tell_of_policies
from aistack.runtime.queue import Next, Priority, Queue
from aistack.runtime.store import Key, Store
from aistack.runtime.watches import Watches
from aistack.settings import Settings

logger = logging.getLogger(__name__)

DATES_SECONDS = 15.0
"""So late at the most a date takes effect on what runs."""
WATCHED = (
    NAMESPACE,
    ACCELERATOR_CLASS,
    PRICE_BOOK,
    AIPOLICY,
    AIPOLICY_EXCEPTION,
    AIBUDGET,
    AISTACK,
    *CHILD_KINDS,
    POD,
)


async def run(settings: Settings, connection: Connection) -> None:
    """Runs the controller until it is cancelled: standing by with full caches, or leading."""
    async with Kube(connection, on_request=count_request) as plain:
        lease = Lease(plain, namespace=settings.namespace, name=settings.lease, identity=settings.identity)
        store = Store()
        fenced = Kube(
            connection,
            before_write=lease.check,
            on_request=count_request,
            # Our own writes are known at once, before the watches tell of them.
            on_written=store.written,
            metadata_only=METADATA_SUFFICES,
        )
        async with fenced:
            controller = Controller(fenced, store, settings)
            LEASE_HELD.set_function(lease.is_held)
            async with endpoint(settings.metrics_port, controller.is_ready), asyncio.TaskGroup() as tasks:
                tasks.create_task(controller.follow())
                tasks.create_task(lease.run(controller.lead))


class Controller:
    """The watches and the work on what they tell.

    `kube` refuses writes while the lease isn't held, and tells the store of those that it makes.
    """

    def __init__(self, kube: Kube, store: Store, settings: Settings) -> None:
        self._kube = kube
        self._settings = settings
        self._images = default_images()
        self._traces = Traces(settings.traces, settings.traces_percent) if settings.traces else None
        self._store = store
        self._watches = Watches(kube, self._store, WATCHED, self._on_change, resync=settings.resync)
        self._discovery = Discovery(kube, self._on_abilities, resync=settings.resync)
        self._queue = Queue(asyncio.get_running_loop().time)
        self._loaders = Loaders(self._look_at, patience=settings.loader_patience)
        self._admission_policies = AdmissionPolicies(kube, self._store, resync=settings.resync)
        self._accounts = Accounts(kube, self._budgets, patience=settings.reservation)
        self._bookkeeping = Bookkeeping(self._accounts, self._store, self._look_at, resync=settings.resync)
        self._metering = Metering(
            kube,
            store,
            self._accounts,
            self._platform,
            self._look_at,
            namespace=settings.namespace,
            interval=settings.metering,
        )
        self._demand = Demand(store, self._look_at)
        self._latencies = Latencies(store, self._look_at)
        self._leads = False
        self._states = StackStates()
        self._results = PolicyResults()
        self._costs = StackCosts()
        self._collectors = (
            self._states,
            self._results,
            self._costs,
            BudgetAmounts(self._budgets),
            Spending(self._metering.spent, self._accounts.spent, self._budgets),
            UnreadableObjects(lambda: self._store.unreadable),
        )
        self._prices = PriceIndex()
        QUEUE_DEPTH.set_function(self._queue.depth)
        QUEUE_OLDEST.set_function(self._queue.oldest)

    def is_ready(self) -> bool:
        return self._watches.is_synced() and self._discovery.found.is_set()

    async def follow(self) -> None:
        """Keeps the caches true until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watches.run())
            tasks.create_task(self._discovery.run())

    async def lead(self) -> None:
        """Reconciles every stack once and then whatever changes, until it is cancelled."""
        await self._watches.synced()
        await self._discovery.found.wait()
        for collector in self._collectors:
            REGISTRY.register(collector)
        self._leads = True
        try:
            self._queue.add(self._store.stacks(), Priority.BACKLOG)
            async with self._loaders, asyncio.TaskGroup() as tasks:
                tasks.create_task(self._queue.run(self._work, self._settings.workers))
                tasks.create_task(self._follow_dates())
                tasks.create_task(self._bookkeeping.run())
                tasks.create_task(self._metering.run())
                tasks.create_task(self._demand.run())
                tasks.create_task(self._latencies.run())
                tasks.create_task(tell_of_doubts(self._store, self._kube))
                tasks.create_task(tell_of_policies(self._store, self._results, self._kube, self._is_settled))
                held = self._admission_policies
                tasks.create_task(
                    held.run() if self._settings.admission_policies else held.tell_of_leftovers()
                )
        finally:
            self._leads = False
            self._queue.clear()
            self._demand.clear()
            self._latencies.clear()
            self._states.clear()
            self._results.clear()
            self._costs.clear()
            for collector in self._collectors:
                REGISTRY.unregister(collector)

    async def _follow_dates(self) -> None:
        """Looks at every stack again when a policy begins, an exception ends, or a day does."""
        seen = datetime.now(UTC)
        while True:
            await asyncio.sleep(DATES_SECONDS)
            now = datetime.now(UTC)
            known = self._store.policies(now)
            if known.policies and next_change(known.exceptions, seen) <= now:
                self._on_change(self._store.stacks(), Priority.BACKLOG)
            seen = now

    def _on_change(self, keys: Set[Key], priority: Priority) -> None:
        # A standby keeps its caches, not a backlog: who begins to lead looks at every stack.
        if self._leads:
            self._queue.add(keys, priority)

    def _is_settled(self) -> bool:
        return not self._queue.backlog()

    def _look_at(self, keys: Set[Key]) -> None:
        self._on_change(keys, Priority.OBSERVED)

    def _on_abilities(self) -> None:
        self._watches.look_again()
        self._on_change(self._store.stacks(), Priority.BACKLOG)

    def _budgets(self) -> dict[str, AIBudget]:
        return self._store.budgets

    def _platform(self, now: datetime) -> Platform:
        catalog = Catalog(
            self._images,
            self._store.accelerator_classes,
            self._discovery.abilities,
            self._settings.namespace,
            self._traces,
        )
        return Platform(
            catalog,
            self._prices.of(self._store.price_books),
            self._store.policies(now),
            Budgets(tuple(self._store.budgets.values()), self._store.namespaces),
            self._store.unreadable,
        )

    async def _work(self, key: Key) -> Next:
        stack = self._store.stack(key)
        # What is being deleted takes its children with it: garbage collection must not be worked against.
        if stack is None or "deletionTimestamp" in stack["metadata"]:
            self._states.forget(key)
            self._results.forget(key)
            if stack:
                self._results.pass_over(key)
            self._costs.forget(key)
            self._loaders.ask(key, ())
            self._demand.follow(key, ())
            self._latencies.follow(key, ())
            return Next()
        started = time.perf_counter()
        generation = stack["metadata"]["generation"]
        with about(stack="/".join(key), generation=generation, reconcile=uuid.uuid4().hex[:8]):
            outcome, following = await self._reconcile(key, stack)
        RECONCILE_SECONDS.labels(outcome).observe(time.perf_counter() - started)
        return following

    async def _reconcile(self, key: Key, stack: Manifest) -> tuple[str, Next]:
        """One run, whose trouble stays with this stack; what to count it as, and what comes next."""
        now = datetime.now(UTC)
        observed = replace(
            self._store.observed(key),
            reports=self._loaders.reports,
            metered=self._metering.metered(stack["metadata"]["uid"]),
            wants=self._demand.wants(key),
            latencies=self._latencies.known(key),
        )
        try:
            outcome = await reconcile(
                stack, observed, self._platform(now), self._kube, now, accounts=self._accounts
            )
        except NotLeader:
            return "not_leader", Next(failed=True)
        except Unavailable as error:
            logger.warning("the API server does not answer as it should, trying again: %s", error)
            return "unavailable", Next(failed=True, after=error.retry_after)
        except Exception:
            logger.exception("a fault in the operator; only this stack waits, and it is tried again")
            return "error", Next(failed=True)
        self._learn(key, outcome)
        return "ready" if outcome.ready else "not_ready", Next(outcome.failed, outcome.retry_after)

    def _learn(self, key: Key, outcome: Outcome) -> None:
        for child in outcome.deleted:
            self._store.deleted(key, child)
        self._loaders.ask(key, outcome.awaited)
        if outcome.sleepers is not None:
            self._demand.follow(key, outcome.sleepers)
        if outcome.balanced is not None:
            self._latencies.follow(key, outcome.balanced)
        if outcome.results is None:
            self._results.pass_over(key)
        else:
            self._results.set(key, outcome.results)
        if outcome.cost:
            self._costs.set(key, outcome.cost)
        if self._states.set(key, outcome.ready, outcome.reason):
            logger.info("stack is %s", "ready" if outcome.ready else f"not ready: {outcome.reason}")
