"""The queue as a stack runs it: its Redis, its pods, and the Service in front of them."""

import asyncio
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
from redis.asyncio import Redis

from aistack.render.gateway.neutral import neutral
from aistack.render.gateway.queue_pod import queue_arguments
from aistack.render.gateway.redis_pod import COUNTERS
from aistack.render.gateway.site import Site
from tests.gateway.front import HOST, ROOT, free_ports
from tests.gateway.intercepted import Memory
from tests.gateway.limiter import until_listening
from tests.stacks import resolved


class Pod:
    """One replica of the queue."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, status_port: int) -> None:
        self.process, self.port, self._status_port = process, port, status_port

    @property
    def runs(self) -> bool:
        return self.process.returncode is None

    async def held(self) -> int:
        """How many requests it holds, wherever they are."""
        lines = (line.split() for line in (await self.metrics()).splitlines())
        return sum(int(count) for name, count, *_ in lines if name.startswith("aistack_queue_requests{"))

    async def metrics(self) -> str:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{HOST}:{self._status_port}/metrics") as said,
        ):
            return await said.text()

    async def kill(self) -> None:
        """As if its node were lost."""
        self.process.kill()
        await self.process.wait()

    async def end(self) -> int:
        """As the kubelet ends it; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return await self.process.wait()


class QueuePods:
    """`port` is the Service's: a connection goes to a pod that takes it, to each in turn."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.memory = Memory(folder, COUNTERS)
        [self.port] = free_ports(1)
        self.pods: list[Pod] = []
        self._arguments: list[str] = []
        self._turn = 0
        self._service: asyncio.Server | None = None

    async def __aenter__(self) -> "QueuePods":
        await self.memory.start()
        self._service = await asyncio.start_server(self._connect, HOST, self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.clear()
        if self._service:
            self._service.close()
        await self.memory.stop()

    async def start(self, spec: Mapping[str, Any], site: Site, count: int = 1) -> list[Pod]:
        """Pods as this spec has them, with an empty line: those that run, where they are such ones."""
        arguments = queue_arguments(neutral(resolved(**spec).gateway), site)
        alike = arguments == self._arguments and len(self.pods) == count
        if alike and all(pod.runs for pod in self.pods) and not await self.held():
            await self._forget()
            return self.pods
        await self.clear()
        self._arguments = arguments
        for _ in range(count):
            await self.add()
        return self.pods

    async def add(self) -> Pod:
        """One more; returns once it listens."""
        port, status_port = free_ports(2)
        own = [f"--port={port}", f"--status-port={status_port}"]
        with (self.folder / f"{port}.log").open("w") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "queueing", *self._arguments, *own),
                cwd=ROOT / "services",
                stdout=log,
                stderr=log,
            )
        self.pods.append(Pod(process, port, status_port))
        await until_listening(port)
        return self.pods[-1]

    async def held(self) -> int:
        return sum([await pod.held() for pod in self.pods if pod.runs])

    async def written(self) -> bytes:
        """All that is in Redis: names and values."""
        async with Redis(host=HOST, port=self.memory.port) as redis:
            return b"\n".join([key + (await redis.dump(key) or b"") async for key in redis.scan_iter()])

    async def clear(self) -> None:
        """Ends all pods and forgets what they shared."""
        for pod in self.pods:
            if pod.runs:
                await pod.kill()
        self.pods.clear()
        await self._forget()

    async def _forget(self) -> None:
        async with Redis(host=HOST, port=self.memory.port) as redis:
            await redis.flushall()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in self.pods:
            self._turn += 1
            with suppress(ConnectionError):
                pod = self.pods[self._turn % len(self.pods)]
                there, back = await asyncio.open_connection(HOST, pod.port)
                await asyncio.gather(_copy(reader, back), _copy(there, writer))
                return
        writer.close()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Until either side has ended, abruptly or not."""
    with suppress(ConnectionError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    sink.close()
