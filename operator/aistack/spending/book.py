"""What one stack has cost: since it is metered, and in this month by component, client and route.

It is kept in a ConfigMap of the stack: the sums to be read by anybody, what the meter remembers compressed.
"""

import gzip
import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from aistack.cost.charges import Category
from aistack.cost.money import plain
from aistack.cost.prices import Price
from aistack.kinds import Manifest
from aistack.spending.counters import Series
from aistack.spending.meter import Known, Meter, Use
from aistack.spending.money import PicoUnits, heard, said
from aistack.spending.month import moment, month_name
from aistack.spending.rates import NOTHING, Amount, Costs, Item

BOOK, METER = "spending.json", "meter.json.gz"
"""The keys of the ConfigMap."""

KEPT_FOR = timedelta(hours=1)
"""So old may be what is kept of a stack of which nothing but time is new."""
Sums = Mapping[str, PicoUnits]


@dataclass(frozen=True, slots=True)
class Book:
    """Amounts are of one currency; `total` never falls while it is kept."""

    meter: Meter
    currency: str
    total: PicoUnits = 0
    """Since metering began."""
    month: str = ""
    """`2026-11`, in the time zone of the first budget that counts the stack, or UTC."""
    zone: str = "UTC"
    items: Mapping[Item, Amount] = field(default_factory=dict)
    """Of this month, like all that follows."""
    clients: Sums = field(default_factory=dict)
    """What their tokens cost at providers."""
    routes: Sums = field(default_factory=dict)
    unpriced: tuple[str, ...] = ()
    """What was used and has no price, so that it is in no sum."""
    unread_seconds: float = 0
    """How long gateways that have ended counted without being read."""

    @property
    def month_to_date(self) -> PicoUnits:
        return sum(amount.cost for amount in self.items.values())

    @property
    def components(self) -> Sums:
        """What each part has cost; they add up to the month to date."""
        sums: dict[str, PicoUnits] = {}
        for item, amount in self.items.items():
            sums[item.component] = sums.get(item.component, 0) + amount.cost
        return sums


def entered(book: Book, meter: Meter, use: Use, spent: Costs, zone: ZoneInfo) -> Book:
    """With what was used since the last look. What was used over the turn of a month is in the new one."""
    month = month_name(meter.at, zone)
    if month != book.month:
        book = Book(book.meter, book.currency, book.total, month)
    return replace(
        book,
        meter=meter,
        zone=zone.key,
        total=book.total + spent.total,
        items={
            item: book.items.get(item, NOTHING).plus(spent.items.get(item, NOTHING))
            for item in {**book.items, **spent.items}
        },
        clients=_added(book.clients, spent.clients),
        routes=_added(book.routes, spent.routes),
        unpriced=tuple(sorted({*book.unpriced, *spent.unpriced})),
        unread_seconds=book.unread_seconds + use.unread_seconds,
    )


def as_of(book: Book, now: datetime) -> Book:
    """One that was kept while a clock was ahead: it goes on from `now`, the counters from where they were."""
    meter = book.meter
    known = {uid: replace(each, at=min(each.at, now)) for uid, each in meter.known.items()}
    return replace(book, meter=Meter(min(meter.since, now), now, known, meter.running))


def is_news(book: Book, kept: Book) -> bool:
    """Whether a restart would lose what it can't work out again; the time of pods that run on it can."""
    before, now = kept.meter, book.meter
    return (
        kept.month != book.month
        or before.running != now.running
        or not timedelta() <= now.at - before.at < KEPT_FOR
        or {uid: each.counters for uid, each in before.known.items()}
        != {uid: each.counters for uid, each in now.known.items()}
    )


def _added(sums: Sums, more: Sums) -> Sums:
    return {name: sums.get(name, 0) + more.get(name, 0) for name in sorted({*sums, *more})}


def dumped(book: Book) -> Manifest:
    """`data` and `binaryData` of the ConfigMap; the same book gives the same bytes."""
    shown = {
        "currency": book.currency,
        "since": book.meter.since.isoformat(),
        "at": book.meter.at.isoformat(),
        "total": said(book.total),
        "month": book.month,
        "timeZone": book.zone,
        "monthToDate": said(book.month_to_date),
        "components": _said(book.components),
        "clients": _said(book.clients),
        "routes": _said(book.routes),
        "unpriced": list(book.unpriced),
        "unreadSeconds": book.unread_seconds,
        "items": [_shown(item, amount) for item, amount in book.items.items()],
    }
    known = {
        uid: {
            "at": each.at.isoformat(),
            "counters": [[*series, n] for series, n in sorted(each.counters.items())],
        }
        for uid, each in sorted(book.meter.known.items())
    }
    remembered = {"running": sorted(book.meter.running), "known": known}
    packed = gzip.compress(json.dumps(remembered, separators=(",", ":")).encode(), mtime=0)
    return {
        "data": {BOOK: json.dumps(shown, indent=1)},
        "binaryData": {METER: b64encode(packed).decode()},
    }


def loaded(manifest: Manifest) -> Book:
    """The book in a ConfigMap. ValueError when it is none."""
    try:
        shown = json.loads(manifest["data"][BOOK])
        remembered = json.loads(gzip.decompress(b64decode(manifest["binaryData"][METER])))
        return Book(
            meter=Meter(
                moment(shown["since"]),
                moment(shown["at"]),
                {uid: _known(each) for uid, each in remembered["known"].items()},
                frozenset(remembered["running"]),
            ),
            currency=shown["currency"],
            total=heard(shown["total"]),
            month=shown["month"],
            zone=ZoneInfo(shown["timeZone"]).key,
            items=dict(map(_item, shown["items"])),
            clients=_heard(shown["clients"]),
            routes=_heard(shown["routes"]),
            unpriced=tuple(map(str, shown["unpriced"])),
            unread_seconds=max(0, shown["unreadSeconds"]),
        )
    except _NO_BOOK as error:
        name = manifest.get("metadata", {}).get("name")
        raise ValueError(f"ConfigMap {name} holds no spending: {error!r}") from error


_NO_BOOK = (
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    OSError,
    EOFError,
    RecursionError,
    zlib.error,
)


def _known(each: Mapping[str, Any]) -> Known:
    counters = {
        Series(client, route, target, kind): int(n) for client, route, target, kind, n in each["counters"]
    }
    return Known(moment(each["at"]), counters)


def _shown(item: Item, amount: Amount) -> dict[str, str | None]:
    return {
        "component": item.component,
        "item": item.name,
        "category": item.category.value,
        "provider": item.provider,
        "region": item.region,
        "unit": item.unit,
        "price": plain(item.price.amount),
        "listedIn": item.price.listed_in,
        "source": item.price.source,
        "asOf": item.price.as_of,
        "quantity": said(amount.quantity),
        "cost": said(amount.cost),
    }


def _item(shown: Mapping[str, Any]) -> tuple[Item, Amount]:
    price = Price(Decimal(shown["price"]), shown["listedIn"], shown["source"], shown["asOf"])
    item = Item(
        shown["component"],
        shown["item"],
        Category(shown["category"]),
        shown["unit"],
        price,
        shown["region"],
        shown["provider"],
    )
    return item, Amount(heard(shown["quantity"]), heard(shown["cost"]))


def _said(sums: Sums) -> dict[str, str]:
    return {name: said(amount) for name, amount in sums.items()}


def _heard(sums: Mapping[str, str]) -> dict[str, PicoUnits]:
    return {name: heard(text) for name, text in sums.items()}
