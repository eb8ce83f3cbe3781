"""What budgets have really spent, added up after each look at their stacks.

A budget's book is kept in a ConfigMap in the operator's namespace, over the version that it was read from.
"""

import logging
from collections.abc import Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from aistack.accounts import Accounts
from aistack.api import API_VERSION, AIBudget, Reason
from aistack.budget import Ledger
from aistack.budget.claim import counts
from aistack.errors import ApiError, Conflict, NotLeader, Refused
from aistack.events import warning
from aistack.kinds import AIBUDGET, EVENT
from aistack.kube import Kube
from aistack.platform import Platform
from aistack.problem import Problem
from aistack.runtime.looks import Looks
from aistack.runtime.places import Place, fetch, keep, place_of
from aistack.runtime.store import Store
from aistack.spending import Book, BudgetBook
from aistack.spending import budget as books_of_budgets
from aistack.spending.budget import looked, opened, reopened
from aistack.spending.gone import Gone
from aistack.spending.month import zone_of
from aistack.spending.summary import Spent, says_more, summary
from aistack.spending.thresholds import reached
from aistack.status import of_budget

logger = logging.getLogger(__name__)

Stacks = Mapping[str, tuple[str, Book | None]]
"""By uid, with their names; without a book those that are not metered."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was found of all stacks, by their uids."""

    at: datetime
    """UTC."""
    platform: Platform
    books: Mapping[str, Book]
    missing: Mapping[str, datetime]
    """Those that run and are not metered, with since when."""
    gone: Mapping[str, Gone]
    """Those that were deleted not long ago."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """A book, and where it is kept."""

    place: Place
    book: BudgetBook


class BudgetBooks:
    """The books of all budgets. `namespace` is the operator's own."""

    def __init__(self, kube: Kube, store: Store, accounts: Accounts, looks: Looks, *, namespace: str) -> None:
        self._kube = kube
        self._store = store
        self._accounts = accounts
        self._looks = looks
        self._namespace = namespace
        self._kept: dict[str, _Kept] = {}
        """By the budget's uid."""
        self._warned: set[tuple[str, str]] = set()

    def clear(self) -> None:
        """What others may have written meanwhile is to be read again."""
        self._kept.clear()
        self._accounts.spent.clear()

    def retain(self, uids: Set[str]) -> None:
        """Forgets all others."""
        for uid in self._accounts.spent.keys() - uids:
            self._accounts.spent.pop(uid)
        self._kept = {uid: kept for uid, kept in self._kept.items() if uid in uids}

    async def add_up(self, budget: AIBudget, look: Look) -> None:
        meta, zone, now = budget.metadata, zone_of(budget.spec.time_zone), look.at
        if zone is None:  # its status says so
            self._accounts.spent.pop(meta.uid, None)
            return
        try:
            kept = self._kept.get(meta.uid) or await self._opened(budget, zone, now)
            counted, before = dict(self._counted(budget, look)), kept.book
            if self._looks.is_ahead(before.at, now):
                before = books_of_budgets.as_of(before, now, zone)
            in_sum = _of_currency(counted, budget.spec.limit.currency)
            book = looked(before, in_sum, now, zone, look.gone)
            spent = self._summary(budget, book, counted, zone, look)
            place, told = kept.place, self._accounts.spent.get(meta.uid)
            is_news = told is None or meta.uid not in self._kept or says_more(budget.spec, told, spent)
            if is_news:
                self._accounts.spent[meta.uid] = spent
            if of_budget(budget, Ledger.of(budget), now, self._accounts.spent[meta.uid]) != budget.status:
                await self._accounts[meta.name].take(_unchanged, shows=True)
            await self._warn(budget, book)
            if is_news or book.gone != before.gone:  # last: what can't be kept has been spent all the same
                place = await keep(place, books_of_budgets.dumped(book), self._kube)
            self._kept[meta.uid] = _Kept(place, book)
        except (ApiError, NotLeader, ValueError) as error:
            logger.warning("what budget %s has spent can't be kept, trying again: %s", meta.name, error)
            self._kept.pop(meta.uid, None)
        except Exception:
            logger.exception("a fault in the operator; only budget %s is not added up", meta.name)
            self._kept.pop(meta.uid, None)

    def _summary(
        self, budget: AIBudget, book: BudgetBook, counted: Stacks, zone: ZoneInfo, look: Look
    ) -> Spent:
        return summary(
            book,
            [(name, spending) for name, spending in counted.values() if spending],
            zone,
            self._looks.patience,
            currency=budget.spec.limit.currency,
            missing={name: look.missing[uid] for uid, (name, _) in counted.items() if uid in look.missing},
        )

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

    async def _opened(self, budget: AIBudget, zone: ZoneInfo, now: datetime) -> _Kept:
        meta = budget.metadata
        place, found = await fetch(place_of(AIBUDGET, meta, self._namespace), self._kube)
        if not found:
            return _Kept(place, opened(self._looks.beginning(meta.creation_timestamp, now), zone))
        try:
            return _Kept(place, books_of_budgets.loaded(found))
        except ValueError as error:
            logger.warning("budget %s is added up anew: %s", meta.name, error)
            return _Kept(place, reopened(budget.status, now, zone))

    def _counted(self, budget: AIBudget, look: Look) -> Iterator[tuple[str, tuple[str, Book | None]]]:
        """The stacks that it counts; those of another currency are in no sum."""
        namespaces = look.platform.budgets.namespaces
        for namespace, name in self._store.stacks():
            stack = self._store.metadata((namespace, name))
            if stack and counts(budget.spec, stack, namespaces.get(namespace, {})):
                yield stack.uid, (f"{namespace}/{name}", look.books.get(stack.uid))


def _of_currency(stacks: Stacks, currency: str) -> Stacks:
    """What is in no sum of another is left out; what can't be read may be of any."""
    return {
        uid: (name, book) for uid, (name, book) in stacks.items() if not book or book.currency == currency
    }


def _unchanged(ledger: Ledger) -> tuple[Ledger, None]:
    return ledger, None
