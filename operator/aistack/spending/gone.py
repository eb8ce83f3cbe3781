"""Stacks that were deleted, as far as a bill has to know them: what they have cost is not undone by that."""

import gzip
import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from aistack.resolved import StackRef
from aistack.spending.book import Book, sums, sums_read, sums_said
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
        return self.book.of_month(month)


def gone(ref: StackRef, tags: Mapping[str, str], book: Book) -> Gone:
    """Without who asked: no bill says it."""
    now, last = replace(book.now, calls={}), replace(book.last, calls={})
    return Gone(ref, tags, replace(sums(book), now=now, last=last))


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
    ref = each.ref
    named = {"name": ref.name, "namespace": ref.namespace, "uid": ref.uid, "tags": dict(each.tags)}
    return {**named, **sums_said(each.book)}


def _read(said: Mapping[str, Any]) -> Gone:
    ref = StackRef(said["name"], said["namespace"], said["uid"])
    return Gone(ref, dict(said["tags"]), sums_read(said))
