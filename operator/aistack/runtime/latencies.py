"""Measures how long the targets of a route take, where that decides who is asked, for as long as this process
leads.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence, Set
from datetime import UTC, datetime

from aistack.api.stack import RouteStatus
from aistack.labels import GATEWAY
from aistack.latency import Timings, between, faded, measured, read_timings, together
from aistack.observed import Latency, Pod
from aistack.runtime.fronts import Fronts
from aistack.runtime.store import Key, Store

logger = logging.getLogger(__name__)

EVERY = 300.0
"""Seconds from one look to the next: shares move a step a look at the most, and each move fills the limits of
every front again."""


class Latencies:
    """`on_change` is told of which stack more is known."""

    def __init__(self, store: Store, on_change: Callable[[Set[Key]], None]) -> None:
        self._store = store
        self._on_change = on_change
        self._fronts = Fronts("/metrics", read_timings)
        self._rows: dict[Key, Sequence[RouteStatus]] = {}
        """The routes that are measured."""
        self._read: dict[str, Timings] = {}
        """What each front had counted, by its pod's uid."""
        self._gathered: dict[Key, Timings] = {}
        """What was counted since the shares of its route were moved."""
        self._known: dict[Key, dict[str, Latency]] = {}
        """By route."""

    def follow(self, key: Key, rows: Sequence[RouteStatus]) -> None:
        """From now on these are all the routes of the stack that are measured: anew where shares are others,
        by which the targets are less or more busy.
        """
        if not rows:
            for kept in (self._rows, self._gathered, self._known):
                kept.pop(key, None)
            return
        before = self._rows.get(key, ())
        same = {row.name for row in rows if row in before}
        gathered = self._gathered.get(key, {})
        self._gathered[key] = {at: timing for at, timing in gathered.items() if at[0] in same}
        self._rows[key] = rows

    def known(self, key: Key) -> Mapping[str, Latency]:
        """By route."""
        return dict(self._known.get(key, {}))

    def clear(self) -> None:
        for kept in (self._rows, self._read, self._gathered, self._known):
            kept.clear()

    async def run(self) -> None:
        """Looks again and again until it is cancelled."""
        async with self._fronts:
            while True:
                await asyncio.sleep(EVERY)
                await self.look(datetime.now(UTC))

    async def look(self, now: datetime) -> None:
        """Once at every stack, side by side. `now` is UTC."""
        pods = {key: self._ready(key) for key in self._rows}
        uids = frozenset(pod.uid for each in pods.values() for pod in each)
        self._fronts.retain(uids)
        self._read = {uid: timings for uid, timings in self._read.items() if uid in uids}
        await asyncio.gather(*(self._look_at(key, each, now) for key, each in pods.items()))

    async def _look_at(self, key: Key, pods: Sequence[Pod], now: datetime) -> None:
        try:
            answers = await self._fronts.answers(pods)
        except Exception:
            logger.exception("a fault in the operator; only %s/%s is not measured", *key)
            return
        # What a front that was never read has counted may be old.
        new = [between(self._read.get(uid, said), said) for uid, said in answers.items()]
        self._read.update(answers)
        gathered = faded(together([self._gathered.get(key, {}), *new]))
        self._gathered[key] = gathered
        found: dict[str, Latency] = {}
        for row in self._rows.get(key, ()):
            if len(timings := measured(gathered, row.name, (each.model for each in row.targets))) > 1:
                found[row.name] = Latency(now, timings)
        if found:
            self._known.setdefault(key, {}).update(found)
            self._on_change({key})

    def _ready(self, key: Key) -> list[Pod]:
        pods = self._store.observed(key).pods.values()
        return [pod for pod in pods if pod.component == GATEWAY and pod.address and pod.ready]
