"""Meters what stacks really cost, for as long as this process leads.

A stack's book is kept in its ConfigMap. It is written over the version that it was read from, so that two
processes never count the same thing twice.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from aistack.accounts import Accounts
from aistack.allowances import is_reached, limits_of
from aistack.api import AIStack
from aistack.api.base import Metadata, Money
from aistack.cost import MicroUnits
from aistack.cost.focus import tags_of
from aistack.errors import ApiError, NotLeader
from aistack.kinds import AISTACK, Manifest
from aistack.kube import Kube
from aistack.labels import GATEWAY, MODEL
from aistack.observed import Metered, Pod
from aistack.platform import Platform
from aistack.resolved import ResolvedStack, StackRef
from aistack.runtime.budgetbooks import BudgetBooks, Look
from aistack.runtime.engines import Engines
from aistack.runtime.fronts import Fronts
from aistack.runtime.looks import NEW_FOR, Looks
from aistack.runtime.places import Place, fetch, keep, place_of
from aistack.runtime.store import Key, Store
from aistack.spending import Book, micro
from aistack.spending import book as stack_books
from aistack.spending.book import KEPT_FOR, entered, in_currency, is_news
from aistack.spending.counters import Counters, read_counters
from aistack.spending.forecast import linear
from aistack.spending.gone import Gone, gone
from aistack.spending.meter import Replica, Source, as_they_were, begun, read
from aistack.spending.month import month_of
from aistack.spending.rates import Rates, costs, rates_of
from aistack.spending.tariffs import listed
from aistack.spending.throughput import said
from aistack.units import timestamp

logger = logging.getLogger(__name__)

AT_ONCE = 16
"""Stacks that are priced before others have a turn: some 5 ms."""
CENT = 10_000
SAID_FOR = timedelta(hours=1)
"""So long a stack's status stands while what it has spent doesn't double."""

Limits = Mapping[str, Money]
"""By part: `model/gpt`, `client/web`."""


class StackMonth(NamedTuple):
    """One stack's month, for Prometheus."""

    stack: Key
    currency: str
    month: Metered
    limits: Limits


@dataclass(frozen=True, slots=True)
class _Kept:
    """A book, and where it is kept."""

    place: Place
    book: Book
    written: Book | None = None
    """As it is kept; None before anything is."""
    limits: Limits = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    """What the stack's bill is divided by."""


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
        self._platform = platform
        self._on_spent = on_spent
        self._looks = Looks(timedelta(seconds=interval))
        self._budgets = BudgetBooks(kube, store, accounts, self._looks, namespace=namespace)
        self._fronts = Fronts("/metrics", read_counters)
        self._engines = Engines(NEW_FOR * timedelta(seconds=interval))
        self._stacks: dict[str, _Kept] = {}
        """By the stack's uid."""
        self._shown: dict[str, tuple[Metered, datetime]] = {}
        """By the stack's uid, what is said and since when."""
        self._missing: dict[str, datetime] = {}
        """By the stack's uid, of those that run and are not metered, since when."""
        self._gone: dict[str, Gone] = {}
        """By the stack's uid, of those that were deleted not long ago."""
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Looks again and again until it is cancelled; what others wrote before is read first."""
        self._stacks.clear()
        self._gone.clear()
        self._shown.clear()  # until the first look statuses know more
        self._budgets.clear()
        async with self._fronts, self._engines:
            while True:
                await asyncio.sleep(self._looks.interval.total_seconds())
                await self.look(datetime.now(UTC))

    def metered(self, uid: str) -> Metered | None:
        """What the status of the stack with this uid is to say of its month."""
        return self._shown[uid][0] if uid in self._shown else None

    def spent(self) -> Iterator[StackMonth]:
        for kept in self._stacks.values():
            owner = kept.place.owner
            month = _month(kept.book, kept.limits)
            yield StackMonth((owner.namespace, owner.name), kept.book.currency, month, kept.limits)

    async def look(self, now: datetime) -> None:
        """Once at every stack, side by side, then at every budget. `now` is UTC."""
        platform, keys = self._platform(now), tuple(self._store.stacks())
        await asyncio.gather(*(self._meter(key, platform, now) for key in keys))
        self._miss(keys, now)
        self._say_unread(keys, now)
        self._forget(frozenset(keys), now, {budget.metadata.uid for budget in platform.budgets.budgets})
        books = {uid: kept.book for uid, kept in self._stacks.items()}
        found = Look(now, platform, books, self._missing, self._gone)
        for budget in platform.budgets.budgets:
            await self._budgets.add_up(budget, found)

    async def _meter(self, key: Key, platform: Platform, now: datetime) -> None:
        stack = self._store.metadata(key)
        if stack is None:
            return
        try:
            await self._go_on(key, stack, platform, now)
        except (ApiError, NotLeader, ValueError) as error:
            logger.warning("%s/%s can't be metered, trying again: %s", *key, error)
            self._stacks.pop(stack.uid, None)
        except Exception:
            logger.exception("a fault in the operator; only %s/%s is not metered", *key)
            self._stacks.pop(stack.uid, None)

    async def _go_on(self, key: Key, stack: Metadata, platform: Platform, now: datetime) -> None:
        async with self._turns:
            await asyncio.sleep(0)
            meaning = self._meaning(key, platform)
        if meaning is None:
            return  # counters wait
        limits = limits_of(meaning.spec)
        kept = self._stacks.get(stack.uid) or await self._opened(key, stack, platform, now, limits)
        book = await self._read(key, self._dated(kept.book, now), meaning, platform, now)
        pods = [pod for pod in self._store.observed(key).pods.values() if not pod.ended]
        book = replace(book, throughput=await self._engines.measured(book.throughput, meaning, pods, now))
        self._tell(stack, book, limits)  # first: what can't be written has been spent all the same
        place, written = kept.place, kept.written
        if book.total and (written is None or is_news(book, written)):
            place, written = await keep(place, stack_books.dumped(book), self._kube), book
        self._stacks[stack.uid] = _Kept(place, book, written, limits, tags_of(meaning))

    def _dated(self, book: Book, now: datetime) -> Book:
        return stack_books.as_of(book, now) if self._looks.is_ahead(book.meter.at, now) else book

    async def _opened(
        self, key: Key, stack: Metadata, platform: Platform, now: datetime, limits: Limits
    ) -> _Kept:
        manifest = self._store.stack(key) or {"metadata": {}}
        place, found = await fetch(place_of(AISTACK, stack, stack.namespace), self._kube)
        try:
            book = stack_books.loaded(found) if found else None
        except ValueError as error:
            logger.warning("%s/%s is metered anew: %s", *key, error)
            book = None
        if book:
            dated = self._dated(book, now)
            # a status says it already, or more
            month = replace(_month(dated, limits), unread_since=_said_unread(manifest))
            self._shown.setdefault(stack.uid, (month, dated.meter.at))
            return _Kept(place, dated, book)
        since = self._looks.beginning(manifest["metadata"].get("creationTimestamp"), now)
        return _Kept(place, Book(begun(since), platform.prices.currency))

    async def _read(
        self, key: Key, book: Book, meaning: ResolvedStack, platform: Platform, now: datetime
    ) -> Book:
        pods = [pod for pod in self._store.observed(key).pods.values() if pod.address and _costs(pod)]
        fronts = [pod for pod in pods if _counts(pod)]
        counted = await self._fronts.answers(fronts, urgent=bool(limits_of(meaning.spec)))
        sources = [_source(pod, counted) for pod in pods]
        replicas = {source.replica for source in sources}
        rates = rates_of(meaning, platform.prices, platform.catalog.accelerator_classes, replicas)
        book = in_currency(book, platform.prices.currency)
        book = replace(book, tariffs=listed(book.tariffs, rates.tariffs, book.meter, now))
        rates = replace(rates, tariffs={model: each.tariff for model, each in book.tariffs.items()})
        zone = platform.zone(self._store.metadata(key) or Metadata())
        turn = month_of(now, zone).begin - datetime.resolution
        if book.meter.at < turn < now:
            book = _seen(book, as_they_were(book.meter, sources, turn, now), turn, rates, zone)
        return _seen(book, sources, now, rates, zone)

    def _meaning(self, key: Key, platform: Platform) -> ResolvedStack | None:
        """None where nobody knows what the stack means."""
        manifest = self._store.stack(key)
        if manifest is None:
            return None
        try:
            return platform.resolve(AIStack.read({**manifest, "status": {}})).meaning
        except ValidationError:
            return None

    def _tell(self, stack: Metadata, book: Book, limits: Limits) -> None:
        now = book.meter.at
        before, since = self._shown.get(stack.uid, (Metered(book.now.month, 0, None), now))
        month = replace(_month(book, limits), unread_since=before.unread_since)
        if (
            before.month != month.month
            or _is_notable(month.spent, before.spent, abs(now - since))
            or _reached(month, limits) != _reached(before, limits)
            or month.throughput != before.throughput
        ):
            self._shown[stack.uid] = month, now
            self._on_spent({(stack.namespace, stack.name)})

    def _miss(self, keys: Iterable[Key], now: datetime) -> None:
        uids = (
            stack.uid
            for key in keys
            if (stack := self._store.metadata(key))
            and stack.uid not in self._stacks
            and self._store.observed(key).pods
        )
        self._missing = {uid: self._missing.get(uid, now) for uid in uids}

    def _say_unread(self, keys: Iterable[Key], now: datetime) -> None:
        """For statuses to say it, when a gateway was silent for too long, and when it has answered."""
        for key in keys:
            if not (stack := self._store.metadata(key)):
                continue
            kept, shown = self._stacks.get(stack.uid), self._shown.get(stack.uid)
            if kept and not shown:
                shown = _month(kept.book, kept.limits), now
            read_at = kept.book.meter.read_at if kept else self._missing.get(stack.uid)
            unread_since = timestamp(read_at) if read_at and now - read_at > self._looks.patience else None
            if shown and shown[0].unread_since != unread_since:
                self._shown[stack.uid] = replace(shown[0], unread_since=unread_since), shown[1]
                self._on_spent({key})

    def _forget(self, keys: frozenset[Key], now: datetime, budgets: Set[str]) -> None:
        """All that is not there any more; what stacks have cost when budgets have had time to note it."""
        self._budgets.retain(budgets)
        uids = {stack.uid for key in keys if (stack := self._store.metadata(key))}
        self._gone |= {uid: _left(kept) for uid, kept in self._stacks.items() if uid not in uids}
        self._gone = {uid: each for uid, each in self._gone.items() if now - each.book.meter.at < KEPT_FOR}
        self._stacks = {uid: kept for uid, kept in self._stacks.items() if uid in uids}
        self._shown = {uid: shown for uid, shown in self._shown.items() if uid in uids}
        pods = (pod.uid for key in keys for pod in self._store.observed(key).pods.values())
        there = frozenset(pods)
        self._fronts.retain(there)
        self._engines.retain(there)


def _left(kept: _Kept) -> Gone:
    owner = kept.place.owner
    return gone(StackRef(owner.name, owner.namespace, owner.uid), kept.tags, kept.book)


def _seen(book: Book, sources: Sequence[Source], at: datetime, rates: Rates, zone: ZoneInfo) -> Book:
    meter, use = read(book.meter, sources, at)
    return entered(book, meter, use, costs(use, rates), zone)


def _said_unread(stack: Manifest) -> str | None:
    said: str | None = stack.get("status", {}).get("cost", {}).get("unreadSince")
    return said


def _is_notable(spent: MicroUnits, before: MicroUnits, after: timedelta) -> bool:
    """Whether a status is to say it: the first cent, twice as much, after an hour a hundredth more."""
    if spent < max(CENT, 2 * before):
        return before > 0 and after >= SAID_FOR and spent * 100 >= before * 101
    return True


def _month(book: Book, limits: Limits) -> Metered:
    spent, zone = book.now.cost, ZoneInfo(book.zone)
    line = linear(spent, book.meter.since, book.meter.at, zone)
    return Metered(
        month=book.now.month,
        spent=micro(spent),
        forecast=None if line is None else micro(line),
        limited={part: micro(spent) for part, spent in book.now.limited(limits).items()},
        until=timestamp(month_of(book.meter.at, zone).end),
        throughput=tuple(said(book.throughput)),
    )


def _reached(month: Metered, limits: Limits) -> Mapping[str, bool]:
    """Of each limit of which it says anything."""
    return {
        part: is_reached(limit, month.limited[part])
        for part, limit in limits.items()
        if part in month.limited
    }


def _counts(pod: Pod) -> bool:
    return pod.component == GATEWAY


def _costs(pod: Pod) -> bool:
    """Until its containers have ended it holds what it has asked for, and goes on with its answers."""
    return not pod.ended or pod.leaving


def _source(pod: Pod, counted: Mapping[str, Counters]) -> Source:
    return Source(
        uid=pod.uid,
        replica=Replica(f"model/{pod.part}" if pod.component == MODEL else pod.component, pod.hardware),
        created=datetime.fromisoformat(pod.created),
        counters=counted.get(pod.uid),
        counts=_counts(pod),
        started=datetime.fromisoformat(pod.started) if pod.started else None,
    )
