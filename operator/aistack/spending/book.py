"""What one stack has cost: since it is metered, and in this month by component, client and route.

It is kept in a ConfigMap of the stack: the sums to be read by anybody, what the meter remembers compressed.
"""

import gzip
import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from aistack.kinds import Manifest
from aistack.spending import tally as tallies
from aistack.spending.counters import Kind, Series
from aistack.spending.meter import Known, Meter, Use
from aistack.spending.money import PicoUnits, heard, said
from aistack.spending.month import moment, month_before, month_name
from aistack.spending.rates import Costs
from aistack.spending.tally import EMPTY, Tally
from aistack.spending.tariffs import Listed
from aistack.spending.throughput import Busy, Throughput, Throughputs

BOOK, METER = "spending.json", "meter.json.gz"
"""The keys of the ConfigMap."""

KEPT_FOR = timedelta(hours=1)
"""So old may be what is kept of a stack of which nothing but time is new."""


@dataclass(frozen=True, slots=True)
class Book:
    """Amounts are of one currency; `total` never falls while it is kept."""

    meter: Meter
    currency: str
    total: PicoUnits = 0
    """Since metering began."""
    zone: str = "UTC"
    """Where its months begin."""
    now: Tally = EMPTY
    """This month's."""
    last: Tally = EMPTY
    """That of the month before."""
    throughput: Throughputs = field(default_factory=dict)
    others: Mapping[str, "Book"] = field(default_factory=dict)
    """By currency, the sums of this month and the last in those that the prices had before."""
    tariffs: Mapping[str, Listed] = field(default_factory=dict)
    """By model, of those that gateways may tell of."""

    def of_month(self, month: str) -> Tally | None:
        """What was used in `2026-11`; None where nothing of it is known."""
        return next((tally for tally in (self.now, self.last) if tally.month == month), None)


def entered(book: Book, meter: Meter, use: Use, spent: Costs, zone: ZoneInfo) -> Book:
    """With what was used since the last look, all of it in the month of this one."""
    now, last = book.now, book.last
    month = month_name(meter.at, zone)
    recent = (month, month_before(month))
    if month == last.month:  # a clock was ahead
        now, last = last, now
    elif month != now.month:
        now, last = Tally(month), now
    return replace(
        book,
        meter=meter,
        zone=zone.key,
        total=book.total + spent.total,
        now=now.plus(spent, use.unread_seconds),
        last=last,
        others={each.currency: each for each in book.others.values() if each.now.month in recent},
    )


def in_currency(book: Book, currency: str) -> Book:
    """The book as it goes on where prices are in this one: nothing is exchanged, so each has its own sums."""
    if book.currency == currency:
        return book
    others = {**book.others, book.currency: sums(book)}
    back = others.pop(currency, Book(book.meter, currency))
    return replace(back, meter=book.meter, throughput=book.throughput, others=others)


def sums(book: Book) -> Book:
    """Without what only goes on counting."""
    meter = Meter(book.meter.since, book.meter.at)
    return Book(meter, book.currency, book.total, book.zone, book.now, book.last)


def as_of(book: Book, now: datetime) -> Book:
    """One that was kept while a clock was ahead: it goes on from `now`, the counters from where they were."""
    meter = book.meter
    known = {uid: replace(each, at=min(each.at, now)) for uid, each in meter.known.items()}
    return replace(book, meter=Meter(min(meter.since, now), now, known, meter.running))


def is_news(book: Book, kept: Book) -> bool:
    """Whether a restart would lose what it can't work out again; the time of pods that run on it can."""
    before, now = kept.meter, book.meter
    return (
        kept.now.month != book.now.month
        or before.running != now.running
        or kept.throughput != book.throughput
        or not timedelta() <= now.at - before.at < KEPT_FOR
        or {uid: each.counters for uid, each in before.known.items()}
        != {uid: each.counters for uid, each in now.known.items()}
    )


def dumped(book: Book) -> Manifest:
    """`data` and `binaryData` of the ConfigMap; the same book gives the same bytes."""
    shown = {
        "currency": book.currency,
        "since": book.meter.since.isoformat(),
        "at": book.meter.at.isoformat(),
        "total": said(book.total),
        "timeZone": book.zone,
        "throughput": {model: each.tokens_per_second for model, each in book.throughput.items()},
        **tallies.shown(book.now),
        "lastMonth": tallies.shown(book.last),
    }
    known = {
        uid: {
            "at": each.at.isoformat(),
            "started": each.started and each.started.isoformat(),
            "counters": [[*series, n] for series, n in sorted(each.counters.items())],
        }
        for uid, each in sorted(book.meter.known.items())
    }
    remembered = {
        "running": sorted(book.meter.running),
        "known": known,
        "calls": tallies.calls_said(book.now),
        "lastCalls": tallies.calls_said(book.last),
        "throughput": {model: _remembered(each) for model, each in book.throughput.items()},
        "others": [sums_said(each) for each in book.others.values()],
        "tariffs": {model: _listed_said(each) for model, each in book.tariffs.items()},
    }
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
            zone=ZoneInfo(shown["timeZone"]).key,
            now=tallies.read(shown, remembered["calls"]),
            last=tallies.read(shown["lastMonth"], remembered["lastCalls"]),
            throughput={
                model: _throughput(*each) for model, each in remembered.get("throughput", {}).items()
            },
            others={each["currency"]: sums_read(each) for each in remembered.get("others", ())},
            tariffs={model: _listed(*each) for model, each in remembered.get("tariffs", {}).items()},
        )
    except NO_BOOK as error:
        name = manifest.get("metadata", {}).get("name")
        raise ValueError(f"ConfigMap {name} holds no spending: {error!r}") from error


NO_BOOK = (
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
"""What reading one raises that somebody has torn."""


def sums_said(book: Book) -> dict[str, Any]:
    """One that only has its sums, as JSON."""
    return {
        "currency": book.currency,
        "timeZone": book.zone,
        "since": book.meter.since.isoformat(),
        "at": book.meter.at.isoformat(),
        "total": said(book.total),
        "months": [[tallies.shown(each), tallies.calls_said(each)] for each in (book.now, book.last)],
    }


def sums_read(said: Mapping[str, Any]) -> Book:
    """What `sums_said` has made. It raises one of NO_BOOK for anything else."""
    meter = Meter(moment(said["since"]), moment(said["at"]))
    now, last = (tallies.read(shown, calls) for shown, calls in said["months"])
    zone = ZoneInfo(said["timeZone"]).key
    return Book(meter, said["currency"], heard(said["total"]), zone, now, last)


def _known(each: Mapping[str, Any]) -> Known:
    counters = {
        Series(client, route, target, kind): int(n) for client, route, target, kind, n in each["counters"]
    }
    started = each.get("started")
    return Known(moment(each["at"]), counters, started and moment(started))


def _listed_said(each: Listed) -> list[Any]:
    return [
        each.at.isoformat(),
        {kind: item and tallies.item_said(item) for kind, item in each.tariff.items()},
    ]


def _listed(at: str, tariff: Mapping[Kind, Any]) -> Listed:
    return Listed({kind: row and tallies.item_read(row) for kind, row in tariff.items()}, moment(at))


def _remembered(each: Throughput) -> list[Any]:
    busy = [[time.begin.isoformat(), time.rate] for time in each.busy]
    return [each.replica, each.replica_set, busy, each.tokens_per_second, each.since]


def _throughput(
    replica: str, replica_set: str, busy: Iterable[tuple[str, float]], rate: int | None, since: str
) -> Throughput:
    times = tuple(Busy(moment(begin), float(tokens)) for begin, tokens in busy)
    return Throughput(replica, replica_set, times, rate, since)
