"""Measures how long the targets of a route take, where that decides who is asked, for as long as this process
leads.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence, Set
from datetime import UTC, datetime

from aistack.labels import GATEWAY
from aistack.latency import Timings, between, means, read_timings, together
from aistack.observed import Latency, Pod
from aistack.runtime.fronts import Fronts
from aistack.runtime.store import Key, Store

logger = logging.getLogger(__name__)

EVERY = 60.0
"""Seconds from one look to the next: shares move a step a look at the most."""


class Latencies:
    """`on_change` is told of which stack more is known."""

    def __init__(self, store: Store, on_change: Callable[[Set[Key]], None]) -> None:
        self._store = store
        self._on_change = on_change
        self._fronts = Fronts("/metrics", read_timings)
        self._routes: dict[Key, Mapping[str, Sequence[str]]] = {}
        """The targets by route."""
        self._read: dict[str, Timings] = {}
        """What each front had counted, by its pod's uid."""
        self._gathered: dict[Key, Timings] = {}
        """What was counted since it was last used."""
        self._known: dict[Key, dict[str, Latency]] = {}
        """By route."""

    def follow(self, key: Key, routes: Mapping[str, Sequence[str]]) -> None:
        """From now on these are all the routes of the stack that are measured."""
        if routes:
            self._routes[key] = routes
            return
        for kept in (self._routes, self._gathered, self._known):
            kept.pop(key, None)

    def known(self, key: Key) -> Mapping[str, Latency]:
        """By route."""
        return dict(self._known.get(key, {}))

    def clear(self) -> None:
        for kept in (self._routes, self._read, self._gathered, self._known):
            kept.clear()

    async def run(self) -> None:
        """Looks again and again until it is cancelled."""
        async with self._fronts:
            while True:
                await asyncio.sleep(EVERY)
                await self.look(datetime.now(UTC))

    async def look(self, now: datetime) -> None:
        """Once at every stack, side by side. `now` is UTC."""
        pods = {key: self._ready(key) for key in self._routes}
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
        gathered = together([self._gathered.get(key, {}), *new])
        found: dict[str, Latency] = {}
        for route, targets in self._routes.get(key, {}).items():
            if len(measured := means(gathered, route, targets)) > 1:
                found[route] = Latency(now, measured)
                gathered = {at: timing for at, timing in gathered.items() if not _is_of(at, route, measured)}
        self._gathered[key] = gathered
        if found:
            self._known.setdefault(key, {}).update(found)
            self._on_change({key})

    def _ready(self, key: Key) -> list[Pod]:
        pods = self._store.observed(key).pods.values()
        return [pod for pod in pods if pod.component == GATEWAY and pod.address and pod.ready]


def _is_of(at: tuple[str, str], route: str, targets: Mapping[str, float]) -> bool:
    return at[0] == route and at[1] in targets
