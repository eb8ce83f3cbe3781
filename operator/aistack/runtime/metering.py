"""Meters what stacks really cost, for as long as this process leads.

A stack's book is kept in its ConfigMap, a budget's in one of the operator's namespace. Each is written over
the version that it was read from, so that two processes never count the same thing twice.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from aistack.accounts import Accounts
from aistack.api import API_VERSION, AIBudget, AIStack, Reason
from aistack.api.base import Metadata
from aistack.budget import Ledger
from aistack.budget.claim import counts
from aistack.cost import MicroUnits
from aistack.errors import ApiError, Conflict, NotLeader, Refused
from aistack.events import warning
from aistack.kinds import AIBUDGET, AISTACK, EVENT
from aistack.kube import Kube
from aistack.observed import Metered, Pod
from aistack.platform import Platform
from aistack.problem import Problem
from aistack.runtime.fronts import Fronts
from aistack.runtime.places import Place, fetch, keep, place_of
from aistack.runtime.store import Key, Store
from aistack.spending import Book, BudgetBook, micro
from aistack.spending import book as stack_books
from aistack.spending import budget as budget_books
from aistack.spending.book import entered, is_news
from aistack.spending.budget import looked, opened
from aistack.spending.counters import Counters
from aistack.spending.forecast import linear
from aistack.spending.meter import Source, begun, read
from aistack.spending.month import zone_of
from aistack.spending.rates import Rates, costs, rates_of
from aistack.spending.summary import says_more, summary
from aistack.spending.thresholds import reached
from aistack.status import of_budget

logger = logging.getLogger(__name__)

GATEWAY = "gateway"
AT_ONCE = 16
"""Stacks that are priced before others have a turn: some 5 ms."""
NEW_FOR = 2
"""Looks: what is no older has cost nothing that isn't counted."""
SILENT_FOR = 5
"""Looks: a gateway that was not read for longer makes a budget's month stale."""
CENT = 10_000
SAID_FOR = timedelta(hours=1)
"""So long a stack's status stands while what it has spent doesn't double."""

B = TypeVar("B", Book, BudgetBook)


@dataclass(frozen=True, slots=True)
class _Kept(Generic[B]):
    """A book, and where it is kept."""

    place: Place
    book: B
    written: B | None = None
    """As it is kept; None before anything is."""


class Metering:
    """The books of the stacks and budgets in `store`.

    `on_spent` is told which stacks have spent notably more, for their status to say it. `interval` is how
    many seconds lie between two looks.
    """

    def __init__(
        self,
        kube: Kube,
        store: Store,
        accounts: Accounts,
        platform: Callable[[datetime], Platform],
        on_spent: Callable[[Set[Key]], None],
        *,
        namespace: str,
        interval: float,
    ) -> None:
        self._kube = kube
        self._store = store
        self._accounts = accounts
        self._platform = platform
        self._on_spent = on_spent
        self._namespace = namespace
        self._interval = timedelta(seconds=interval)
        self._fronts = Fronts()
        self._stacks: dict[str, _Kept[Book]] = {}
        """By the stack's uid."""
        self._budgets: dict[str, _Kept[BudgetBook]] = {}
        """By the budget's uid."""
        self._shown: dict[str, tuple[Metered, datetime]] = {}
        """By the stack's uid, what is said and since when."""
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._warned: set[tuple[str, str]] = set()

    async def run(self) -> None:
        """Looks again and again until it is cancelled; what others wrote before is read first."""
        self._stacks.clear()
        self._budgets.clear()
        self._accounts.spent.clear()
        async with self._fronts:
            while True:
                await asyncio.sleep(self._interval.total_seconds())
                await self.look(datetime.now(UTC))

    def metered(self, uid: str) -> Metered | None:
        """What the status of the stack with this uid is to say of its month."""
        return self._shown[uid][0] if uid in self._shown else None

    def spent(self) -> Iterator[tuple[Key, str, int]]:
        """Of each stack its currency and what it has spent this month, in millionths."""
        for kept in self._stacks.values():
            owner = kept.place.owner
            yield (owner.namespace, owner.name), kept.book.currency, micro(kept.book.month_to_date)

    async def look(self, now: datetime) -> None:
        """Once at every stack, side by side, then at every budget. `now` is UTC."""
        platform, keys = self._platform(now), tuple(self._store.stacks())
        await asyncio.gather(*(self._meter(key, platform, now) for key in keys))
        self._forget(frozenset(keys), {budget.metadata.uid for budget in platform.budgets.budgets})
        for budget in platform.budgets.budgets:
            await self._add_up(budget, platform, now)

    async def _meter(self, key: Key, platform: Platform, now: datetime) -> None:
        async with self._turns:
            await asyncio.sleep(0)
            stack, rates = self._store.metadata(key), self._rates(key, platform)
        if stack is None or rates is None:
            return  # counters wait
        try:
            kept = self._stacks.get(stack.uid) or await self._opened(key, stack, platform, now)
            book = await self._read(key, kept.book, rates, platform, now)
            place, written = kept.place, kept.written
            if book.total and (written is None or is_news(book, written)):
                place, written = await keep(place, stack_books.dumped(book), self._kube), book
        except (ApiError, NotLeader, ValueError) as error:
            logger.warning("%s/%s can't be metered, trying again: %s", *key, error)
            self._stacks.pop(stack.uid, None)
        except Exception:
            logger.exception("a fault in the operator; only %s/%s is not metered", *key)
            self._stacks.pop(stack.uid, None)
        else:
            self._stacks[stack.uid] = _Kept(place, book, written)
            self._tell(stack, book)

    async def _opened(self, key: Key, stack: Metadata, platform: Platform, now: datetime) -> _Kept[Book]:
        place, found = await fetch(place_of(AISTACK, stack, stack.namespace), self._kube)
        if found:
            book = stack_books.loaded(found)
            self._shown[stack.uid] = _month(book), book.meter.at  # a status says it already
            return _Kept(place, book, book)
        manifest = self._store.stack(key) or {"metadata": {}}
        since = self._beginning(manifest["metadata"].get("creationTimestamp"), now)
        return _Kept(place, Book(begun(since), platform.prices.currency))

    def _beginning(self, created: str | None, now: datetime) -> datetime:
        """What has just been made is metered from then on, all else from now on."""
        made = datetime.fromisoformat(created) if created else now
        return made if now - made <= NEW_FOR * self._interval else now

    async def _read(self, key: Key, book: Book, rates: Rates, platform: Platform, now: datetime) -> Book:
        pods = [pod for pod in self._store.observed(key).pods.values() if pod.address]
        counted = await self._fronts.counters([pod for pod in pods if _counts(pod) and not pod.ended])
        if book.currency != platform.prices.currency:
            book = Book(book.meter, platform.prices.currency)
        meter, use = read(book.meter, [_source(pod, counted) for pod in pods if _costs(pod)], now)
        stack = self._store.metadata(key) or Metadata()
        return entered(book, meter, use, costs(use, rates), _zone(platform, stack))

    def _rates(self, key: Key, platform: Platform) -> Rates | None:
        """None where nobody knows what the stack means."""
        manifest = self._store.stack(key)
        if manifest is None or "deletionTimestamp" in manifest["metadata"]:
            return None
        try:
            meaning = platform.resolve(AIStack.read({**manifest, "status": {}})).meaning
        except ValidationError:
            return None
        return rates_of(meaning, platform.prices) if meaning else None

    def _tell(self, stack: Metadata, book: Book) -> None:
        month, now = _month(book), book.meter.at
        before, since = self._shown.get(stack.uid, (Metered(book.month, 0, None), now))
        if before.month != month.month or _is_notable(month.spent, before.spent, now - since):
            self._shown[stack.uid] = month, now
            self._on_spent({(stack.namespace, stack.name)})

    def _forget(self, keys: frozenset[Key], budgets: Set[str]) -> None:
        """All that is not there any more."""
        for uid in self._accounts.spent.keys() - budgets:
            self._accounts.spent.pop(uid)
        self._budgets = {uid: kept for uid, kept in self._budgets.items() if uid in budgets}
        uids = {stack.uid for key in keys if (stack := self._store.metadata(key))}
        self._stacks = {uid: kept for uid, kept in self._stacks.items() if uid in uids}
        self._shown = {uid: shown for uid, shown in self._shown.items() if uid in uids}
        pods = (pod.uid for key in keys for pod in self._store.observed(key).pods.values())
        self._fronts.retain(frozenset(pods))

    async def _add_up(self, budget: AIBudget, platform: Platform, now: datetime) -> None:
        meta, zone = budget.metadata, zone_of(budget.spec.time_zone)
        if zone is None:
            return  # its status says so
        stacks = dict(self._counted(budget, platform))
        try:
            kept = self._budgets.get(meta.uid) or await self._opened_budget(meta, zone, now)
            book = looked(kept.book, stacks, now, zone)
            known = [(name, spending) for name, spending in stacks.values() if spending]
            spent = summary(book, known, zone, SILENT_FOR * self._interval)
            place, told = kept.place, self._accounts.spent.get(meta.uid)
            if told is None or says_more(budget.spec, told, spent):
                place = await keep(place, {"data": budget_books.dumped(book)}, self._kube)
                self._accounts.spent[meta.uid] = spent
            if of_budget(budget, Ledger.of(budget), now, self._accounts.spent[meta.uid]) != budget.status:
                await self._accounts[meta.name].take(_unchanged, shows=True)
            await self._warn(budget, book)
            self._budgets[meta.uid] = _Kept(place, book)
        except (ApiError, NotLeader, ValueError) as error:
            logger.warning("what budget %s has spent can't be kept, trying again: %s", meta.name, error)
            self._budgets.pop(meta.uid, None)

    async def _warn(self, budget: AIBudget, book: BudgetBook) -> None:
        """An event for each threshold in each month."""
        meta, limit = budget.metadata, budget.spec.limit
        about = {
            "apiVersion": API_VERSION,
            "kind": AIBUDGET.kind,
            "metadata": {"name": meta.name, "uid": meta.uid},
        }
        for each in reached(budget.spec, book.month_to_date):
            told = (
                f"{each.percent} % of {limit.amount} {limit.currency} and more was spent in {book.month}: "
                f"{each.action}"
            )
            if (meta.uid, told) not in self._warned:
                problem = Problem("spec.thresholds", Reason.THRESHOLD_REACHED, told)
                with suppress(Conflict, Refused):  # told before
                    await self._kube.create(EVENT, warning(about, problem, book.at))
                self._warned.add((meta.uid, told))

    async def _opened_budget(self, budget: Metadata, zone: ZoneInfo, now: datetime) -> _Kept[BudgetBook]:
        place, found = await fetch(place_of(AIBUDGET, budget, self._namespace), self._kube)
        if found:
            return _Kept(place, budget_books.loaded(found))
        return _Kept(place, opened(self._beginning(budget.creation_timestamp, now), zone))

    def _counted(self, budget: AIBudget, platform: Platform) -> Iterator[tuple[str, tuple[str, Book | None]]]:
        """The stacks that it counts; those of another currency are in no sum."""
        for namespace, name in self._store.stacks():
            stack = self._store.metadata((namespace, name))
            if stack is None or not counts(
                budget.spec, stack, platform.budgets.namespaces.get(namespace, {})
            ):
                continue
            kept = self._stacks.get(stack.uid)
            if kept is None or kept.book.currency == budget.spec.limit.currency:
                yield stack.uid, (f"{namespace}/{name}", kept.book if kept else None)


def _is_notable(spent: MicroUnits, before: MicroUnits, after: timedelta) -> bool:
    """Whether a status is to say it: the first cent, twice as much, after an hour a hundredth more."""
    if spent < max(CENT, 2 * before):
        return before > 0 and after >= SAID_FOR and spent * 100 >= before * 101
    return True


def _month(book: Book) -> Metered:
    line = linear(book.month_to_date, book.meter.since, book.meter.at, ZoneInfo(book.zone))
    return Metered(book.month, micro(book.month_to_date), None if line is None else micro(line))


def _zone(platform: Platform, stack: Metadata) -> ZoneInfo:
    """Where the stack's month begins: where that of the first budget does that counts it."""
    zones = (zone_of(budget.spec.time_zone) for budget in platform.budgets.counting(stack))
    return next((zone for zone in zones if zone), ZoneInfo("UTC"))


def _counts(pod: Pod) -> bool:
    return pod.component == GATEWAY


def _costs(pod: Pod) -> bool:
    """Until its containers have ended it holds what it has asked for."""
    return not pod.ended or pod.leaving


def _source(pod: Pod, counted: Mapping[str, Counters]) -> Source:
    return Source(
        uid=pod.uid,
        component=f"model/{pod.part}" if pod.component == "model" else pod.component,
        created=datetime.fromisoformat(pod.created),
        counters=counted.get(pod.uid),
        counts=_counts(pod),
    )


def _unchanged(ledger: Ledger) -> tuple[Ledger, None]:
    return ledger, None
