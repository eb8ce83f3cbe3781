"""An append-only file of records, each of which holds the digest of the one before: what was changed, taken
out or put in between later shows.

A record is one line of JSON: `sequence` counts from 1, `previous` is the digest of the line before (of the
first, 64 zeros), `digest` is the SHA-256 of the line without it, keys sorted, UTF-8, no blanks. Records cut
off at the end are missed only by who noted a later digest elsewhere, such as in the log.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from aistack.errors import AIStackError, SettingsError

BEGINNING = "0" * 64
TAIL = 65_536
"""Bytes at the end of a file in which its last record is looked for; a record is far smaller."""

Record = Mapping[str, Any]


class BrokenChain(AIStackError):
    """A line is not the record that belongs there; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Link:
    """Where a chain has come to."""

    sequence: int = 0
    digest: str = BEGINNING


def chained(record: Record, before: Link) -> tuple[bytes, Link]:
    """The line of the record that follows `before`, and where the chain is then."""
    whole = {**record, "sequence": before.sequence + 1, "previous": before.digest}
    digest = _digest(whole)
    line = orjson.dumps({**whole, "digest": digest}, option=orjson.OPT_SORT_KEYS)
    return line + b"\n", Link(before.sequence + 1, digest)


def follow(lines: Iterable[bytes]) -> Link:
    """The end of a chain. BrokenChain at the first line that doesn't follow from those before it."""
    at = Link()
    for line in lines:
        at = _next(line, at)
    return at


def _next(line: bytes, at: Link) -> Link:
    where = f"line {at.sequence + 1}"
    record = _read(line)
    if record is None or not line.endswith(b"\n"):
        raise BrokenChain(f"{where} is no whole record")
    said = record.pop("digest", None)
    if said != _digest(record):
        raise BrokenChain(f"{where} was changed: its digest is another")
    if record.get("sequence") != at.sequence + 1 or record.get("previous") != at.digest:
        raise BrokenChain(f"{where} does not follow the line before it: something is missing or was put in")
    return Link(at.sequence + 1, said)


def _read(line: bytes) -> dict[str, Any] | None:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return record if isinstance(record, dict) else None


def _digest(record: Record) -> str:
    return hashlib.sha256(orjson.dumps(record, option=orjson.OPT_SORT_KEYS)).hexdigest()


class Trail:
    """A file to which one process appends."""

    def __init__(self, path: Path) -> None:
        """Goes on where the file ends. SettingsError when it can't be written or holds something else."""
        try:
            self._at = _end(path)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        except (OSError, BrokenChain) as error:
            told = f"decisions can't be recorded in {path} ({error}); name another file"
            raise SettingsError(told) from error

    def append(self, record: Record) -> Link:
        """Writes one record, whole or not at all: OSError then."""
        line, link = chained(record, self._at)
        written = os.write(self._file, line)
        if written < len(line):
            os.ftruncate(self._file, os.fstat(self._file).st_size - written)
            raise OSError(f"{written} of {len(line)} bytes of a record could be written")
        self._at = link
        return link

    def close(self) -> None:
        os.close(self._file)


def _end(path: Path) -> Link:
    """The last record of a file that this process or an earlier one wrote."""
    if not path.exists() or path.stat().st_size == 0:
        return Link()
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL))
        last = file.readlines()[-1]
    record = _read(last)
    if record is None or not last.endswith(b"\n") or not {"sequence", "digest"} <= record.keys():
        raise BrokenChain("its last line is no whole record")
    return Link(record["sequence"], record["digest"])
