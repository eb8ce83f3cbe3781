"""Keeps the store true: one list and one watch a kind.

A watch that ends is resumed where it ended; when that is too old, when the API server was away for a while,
and every `resync` seconds, the kind is listed again, and what vanished meanwhile is taken for deleted.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence, Set
from contextlib import aclosing, suppress

from aistack.errors import ApiError, Gone, NotFound
from aistack.kinds import (
    ACCELERATOR_CLASS,
    AIBUDGET,
    AIPOLICY,
    AISTACK,
    NAMESPACE,
    OPTIONAL_KINDS,
    OWN_KINDS,
    PRICE_BOOK,
    Kind,
    Manifest,
)
from aistack.kube import Kube, WatchEvent
from aistack.labels import STACK_LABEL
from aistack.runtime.backoff import delay
from aistack.runtime.queue import Priority
from aistack.runtime.store import Key, ObjectId, Store, identity

logger = logging.getLogger(__name__)

FIRST_RETRY = 0.2
LONGEST_RETRY = 30.0
"""Seconds."""
RESUMES = 2
"""After so many fruitless watches in a row a kind is not resumed but listed again."""

OF_ALL = (AIBUDGET, AIPOLICY, PRICE_BOOK, ACCELERATOR_CLASS)
"""The kinds of which one object concerns stacks of every namespace."""

OnChange = Callable[[Set[Key], Priority], None]
"""Told which stacks a change concerns."""


class Watches:
    """The streams of several kinds into one store. `resync` is in seconds."""

    def __init__(
        self, kube: Kube, store: Store, kinds: Sequence[Kind], on_change: OnChange, *, resync: float
    ) -> None:
        self._streams = [_Stream(kube, store, kind, on_change, resync) for kind in kinds]

    async def run(self) -> None:
        """Follows every kind until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for stream in self._streams:
                tasks.create_task(stream.run())

    async def synced(self) -> None:
        """Returns once every kind was listed."""
        for stream in self._streams:
            await stream.listed.wait()

    def look_again(self) -> None:
        """The cluster offers more or less than before: kinds that it didn't have are asked for at once."""
        for stream in self._streams:
            stream.look_again.set()

    def is_synced(self) -> bool:
        return all(stream.listed.is_set() for stream in self._streams)


class _Stream:
    def __init__(self, kube: Kube, store: Store, kind: Kind, on_change: OnChange, resync: float) -> None:
        self.listed = asyncio.Event()
        self.look_again = asyncio.Event()
        self._kube = kube
        self._store = store
        self._kind = kind
        self._selector = "" if kind in (*OWN_KINDS, NAMESPACE) else STACK_LABEL
        self._on_change = on_change
        self._resync = resync
        self._position = ""
        """The resourceVersion up to which everything was seen; empty when the kind must be listed."""
        self._fruitless = 0
        """Watches in a row that ended without a single event or bookmark."""

    async def run(self) -> None:
        while True:
            try:
                if not self._position:
                    await self._list()
                await self._watch()
            except Gone:
                logger.info("the watch of %s fell behind: listing again", self._kind.plural)
                self._position = ""
            except ApiError as error:
                if self._kind in OPTIONAL_KINDS and isinstance(error, NotFound):
                    await self._absent()
                    continue
                self._failed(error)
            self._fruitless += 1
            await asyncio.sleep(delay(self._fruitless, first=FIRST_RETRY, longest=LONGEST_RETRY))

    async def _absent(self) -> None:
        """The cluster doesn't have the kind: that is all there is to know of it, for a while."""
        self._position = ""
        self.listed.set()
        self.look_again.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._resync):
                await self.look_again.wait()

    def _failed(self, error: ApiError) -> None:
        level = logging.DEBUG if self._fruitless else logging.WARNING
        logger.log(level, "%s can't be watched, trying again: %s", self._kind.plural, error)
        if self._fruitless >= RESUMES:
            self._position = ""

    async def _list(self) -> None:
        listed: set[ObjectId] = set()
        position = ""
        async with aclosing(self._kube.pages(self._kind, label_selector=self._selector)) as pages:
            async for page in pages:
                for item in page.items:
                    listed.add(identity(item))
                    self._learn(self._store.update, item, Priority.BACKLOG)
                position = page.resource_version
        self._tell(self._store.retain(self._kind, listed, position), Priority.BACKLOG)
        self._position = position
        self.listed.set()

    async def _watch(self) -> None:
        """Until the stream ends, or until it is time to list again."""
        # A tenth of jitter, so that the kinds aren't listed at the same moment.
        seconds = self._resync * random.uniform(0.9, 1.1)  # noqa: S311 spreads load, guards nothing
        try:
            async with (
                asyncio.timeout(seconds),
                aclosing(
                    self._kube.watch(self._kind, self._position, label_selector=self._selector)
                ) as events,
            ):
                async for event in events:
                    self._take(event)
        except TimeoutError:
            self._position = ""

    def _take(self, event: WatchEvent) -> None:
        self._fruitless = 0
        priority = _priority(self._kind, event.object)
        if event.type == "DELETED":
            self._learn(self._store.remove, event.object, priority)
        elif event.type != "BOOKMARK":
            self._learn(self._store.update, event.object, priority)
        self._position = event.object["metadata"]["resourceVersion"]

    def _learn(self, change: Callable[[Manifest], Set[Key]], manifest: Manifest, priority: Priority) -> None:
        """Takes in one object; one that can't be understood must not hide the others."""
        try:
            self._tell(change(manifest), priority)
        except Exception:
            logger.exception("a fault in the operator: %s is overlooked", "/".join(identity(manifest)))

    def _tell(self, keys: Set[Key], priority: Priority) -> None:
        if keys:
            self._on_change(keys, priority)


def _priority(kind: Kind, changed: Manifest) -> Priority:
    if kind is AISTACK and _has_new_spec(changed):
        return Priority.CHANGED
    # It may concern thousands of stacks at once, which nobody but their turn waits for.
    return Priority.BACKLOG if kind in OF_ALL else Priority.OBSERVED


def _has_new_spec(stack: Manifest) -> bool:
    """Somebody waits for it; one whose status is for this very spec is mostly our own write's echo."""
    seen = stack.get("status", {}).get("observedGeneration", 0)
    return bool(seen < stack["metadata"].get("generation", 0))
