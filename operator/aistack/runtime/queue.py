"""Which stack is reconciled next.

A key waits at most once and runs at most once at a time; a key that is added while it runs runs again
after. A key that failed waits alone, longer each time; only a change of the stack itself cuts that short.
"""

import asyncio
import heapq
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from itertools import count, cycle

from aistack.runtime.backoff import delay
from aistack.runtime.store import Key

SETTLE_SECONDS = 0.25
"""From what happened to an object until its stack is looked at: events come in swarms."""
FIRST_RETRY = 0.2
LONGEST_RETRY = 60.0
"""Seconds."""


class Priority(IntEnum):
    """Lower runs first, except as TURNS says."""

    CHANGED = 0
    """Somebody changed the stack and waits for it."""
    OBSERVED = 1
    """Something happened to one of its objects."""
    BACKLOG = 2
    """A restart or a resync: nobody waits."""


OBSERVED_FIRST = (Priority.OBSERVED, Priority.CHANGED, Priority.BACKLOG)
TURNS = (tuple(Priority), OBSERVED_FIRST, OBSERVED_FIRST, OBSERVED_FIRST)
"""Who goes first, turn by turn. A new stack is a dozen writes, news of an object one or none: three short
runs delay a change by little, while a burst of new stacks would keep others for long from saying that they
are ready."""


@dataclass(frozen=True, slots=True)
class Next:
    """What is to come of a key after its run. `after` is in seconds; without it, an event brings it back."""

    failed: bool = False
    after: float | None = None


Work = Callable[[Key], Awaitable[Next]]


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    key: Key
    due: float
    priority: Priority
    held: bool
    """After a failure: an event of a child does not bring it forward."""


class Queue:
    """Keys in the order in which they should run. `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: dict[Key, _Entry] = {}
        # Both may hold entries that were replaced since; only those in `_entries` count.
        self._waiting: list[tuple[float, int, _Entry]] = []
        self._ready: dict[Priority, deque[_Entry]] = {priority: deque() for priority in Priority}
        self._turns = cycle(TURNS)
        self._numbers = count()
        self._running: dict[Key, Priority | None] = {}
        self._failures: dict[Key, int] = {}
        self._changed = asyncio.Event()

    def add(self, keys: Iterable[Key], priority: Priority) -> None:
        """Makes keys run as soon as their turn comes."""
        for key in keys:
            if key in self._running:
                before = self._running[key]
                self._running[key] = priority if before is None else min(before, priority)
                continue
            entry = self._entries.get(key)
            if entry is None or priority is Priority.CHANGED or not entry.held:
                settle = SETTLE_SECONDS if priority is Priority.OBSERVED else 0.0
                self._schedule(key, settle, min(priority, entry.priority) if entry else priority)

    def take(self) -> Key | None:
        """The key whose turn it is, if any is due; it counts as running until `finish`."""
        self._promote()
        for priority in next(self._turns):
            ready = self._ready[priority]
            while ready:
                entry = ready.popleft()
                if self._entries.get(entry.key) is entry:
                    del self._entries[entry.key]
                    self._running[entry.key] = None
                    return entry.key
        return None

    def finish(self, key: Key, result: Next) -> None:
        """Ends a run: again soon if the key was added meanwhile, later if it failed or asked for it."""
        added = self._running.pop(key)
        if result.failed:
            self._failures[key] = self._failures.get(key, 0) + 1
        else:
            self._failures.pop(key, None)
        if added is Priority.CHANGED or (added is not None and not result.failed):
            self._schedule(key, SETTLE_SECONDS, added)
        elif result.failed:
            backoff = delay(self._failures[key], first=FIRST_RETRY, longest=LONGEST_RETRY)
            self._schedule(key, max(result.after or 0.0, backoff), Priority.OBSERVED, held=True)
        elif result.after is not None:
            self._schedule(key, result.after, Priority.OBSERVED)

    def clear(self) -> None:
        """Forgets every key that waits, and every failure."""
        self._entries.clear()
        self._waiting.clear()
        for ready in self._ready.values():
            ready.clear()
        self._failures.clear()

    def next_due(self) -> float | None:
        """Seconds until a key that waits is due; None when none waits."""
        while self._waiting and self._entries.get(self._waiting[0][2].key) is not self._waiting[0][2]:
            heapq.heappop(self._waiting)
        return max(0.0, self._waiting[0][0] - self._clock()) if self._waiting else None

    def depth(self) -> int:
        """How many keys are due and not running."""
        return len(self._due())

    def backlog(self) -> int:
        """How many of these are looked at for what all have in common, or after a restart."""
        return sum(entry.priority is Priority.BACKLOG for entry in self._due())

    def oldest(self) -> float:
        """Seconds that the longest waiting of the due keys has waited; 0 when none is due."""
        return max((self._clock() - entry.due for entry in self._due()), default=0.0)

    async def run(self, work: Work, workers: int) -> None:
        """Works off the keys, `workers` at a time, until it is cancelled. `work` must not raise."""
        free = asyncio.Semaphore(workers)
        async with asyncio.TaskGroup() as tasks:
            while True:
                await free.acquire()
                tasks.create_task(self._run(await self._get(), work, free))

    async def _get(self) -> Key:
        while True:
            self._changed.clear()
            if key := self.take():
                return key
            try:
                async with asyncio.timeout(self.next_due()):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _run(self, key: Key, work: Work, free: asyncio.Semaphore) -> None:
        result = Next(failed=True)
        try:
            result = await work(key)
        finally:
            self.finish(key, result)
            free.release()

    def _schedule(self, key: Key, seconds: float, priority: Priority, *, held: bool = False) -> None:
        """Puts a key where it belongs; one that waits already is only ever brought forward."""
        due, before = self._clock() + seconds, self._entries.get(key)
        if before and before.due <= due and before.priority <= priority:
            return
        entry = _Entry(key, min(due, before.due) if before else due, priority, held)
        self._entries[key] = entry
        heapq.heappush(self._waiting, (entry.due, next(self._numbers), entry))
        self._changed.set()

    def _promote(self) -> None:
        """Moves what has become due to where priority decides."""
        now = self._clock()
        while self._waiting and self._waiting[0][0] <= now:
            _, _, entry = heapq.heappop(self._waiting)
            if self._entries.get(entry.key) is entry:
                self._ready[entry.priority].append(entry)

    def _due(self) -> list[_Entry]:
        now = self._clock()
        return [entry for entry in self._entries.values() if entry.due <= now]
