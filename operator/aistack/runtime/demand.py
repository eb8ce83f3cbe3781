"""Asks the fronts of stacks with models that may be at zero who asks for these, for as long as this process
leads: a request that waits has its model started.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence, Set
from datetime import UTC, datetime, timedelta

import orjson

from aistack.labels import GATEWAY
from aistack.observed import Pod, Want
from aistack.render.gateway.demand import Sleeper
from aistack.runtime.fronts import Fronts
from aistack.runtime.store import Key, Store
from aistack.waking import Counts, Interest, looked

logger = logging.getLogger(__name__)

EVERY = 1.0
"""Seconds from one look to the next: little beside the time in which a model starts."""
OVERDUE = timedelta(seconds=30)
"""After its grace a pod that is still there is lost: so far clocks may differ."""
A_SECOND = 200
"""Fronts that are asked, at the most: where there are more, looks are rarer."""


class Demand:
    """`on_change` is told of which stack a model is to be started, or may end."""

    def __init__(self, store: Store, on_change: Callable[[Set[Key]], None]) -> None:
        self._store = store
        self._on_change = on_change
        self._fronts = Fronts("/demand", read_counts)
        self._sleepers: dict[Key, tuple[Sleeper, ...]] = {}
        self._interests: dict[tuple[Key, str], Interest] = {}
        """By stack and model."""

    def follow(self, key: Key, sleepers: Sequence[Sleeper]) -> None:
        """From now on these are all the models of the stack that are asked about."""
        self._sleepers.pop(key, None)
        if sleepers:
            self._sleepers[key] = tuple(sleepers)
        names = {sleeper.model for sleeper in sleepers}
        forgotten = [each for each in self._interests if each[0] == key and each[1] not in names]
        for each in forgotten:
            del self._interests[each]

    def wants(self, key: Key) -> Mapping[str, Want]:
        """By the model's name, of those of which something is known."""
        found = ((each.model, self._interests.get((key, each.model))) for each in self._sleepers.get(key, ()))
        return {model: interest.want for model, interest in found if interest and interest.want}

    def clear(self) -> None:
        self._sleepers.clear()
        self._interests.clear()

    async def run(self) -> None:
        """Looks again and again until it is cancelled."""
        async with self._fronts:
            while True:
                asked = await self.look()
                await asyncio.sleep(max(EVERY, asked / A_SECOND))

    async def look(self) -> int:
        """Once at every stack, side by side; how many fronts were asked."""
        now = datetime.now(UTC)
        pods = {key: self._listening(key, now) for key in self._sleepers}
        self._fronts.retain(frozenset(pod.uid for each in pods.values() for pod in each))
        await asyncio.gather(*(self._look_at(key, each) for key, each in pods.items()))
        return sum(map(len, pods.values()))

    async def _look_at(self, key: Key, pods: Sequence[Pod]) -> None:
        try:
            answers = await self._fronts.answers(pods)
        except Exception:
            logger.exception("a fault in the operator; only %s/%s is not asked about", *key)
            return
        before, now = self.wants(key), asyncio.get_running_loop().time()
        for sleeper in self._sleepers.get(key, ()):
            interest = self._interests.get((key, sleeper.model))
            silent = len(pods) - len(answers)
            self._interests[key, sleeper.model] = looked(interest, sleeper, answers, silent, now)
        if self.wants(key) != before:
            self._on_change({key})

    def _listening(self, key: Key, now: datetime) -> list[Pod]:
        """One that is leaving finishes what it has begun, and has no longer for it than its grace."""
        pods = self._store.observed(key).pods.values()
        there = [pod for pod in pods if pod.component == GATEWAY and pod.address]
        return [pod for pod in there if (now < pod.ends + OVERDUE if pod.ends else pod.ready)]


def read_counts(text: str) -> Counts:
    """ValueError where a loader says something else."""
    said = orjson.loads(text)
    if not isinstance(said, dict) or not all(isinstance(value, int) for value in said.values()):
        raise ValueError("no numbers by name")
    return said
