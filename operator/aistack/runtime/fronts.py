"""Asks pods what they have counted; one that is silent delays nobody.

The gateways' replicas answer where their loaders do, the models' where vLLM does, on their pods' addresses:
the stack's NetworkPolicies let the operator in.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, Self, TypeVar

import aiohttp

from aistack.observed import Pod
from aistack.runtime.answers import text

PORT = 9902
"""Where loaders answer."""
AT_ONCE = 64
PATIENCE = aiohttp.ClientTimeout(total=2)
LARGEST = 16 * 1024 * 1024
"""Bytes of an answer: 50,000 series are some 8 MB."""
MOST_SKIPPED = 16
"""Looks for which one is left out that never answered when it was asked."""
T = TypeVar("T")


class Fronts(Generic[T]):
    """What pods say at `path`, as often as somebody wants to know; `read` raises ValueError where it is
    something else. Without a `port` it is the loaders'."""

    def __init__(self, path: str, read: Callable[[str], T], *, port: int | None = None) -> None:
        self._path = path
        self._port = port
        self._read = read
        self._places = asyncio.Semaphore(AT_ONCE)
        self._silences: dict[str, tuple[int, int]] = {}
        """By the pod's uid: how often it was silent, and how many looks it is left out for."""
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=PATIENCE)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def answers(self, pods: Sequence[Pod], *, urgent: bool = False) -> dict[str, T]:
        """By the pod's uid; of those that answer. Where it is `urgent` silent ones are always asked, too."""
        asked = [pod for pod in pods if self._is_due(pod) or urgent]
        answers = await asyncio.gather(*(self._answer(pod) for pod in asked))
        return {pod.uid: answer for pod, answer in zip(asked, answers, strict=True) if answer is not None}

    def retain(self, uids: frozenset[str]) -> None:
        """Forgets all other pods."""
        self._silences = {uid: silence for uid, silence in self._silences.items() if uid in uids}

    def _is_due(self, pod: Pod) -> bool:
        silences, skipped = self._silences.get(pod.uid, (0, 0))
        if skipped:
            self._silences[pod.uid] = silences, skipped - 1
        return not skipped

    async def _answer(self, pod: Pod) -> T | None:
        host = f"[{pod.address}]" if ":" in pod.address else pod.address
        try:
            # A pod that is not itself any more must not send the operator elsewhere.
            url = f"http://{host}:{self._port or PORT}{self._path}"
            asking = self._session.get(url, allow_redirects=False)
            async with self._places, asking as answer:
                said = self._read(await text(answer, largest=LARGEST))
        except (aiohttp.ClientError, TimeoutError, ValueError):
            silences = self._silences.get(pod.uid, (0, 0))[0] + 1
            self._silences[pod.uid] = silences, min(2**silences - 2, MOST_SKIPPED)
            return None
        self._silences.pop(pod.uid, None)
        return said
