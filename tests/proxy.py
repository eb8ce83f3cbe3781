"""A line to a server that a test can cut or leave hanging, or to one of several that are alike."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


class Proxy:
    """Passes bytes on both ways, TLS and all, each connection to a server that takes it.

    It listens on `port` of 127.0.0.1.
    """

    def __init__(self, *servers: str) -> None:
        self._servers = [urlsplit(server) for server in servers]
        self._passes = asyncio.Event()
        self._passes.set()
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Future[None]] = set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def hang(self) -> None:
        """From now on nothing passes, and nobody is told."""
        self._passes.clear()

    def go_on(self) -> None:
        """What was held back passes too."""
        self._passes.set()

    def cut(self) -> None:
        """Breaks every connection; new ones are accepted."""
        for writer in self._open:
            writer.transport.abort()

    async def close(self) -> None:
        """Ends what is left of every connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.cut()
        # What was aborted is closed in the loop's next turn.
        await asyncio.sleep(0)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        task = asyncio.ensure_future(self._connect(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = [writer]
        try:
            far_reader, far_writer = await self._reach()
            ends.append(far_writer)
            self._open.add(far_writer)
            await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))
        finally:
            self._open.difference_update(ends)
            for end in ends:
                end.transport.abort()

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The first of the servers, in any order, that takes a connection."""
        *others, last = random.sample(self._servers, len(self._servers))
        for server in others:
            with suppress(OSError):
                return await asyncio.open_connection(server.hostname, server.port)
        return await asyncio.open_connection(last.hostname, last.port)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                await self._passes.wait()
                writer.write(data)
                await writer.drain()
        writer.transport.abort()


@asynccontextmanager
async def proxy(*servers: str) -> AsyncIterator[Proxy]:
    """A proxy in front of servers, as `https://127.0.0.1:6443`."""
    line = Proxy(*servers)
    listening = await asyncio.start_server(line.accept, "127.0.0.1", 0)
    line.port = listening.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        listening.close()
        await line.close()
