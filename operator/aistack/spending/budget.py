"""What the stacks of one budget have spent in its month.

A stack's total only ever grows, and what a budget has seen of it is remembered: so looking twice adds
nothing, a stack that goes leaves behind what it spent, and one that moves is counted where it was then.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from aistack.api.budgets import AIBudgetStatus
from aistack.kinds import Manifest
from aistack.spending.book import NO_BOOK, Book
from aistack.spending.gone import Gone, packed, unpacked
from aistack.spending.money import PicoUnits, heard, said
from aistack.spending.month import day_name, moment, month_name

BOOK, GONE = "spending.json", "gone.json.gz"
"""The keys of the ConfigMap."""
MOST_SHARES = 6_000
"""Some 110 bytes each, and etcd takes objects of 1.5 MiB."""
OTHERS = "others"
MOST_GONE = 500
"""Deleted stacks that are remembered part by part; of earlier ones the sum is."""
MOST_DAYS = 70
"""Ten weeks: enough to know a weekly rhythm."""


@dataclass(frozen=True, slots=True)
class Share:
    """One stack's part of a budget's month."""

    stack: str
    """`care/support`."""
    seen: PicoUnits | None
    """Its total when it was last looked at; None while the budget doesn't count it."""
    spent: PicoUnits = 0
    """This month, while the budget counted it."""


NOBODY: Mapping[str, Gone] = {}


@dataclass(frozen=True, slots=True)
class BudgetBook:
    """One budget's month, and what it spent on each of the last days."""

    at: datetime
    """The last look."""
    month: str
    """`2026-11`, in the budget's time zone."""
    since: datetime
    """When metering for this budget began: a month that began before is not whole."""
    shares: Mapping[str, Share] = field(default_factory=dict)
    """By the stack's uid, of those also that are gone."""
    days: Mapping[str, PicoUnits] = field(default_factory=dict)
    """By `2026-11-03`, in the budget's time zone."""
    gone: Mapping[str, Gone] = field(default_factory=dict)
    """By uid, the stacks that were deleted while it counted them, in this month or the last."""

    @property
    def month_to_date(self) -> PicoUnits:
        return sum(share.spent for share in self.shares.values())


def opened(now: datetime, zone: ZoneInfo) -> BudgetBook:
    return BudgetBook(at=now, month=month_name(now, zone), since=now)


def reopened(status: AIBudgetStatus, now: datetime, zone: ZoneInfo) -> BudgetBook:
    """One whose book can't be read any more: of this month it knows what its status says."""
    book = opened(now, zone)
    if status.month != book.month or not status.month_to_date:
        return book
    return replace(book, shares={OTHERS: Share(OTHERS, None, heard(status.month_to_date))})


def looked(
    book: BudgetBook,
    stacks: Mapping[str, tuple[str, Book | None]],
    now: datetime,
    zone: ZoneInfo,
    deleted: Mapping[str, Gone] = NOBODY,
) -> BudgetBook:
    """With what the stacks have spent since the last look.

    `stacks` are those that it counts now, by uid, with their names; None where a book could not be read.
    `deleted` are those that are there no more, whoever has counted them.
    What was spent over the turn of a month is in the new one as far as the stacks' own months have it. A look
    into the past, as after a clock was set back, sees nothing.
    """
    if now < book.at:
        return book
    month, day = month_name(now, zone), day_name(now, zone)
    shares = {uid: replace(share, seen=None) for uid, share in book.shares.items() if uid not in stacks}
    grown = 0
    for uid, (name, spending) in stacks.items():
        share = book.shares.get(uid)
        if spending:
            seen = _seen(share, spending, book)
            more = max(0, spending.total - seen)  # less: what was known of it was lost
            grown += more
            more = min(more, _most(spending, month, zone, turned=month != book.month))
            share = Share(name, spending.total, (share.spent if share else 0) + more)
        if share:
            shares[uid] = share
    if month != book.month:
        turned = _grown_only(shares, book.shares)
        shares = {uid: share for uid, share in turned.items() if uid in stacks}
    shares = _bounded(shares)
    days = {**book.days, day: book.days.get(day, 0) + grown}
    days = dict(sorted(days.items())[-MOST_DAYS:])
    gone = _gone(book, deleted, turned=month != book.month)
    return replace(book, at=now, month=month, shares=shares, days=days, gone=gone)


def _gone(book: BudgetBook, deleted: Mapping[str, Gone], *, turned: bool) -> Mapping[str, Gone]:
    """With those that it counted at its last look; without those that were gone before the last month."""
    kept = {uid: each for uid, each in book.gone.items() if not turned or each.book.now.month == book.month}
    counted = {uid for uid, share in book.shares.items() if share.seen is not None}
    new = {uid: each for uid, each in deleted.items() if uid in counted}
    return dict([*kept.items(), *new.items()][-MOST_GONE:])


def as_of(book: BudgetBook, now: datetime, zone: ZoneInfo) -> BudgetBook:
    """One that was kept while a clock was ahead: it goes on from `now`."""
    today = day_name(now, zone)
    days = {day: amount for day, amount in book.days.items() if day <= today}
    return replace(book, at=now, since=min(book.since, now), days=days)


def _bounded(shares: Mapping[str, Share]) -> dict[str, Share]:
    """What was spent by stacks that come and go all month is one sum, where they are very many."""
    away = [uid for uid, share in shares.items() if share.seen is None]
    if len(shares) <= MOST_SHARES or len(away) <= 1:
        return dict(shares)
    others = Share(OTHERS, None, sum(shares[uid].spent for uid in away))
    return {**{uid: share for uid, share in shares.items() if share.seen is not None}, OTHERS: others}


def _seen(share: Share | None, spending: Book, book: BudgetBook) -> PicoUnits:
    """One that is new spent all of it here; of one that comes from elsewhere nothing yet."""
    if share is None:
        return 0 if spending.meter.since >= book.at else spending.total
    return spending.total if share.seen is None else share.seen


def _most(spending: Book, month: str, zone: ZoneInfo, *, turned: bool) -> PicoUnits:
    """No more came in this month than the stack's own has, if that is the same one: the look before may lie
    long back. While theirs turns at another hour, what came between two looks is taken for new."""
    is_same = spending.now.month == month and (turned or spending.zone == zone.key)
    return spending.now.cost if is_same else spending.total


def _grown_only(shares: Mapping[str, Share], before: Mapping[str, Share]) -> dict[str, Share]:
    """Of each what came with the last look."""
    return {
        uid: replace(share, spent=share.spent - (before[uid].spent if uid in before else 0))
        for uid, share in shares.items()
    }


def dumped(book: BudgetBook) -> Manifest:
    """`data` and `binaryData` of the ConfigMap."""
    shown = {
        "at": book.at.isoformat(),
        "month": book.month,
        "since": book.since.isoformat(),
        "monthToDate": said(book.month_to_date),
        "stacks": {
            uid: [share.stack, None if share.seen is None else said(share.seen), said(share.spent)]
            for uid, share in sorted(book.shares.items())
        },
        "days": {day: said(amount) for day, amount in book.days.items()},
    }
    data = {"data": {BOOK: json.dumps(shown, separators=(",", ":"))}}
    return {**data, "binaryData": {GONE: packed(book.gone.values())}} if book.gone else data


def loaded(manifest: Manifest) -> BudgetBook:
    """The book in a ConfigMap. ValueError when it is none."""
    try:
        shown = json.loads(manifest["data"][BOOK])
        return BudgetBook(
            at=moment(shown["at"]),
            month=shown["month"],
            since=moment(shown["since"]),
            shares={
                uid: Share(stack, None if seen is None else heard(seen), heard(spent))
                for uid, (stack, seen, spent) in shown["stacks"].items()
            },
            days={
                date.fromisoformat(day).isoformat(): heard(amount) for day, amount in shown["days"].items()
            },
            gone=unpacked(manifest["binaryData"][GONE]) if manifest.get("binaryData") else {},
        )
    except NO_BOOK as error:
        name = manifest.get("metadata", {}).get("name")
        raise ValueError(f"ConfigMap {name} holds no spending: {error!r}") from error
