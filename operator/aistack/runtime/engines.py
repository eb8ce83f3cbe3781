"""Asks the replicas of self-hosted models what vLLM has counted, and how many requests wait for it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Self

from aistack.cost.assumptions import replica_digest
from aistack.observed import Pod
from aistack.resolved import ResolvedStack
from aistack.runtime.fronts import Fronts
from aistack.spending.throughput import Busy, Reading, Throughput, Throughputs, between, learned, read_engine

PORT = 8000


class Engines:
    """What each replica said last. It is not kept: after a restart the first look only begins a time.

    `longest` is how far two looks may lie apart for the time between them to say something.
    """

    def __init__(self, longest: timedelta) -> None:
        self._longest = longest
        self._fronts = Fronts("/metrics", read_engine, port=PORT)
        self._last: dict[str, Reading] = {}
        """By the pod's uid."""

    async def __aenter__(self) -> Self:
        await self._fronts.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._fronts.__aexit__()

    def retain(self, uids: frozenset[str]) -> None:
        """Forgets all other pods."""
        self._fronts.retain(uids)
        self._last = {uid: reading for uid, reading in self._last.items() if uid in uids}

    async def measured(
        self, known: Throughputs, stack: ResolvedStack, pods: Sequence[Pod], now: datetime
    ) -> Throughputs:
        """What is known of the stack's models after one look at their replicas."""
        newest = _newest_sets(pods)
        replicas = [
            pod for pod in pods if pod.ready and pod.address and newest.get(pod.part) == pod.replica_set
        ]
        busy: dict[str, list[Busy]] = {}
        for pod, reading in await self._read(replicas, now):
            before = self._last.get(pod.uid, reading)
            self._last[pod.uid] = reading
            if time := between(before, reading, self._longest):
                busy.setdefault(pod.part, []).append(time)
        found: dict[str, Throughput] = {}
        for model in stack.self_hosted:
            each = known.get(model.name)
            if times := busy.get(model.name):
                each = learned(each, replica_digest(model), newest[model.name], times)
            if each:
                found[model.name] = each
        return found

    async def _read(self, replicas: Sequence[Pod], now: datetime) -> list[tuple[Pod, Reading]]:
        said = await self._fronts.answers(replicas)
        return [(pod, Reading(now, said[pod.uid])) for pod in replicas if pod.uid in said]


def _newest_sets(pods: Sequence[Pod]) -> Mapping[str, str]:
    """Who made the newest replicas of each model: while they replace others, these are of the past."""
    models = sorted((pod for pod in pods if pod.component == "model"), key=lambda pod: pod.created)
    return {pod.part: pod.replica_set for pod in models}
