"""An append-only file of records, each of which holds the digest of the one before: what was changed, taken
out or put in between later shows.

A record is one line of JSON: `sequence` counts from 1, `previous` is the digest of the line before (of the
first, 64 zeros), `digest` is the SHA-256 of the line without it, keys sorted, UTF-8, no blanks. Records cut
off at the end are missed only by who noted a later digest elsewhere, such as in the log.

A record whose end is missing was torn by a crash while it was written. It is taken out when the file is next
opened, and the record that stands in its place holds its bytes as `torn`.
"""

import hashlib
import logging
import mmap
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from aistack.errors import AIStackError, SettingsError

BEGINNING = "0" * 64
TORN = "torn"
"""Where a record holds what was left of another."""
BEGINS = (b"{", b"\0")
"""What a torn record begins with: itself, or what the disk held where it was not written yet."""
OWN = frozenset({"sequence", "previous", "digest"})

logger = logging.getLogger(__name__)

Record = Mapping[str, Any]


class BrokenChain(AIStackError):
    """A line is not the record that belongs there; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Link:
    """Where a chain has come to."""

    sequence: int = 0
    digest: str = BEGINNING


@dataclass(frozen=True, slots=True)
class Chain:
    """A whole trail."""

    end: Link
    torn: tuple[int, ...]
    """The sequence numbers of the records that hold one which a crash had torn."""


def chained(record: Record, before: Link) -> tuple[bytes, Link]:
    """The line of the record that follows `before`, and where the chain is then."""
    whole = {**record, "sequence": before.sequence + 1, "previous": before.digest}
    digest = _digest(whole)
    line = orjson.dumps({**whole, "digest": digest}, option=orjson.OPT_SORT_KEYS)
    return line + b"\n", Link(before.sequence + 1, digest)


def follow(lines: Iterable[bytes]) -> Chain:
    """What a trail is. BrokenChain at the first line that doesn't follow from those before it."""
    at, torn = Link(), []
    for line in lines:
        at, record = _next(line, at)
        if TORN in record:
            torn.append(at.sequence)
    return Chain(at, tuple(torn))


def _next(line: bytes, at: Link) -> tuple[Link, Record]:
    where = f"line {at.sequence + 1}"
    record = _read(line)
    if record is None or not line.endswith(b"\n"):
        raise BrokenChain(f"{where} is no whole record")
    said = record.pop("digest", None)
    if said != _digest(record):
        raise BrokenChain(f"{where} was changed: its digest is another")
    if record.get("sequence") != at.sequence + 1 or record.get("previous") != at.digest:
        raise BrokenChain(f"{where} does not follow the line before it: something is missing or was put in")
    return Link(at.sequence + 1, said), record


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
            self._at, torn = _end(path)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
            if torn:
                os.ftruncate(self._file, os.fstat(self._file).st_size - len(torn))
                self.append({TORN: torn.decode(errors="backslashreplace")})
        except (OSError, BrokenChain) as error:
            told = f"decisions can't be recorded in {path} ({error}); name another file"
            raise SettingsError(told) from error
        if torn:
            logger.warning("the last record of %s was torn; record %s holds it", path, self._at.sequence)

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


def _end(path: Path) -> tuple[Link, bytes]:
    """Where the file's last whole record leads to, and what of one that was torn comes after it."""
    if not path.exists() or path.stat().st_size == 0:
        return Link(), b""
    last, torn = _tail(path)
    if not last and torn.startswith(BEGINS) and not _is_something_else(torn):
        return Link(), torn
    record = _read(last)
    if record is None or not record.keys() >= OWN:
        raise BrokenChain("its last line is no whole record")
    return Link(record["sequence"], record["digest"]), torn


def _tail(path: Path) -> tuple[bytes, bytes]:
    """The last whole line, however long, and what comes after it; only they are read."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        end = content.rfind(b"\n") + 1
        begin = content.rfind(b"\n", 0, max(0, end - 1)) + 1
        return content[begin:end], content[end:]


def _is_something_else(line: bytes) -> bool:
    record = _read(line)
    return record is not None and not record.keys() >= OWN
