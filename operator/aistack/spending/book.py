"""What one stack has cost: since it is metered, and in this month by component, client and route.

It is kept in a ConfigMap of the stack: the sums to be read by anybody, what the meter remembers compressed.
"""

import gzip
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from aistack.kinds import Manifest
from aistack.spending.counters import Series
from aistack.spending.meter import Known, Meter, Use
from aistack.spending.money import PicoUnits, heard, said
from aistack.spending.rates import Costs

BOOK, METER = "spending.json", "meter.json.gz"
"""The keys of the ConfigMap."""

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
    components: Sums = field(default_factory=dict)
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
        return sum(self.components.values())


def entered(book: Book, meter: Meter, use: Use, spent: Costs, month: str) -> Book:
    """With what was used since the last look. What was used over the turn of a month is in the new one."""
    if month != book.month:
        book = Book(book.meter, book.currency, book.total, month)
    return replace(
        book,
        meter=meter,
        total=book.total + spent.total,
        components=_added(book.components, spent.components),
        clients=_added(book.clients, spent.clients),
        routes=_added(book.routes, spent.routes),
        unpriced=tuple(sorted({*book.unpriced, *spent.unpriced})),
        unread_seconds=book.unread_seconds + use.unread_seconds,
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
        "monthToDate": said(book.month_to_date),
        "components": _said(book.components),
        "clients": _said(book.clients),
        "routes": _said(book.routes),
        "unpriced": list(book.unpriced),
        "unreadSeconds": book.unread_seconds,
    }
    known = {
        uid: {
            "at": each.at.isoformat(),
            "counters": [[*series, n] for series, n in sorted(each.counters.items())],
        }
        for uid, each in sorted(book.meter.known.items())
    }
    packed = gzip.compress(json.dumps(known, separators=(",", ":")).encode(), mtime=0)
    return {
        "data": {BOOK: json.dumps(shown, indent=1)},
        "binaryData": {METER: b64encode(packed).decode()},
    }


def loaded(manifest: Manifest) -> Book:
    """The book in a ConfigMap. ValueError when it is none."""
    try:
        shown = json.loads(manifest["data"][BOOK])
        known = json.loads(gzip.decompress(b64decode(manifest["binaryData"][METER])))
        return Book(
            meter=Meter(
                datetime.fromisoformat(shown["since"]),
                datetime.fromisoformat(shown["at"]),
                {uid: _known(each) for uid, each in known.items()},
            ),
            currency=shown["currency"],
            total=heard(shown["total"]),
            month=shown["month"],
            components=_heard(shown["components"]),
            clients=_heard(shown["clients"]),
            routes=_heard(shown["routes"]),
            unpriced=tuple(shown["unpriced"]),
            unread_seconds=shown["unreadSeconds"],
        )
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, OSError, EOFError) as error:
        name = manifest.get("metadata", {}).get("name")
        raise ValueError(f"ConfigMap {name} holds no spending: {error!r}") from error


def _known(each: Mapping[str, Any]) -> Known:
    counters = {Series(client, route, target, kind): n for client, route, target, kind, n in each["counters"]}
    return Known(datetime.fromisoformat(each["at"]), counters)


def _said(sums: Sums) -> dict[str, str]:
    return {name: said(amount) for name, amount in sums.items()}


def _heard(sums: Mapping[str, str]) -> dict[str, PicoUnits]:
    return {name: heard(text) for name, text in sums.items()}
