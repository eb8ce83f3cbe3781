"""Stacks that were deleted, as far as a bill has to know them: what they have cost is not undone by that."""

import gzip
import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from aistack.resolve import StackRef
from aistack.spending import tally as tallies
from aistack.spending.book import Book
from aistack.spending.meter import Meter
from aistack.spending.month import moment
from aistack.spending.tally import Tally

MOST_BYTES = 200_000
"""Of all together, compressed: the API server takes ConfigMaps of 1 MiB."""


@dataclass(frozen=True, slots=True)
class Gone:
    """One stack as it was last seen."""

    ref: StackRef
    tags: Mapping[str, str]
    book: Book

    def of_month(self, month: str) -> Tally | None:
        """What it has cost in `2026-11`."""
        return next((tally for tally in (self.book.now, self.book.last) if tally.month == month), None)


def gone(ref: StackRef, tags: Mapping[str, str], book: Book) -> Gone:
    """Without what only goes on counting."""
    meter = Meter(book.meter.since, book.meter.at)
    now, last = replace(book.now, calls={}), replace(book.last, calls={})
    return Gone(ref, tags, replace(book, meter=meter, now=now, last=last, throughput={}))


def packed(stacks: Iterable[Gone]) -> str:
    """As text of a ConfigMap's `binaryData`; the earlier ones are left out where they are too many."""
    kept = [_said(each) for each in stacks]
    while len(text := _compressed(kept)) > MOST_BYTES:
        kept = kept[len(kept) // 2 + 1 :]
    return text


def unpacked(text: str) -> dict[str, Gone]:
    """What `packed` has made, by uid. It raises what a text may that it hasn't."""
    found = map(_read, json.loads(gzip.decompress(b64decode(text))))
    return {each.ref.uid: each for each in found}


def _compressed(stacks: list[dict[str, Any]]) -> str:
    return b64encode(gzip.compress(json.dumps(stacks).encode(), mtime=0)).decode()


def _said(each: Gone) -> dict[str, Any]:
    book = each.book
    return {
        "name": each.ref.name,
        "namespace": each.ref.namespace,
        "uid": each.ref.uid,
        "tags": dict(each.tags),
        "currency": book.currency,
        "timeZone": book.zone,
        "since": book.meter.since.isoformat(),
        "at": book.meter.at.isoformat(),
        "total": book.total,
        "months": [tallies.shown(book.now), tallies.shown(book.last)],
    }


def _read(said: Mapping[str, Any]) -> Gone:
    now, last = (tallies.read(each, ()) for each in said["months"])
    meter = Meter(moment(said["since"]), moment(said["at"]))
    book = Book(meter, said["currency"], int(said["total"]), said["timeZone"], now, last)
    return Gone(StackRef(said["name"], said["namespace"], said["uid"]), dict(said["tags"]), book)
