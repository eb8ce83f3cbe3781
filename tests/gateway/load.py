"""Clients that keep asking while a test changes what they ask."""

import asyncio
from collections import Counter

from tests.gateway.front import Front


class Load:
    """Each asks again and again, over a connection that it keeps."""

    def __init__(self, front: Front, clients: int = 8) -> None:
        self.statuses: Counter[int] = Counter()
        self.answered: Counter[str] = Counter()
        self._front = front
        self._ending = asyncio.Event()
        self._clients = [asyncio.create_task(self._ask()) for _ in range(clients)]

    async def _ask(self) -> None:
        while not self._ending.is_set():
            reply = await self._front.ask("chat")
            self.statuses[reply.status] += 1
            self.answered[reply.json.get("answered_by", reply.text)] += 1
            await asyncio.sleep(0.005)

    async def until(self, count: int) -> None:
        """Waits for that many further requests."""
        goal = self.statuses.total() + count
        await self._front.eventually(lambda: self.statuses.total() >= goal, f"{goal} requests")

    async def end(self) -> None:
        self._ending.set()
        await asyncio.gather(*self._clients)
