"""How many tokens a second a replica of a self-hosted model serves when it has more to do than it can.

vLLM counts the tokens that it has read and written, and says how many requests wait. Where some waited at
one look and at the next, what came between them is as much as the replica could serve. One such time may have
been a lucky one, with prompts that were in its cache, or its queue was empty for a while: so the median of
the last ones counts, once there are enough of them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from statistics import median
from typing import NamedTuple

from aistack.api.stack import MeasuredThroughput
from aistack.units import timestamp

ENOUGH, MOST = 5, 31
"""Times with requests waiting: so many say something, and so many are remembered."""
MOVED = 0.1
"""By such a part a median differs before it is said anew: statuses must not change with each look."""
FASTEST = 10_000_000
"""As many tokens a second as the API takes."""

PROMPT, GENERATION, WAITING = "prompt_tokens_total", "generation_tokens_total", "num_requests_waiting"
_NUMBER = r"[0-9]{1,18}(?:\.[0-9]+)?(?:e\+[0-9]{1,2})?"
_LINE = re.compile(rf"^vllm:({PROMPT}|{GENERATION}|{WAITING})(?:\{{.*\}})? ({_NUMBER})$", re.MULTILINE)


class Engine(NamedTuple):
    """What a replica's vLLM says."""

    tokens: int
    """Read and written since it was started."""
    waiting: int
    """Requests that it has not begun with."""


class Reading(NamedTuple):
    """What it said, and when."""

    at: datetime
    engine: Engine


class Busy(NamedTuple):
    """A time in which requests waited."""

    begin: datetime
    rate: float
    """Tokens a second."""


@dataclass(frozen=True, slots=True)
class Throughput:
    """What is known of one model's replicas."""

    replica: str
    """Digest of what they are."""
    replica_set: str
    """What made them: those of another one may be others."""
    busy: tuple[Busy, ...] = ()
    """The last times, over all replicas."""
    tokens_per_second: int | None = None
    """Of one replica; None before it is known."""
    since: str = ""
    """When the first of the times began that it was said after."""


Throughputs = Mapping[str, Throughput]
"""By model."""


def read_engine(text: str) -> Engine:
    """Of all engines of a replica together. ValueError where it is no vLLM's metrics."""
    found: dict[str, float] = {}
    for name, value in _LINE.findall(text):
        found[name] = found.get(name, 0) + float(value)
    if missing := {PROMPT, GENERATION, WAITING} - found.keys():
        raise ValueError(f"no vllm:{', vllm:'.join(sorted(missing))}")
    return Engine(int(found[PROMPT] + found[GENERATION]), int(found[WAITING]))


def between(before: Reading, now: Reading, longest: timedelta) -> Busy | None:
    """The time between two looks at a replica, if it was busy all along as far as anybody knows. One that
    counts less than before was started meanwhile; in more than `longest` anything may have happened.
    """
    passed = now.at - before.at
    grown = now.engine.tokens - before.engine.tokens
    if not timedelta() < passed <= longest or not (before.engine.waiting and now.engine.waiting):
        return None
    return Busy(before.at, grown / passed.total_seconds()) if grown > 0 else None


def learned(known: Throughput | None, replica: str, replica_set: str, busy: Sequence[Busy]) -> Throughput:
    """With further times, those of other replicas than before alone."""
    if known is None or known.replica_set != replica_set:
        known = Throughput(replica, replica_set)
    known = replace(known, busy=(*known.busy, *busy)[-MOST:])
    if len(known.busy) < ENOUGH:
        return known
    found = min(FASTEST, max(1, round(median(each.rate for each in known.busy))))
    said = known.tokens_per_second
    if said is not None and abs(found - said) <= said * MOVED:
        return known
    return replace(known, tokens_per_second=found, since=timestamp(min(each.begin for each in known.busy)))


def said(known: Throughputs) -> Iterator[MeasuredThroughput]:
    """What a stack's status says of it."""
    for model, each in known.items():
        if each.tokens_per_second is not None:
            yield MeasuredThroughput(
                model=model,
                tokens_per_second=each.tokens_per_second,
                since=each.since,
                replica=each.replica,
            )
