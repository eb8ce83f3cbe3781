"""Asks the loaders in the fronts' pods what is live, until they have what they are to have.

They answer on their pods' addresses, where the stack's NetworkPolicy lets the operator's namespace in.
"""

import asyncio
from collections.abc import Callable, Sequence, Set
from itertools import count
from typing import Self

import aiohttp
import orjson

from aistack.observed import Awaited, Report
from aistack.runtime.answers import text
from aistack.runtime.backoff import delay
from aistack.runtime.store import Key

PORT = 9902
AT_ONCE = 64
PATIENCE = aiohttp.ClientTimeout(total=2)
LARGEST = 16 * 1024
"""Bytes of an answer: two versions and one sentence."""
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""Seconds from one question to the next."""


class Loaders:
    """`reports` holds, by the uid of its pod, what each loader that was asked said last; `on_report` is told
    which stack another answer concerns.

    Told by an annotation, a kubelet renews a mount within some two seconds. So a loader is asked for at least
    `patience` seconds: a key that it can't use may come last. One that has not answered by then is taken for
    one that can't be reached, and is not asked any more.
    """

    def __init__(self, on_report: Callable[[Set[Key]], None], *, patience: float) -> None:
        self.reports: dict[str, Report] = {}
        self._on_report = on_report
        self._patience = patience
        self._places = asyncio.Semaphore(AT_ONCE)
        self._questions: dict[Key, dict[Awaited, asyncio.Task[None]]] = {}
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=PATIENCE)
        return self

    async def __aexit__(self, *_: object) -> None:
        for key in list(self._questions):
            self.ask(key, ())
        await self._session.close()

    def ask(self, key: Key, awaited: Sequence[Awaited]) -> None:
        """From now on these are all the pods of the stack that are asked; of the others all is forgotten."""
        before, uids = self._questions.pop(key, {}), {question.uid for question in awaited}
        for question in before.keys() - set(awaited):
            before.pop(question).cancel()
            if question.uid not in uids:
                self.reports.pop(question.uid, None)
        if awaited:
            self._questions[key] = before
        for question in awaited:
            if question not in before:
                before[question] = asyncio.create_task(self._follow(key, question))

    async def _follow(self, key: Key, question: Awaited) -> None:
        """Ends when the version has been live for long enough, or when nobody has ever answered: a word once
        said stands."""
        clock = asyncio.get_running_loop().time
        began, answered = clock(), False
        for attempt in count(1):
            report = await self._report(question.address)
            answered = answered or report is not None
            patient = clock() - began <= self._patience
            if not answered and not patient:
                report = Report(live=question.version, silent=True)
            if report and report != self.reports.get(question.uid):
                self.reports[question.uid] = report
                self._on_report({key})
            if report and not patient and report.live == question.version and not report.problem:
                return
            await asyncio.sleep(delay(attempt, first=FIRST_WAIT, longest=LONGEST_WAIT))

    async def _report(self, address: str) -> Report | None:
        """What a loader says; None when it doesn't."""
        host = f"[{address}]" if ":" in address else address
        try:
            # A pod that is not itself any more must not send the operator elsewhere.
            asking = self._session.get(f"http://{host}:{PORT}/live", allow_redirects=False)
            async with self._places, asking as answer:
                said = orjson.loads(await text(answer, largest=LARGEST))
                return Report(live=said["live"], mounted=said["mounted"], problem=said["problem"])
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError):
            return None
