"""From one look at a stack's pods to the next: what was used between them, each thing once.

A counter belongs to a pod, by its uid, so two replicas never mix and a new one begins at zero. What is
remembered of each is what it said last; who reads that back after a restart goes on where it was left.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple

from aistack.hardware import Hardware
from aistack.spending.counters import Counters, Series, increments

NOTHING: Counters = {}


class Replica(NamedTuple):
    """What pods have in common that cost the same."""

    component: str
    """The part of the stack, as in its status: `model/llama`, `gateway`."""
    hardware: Hardware | None = None
    """None: what the spec says of the part."""


@dataclass(frozen=True, slots=True)
class Source:
    """One pod that costs money, as it is now."""

    uid: str
    replica: Replica
    created: datetime
    counters: Counters | None = None
    """What its gateway says; None where it is none, or did not answer."""
    counts: bool = False
    """It is a gateway's: it counts, whether or not it answered."""
    started: datetime | None = None
    """When what counts in it was, by its node's clock; None while it doesn't run."""


@dataclass(frozen=True, slots=True)
class Known:
    """A gateway's pod as it was last read."""

    at: datetime
    counters: Counters
    started: datetime | None = None
    """When what counted was."""


@dataclass(frozen=True, slots=True)
class Meter:
    """What was read of a stack's pods."""

    since: datetime
    """When metering began; what pods had counted before is nobody's."""
    at: datetime
    """The last look."""
    known: Mapping[str, Known] = field(default_factory=dict)
    """By the pod's uid."""
    running: frozenset[str] = frozenset()
    """The pods that cost, by uid. It is not kept: who reads the meter back looks first."""

    @property
    def read_at(self) -> datetime | None:
        """When all gateways had been read; None without any."""
        return min((each.at for each in self.known.values()), default=None)


@dataclass(frozen=True, slots=True)
class Use:
    """What was used between two looks."""

    seconds: float
    """Between them."""
    replica_seconds: Mapping[Replica, float] = field(default_factory=dict)
    counted: Mapping[Series, int] = field(default_factory=dict)
    """By how much each counter grew."""
    unread_seconds: float = 0
    """How long gateways counted without being read before they ended, or were started again: what came then
    is not known."""


def begun(now: datetime) -> Meter:
    return Meter(since=now, at=now)


def read(before: Meter, sources: Sequence[Source], now: datetime) -> tuple[Meter, Use]:
    """One look. A look into the past, as after a clock was set back, sees nothing."""
    if now <= before.at:
        return before, Use(seconds=0)
    replica_seconds: dict[Replica, float] = {}
    counted: dict[Series, int] = {}
    known: dict[str, Known] = {}
    unread = 0.0
    for source in sources:
        ran = max(0.0, (now - max(source.created, before.at)).total_seconds())
        replica_seconds[source.replica] = replica_seconds.get(source.replica, 0.0) + ran
        if not source.counts:
            continue
        last = _last(source, before)
        base = _base(source, last)
        known[source.uid] = _read(source, last, base, now)
        if source.counters is not None:
            unread += (base.at - last.at).total_seconds()
            for series, grown in increments(base.counters, source.counters).items():
                counted[series] = counted.get(series, 0) + grown
    ended = before.known.keys() - known.keys()
    unread += sum((now - before.known[uid].at).total_seconds() for uid in ended)
    use = Use((now - before.at).total_seconds(), replica_seconds, counted, unread)
    running = frozenset(source.uid for source in sources)
    return Meter(before.since, now, known, running), use


def as_they_were(before: Meter, sources: Sequence[Source], at: datetime, now: datetime) -> tuple[Source, ...]:
    """The pods that are there `now` at a moment since the last look: what was counted came evenly."""
    return tuple(
        replace(source, counters=_counted_by(at, source, before, now))
        for source in sources
        if source.created < at
    )


def _counted_by(at: datetime, source: Source, before: Meter, now: datetime) -> Counters | None:
    base = _base(source, _last(source, before))
    if source.counters is None or at <= base.at:
        return None
    later = Fraction((now - at) / (now - base.at))
    grown = increments(base.counters, source.counters)
    return {series: n - int(grown.get(series, 0) * later) for series, n in source.counters.items()}


def _last(source: Source, before: Meter) -> Known:
    """One that was never read has counted from zero; what it had counted before metering began is not new.

    Of one that was there before, nobody knows how much that is until it answers for the first time.
    """
    known = before.known.get(source.uid)
    if known and known.at > before.since:
        return known
    begun_before = source.created < before.since
    return Known(max(source.created, before.since), (source.counters or NOTHING) if begun_before else NOTHING)


def _base(source: Source, last: Known) -> Known:
    """From where it counts now: from zero where it was started again since it was read last.

    What is known of its start may come late, when it was read already; and nodes have clocks of their own. So
    the start has to be another one and the later one.
    """
    if source.started and last.started and source.started != last.started and source.started > last.at:
        return Known(source.started, NOTHING, source.started)
    return last


def _read(source: Source, last: Known, base: Known, now: datetime) -> Known:
    """Who says nothing keeps what it said. A series that is left out for once is not forgotten."""
    if source.counters is None:
        return last
    return Known(now, {**base.counters, **source.counters}, source.started or base.started)
