"""The queue's program."""

import argparse
import asyncio
import logging
import signal
import sys
import uuid
from contextlib import AsyncExitStack

import aiohttp
from aiohttp import web
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from queueing.line import Bounds, Line
from queueing.room import Room
from queueing.server import CONNECTS_WITHIN, Desk, status_application
from queueing.state import State

REDIS_PATIENCE = 2.0
"""Seconds."""


def main(arguments: list[str] | None = None) -> int:
    options = options_of(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(message)s")
    asyncio.run(serve(options))
    return 0


async def serve(options: argparse.Namespace) -> None:
    """Until SIGTERM; then those that wait are sent elsewhere, and those that are out may finish."""
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ending.set)
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(_redis(options.redis))
        bounds = Bounds(options.depth, options.least, options.most)
        room = Room(Line(redis, uuid.uuid4().hex, bounds), options.longest_wait)
        session = await stack.enter_async_context(_session())
        state = State()
        desk = Desk(room, state, session, options.front)
        stack.push_async_callback(room.close)
        stack.callback(asyncio.create_task(room.run()).cancel)
        requests = web.AppRunner(
            desk.application(),
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=options.drain_seconds,
        )
        await _listen(
            stack, web.AppRunner(status_application(room, state), access_log=None), options.status_port
        )
        await _listen(stack, requests, options.port)
        await ending.wait()
        room.end()


async def _listen(stack: AsyncExitStack, runner: web.AppRunner, port: int) -> None:
    """Its end waits for what is under way."""
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, port=port).start()


def _redis(address: str) -> Redis:
    """The line's steps are tried again by themselves."""
    host, _, port = address.rpartition(":")
    return Redis(
        host=host,
        port=int(port),
        socket_timeout=REDIS_PATIENCE,
        socket_connect_timeout=REDIS_PATIENCE,
        retry=Retry(NoBackoff(), 0),
    )


def _session() -> aiohttp.ClientSession:
    """A connection for each request: by its Service each may be another replica's of the front."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, force_close=True),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECTS_WITHIN),
        auto_decompress=False,
        skip_auto_headers=["accept", "accept-encoding", "content-type", "user-agent"],
    )


def options_of(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="queueing", description="Holds requests until a model can answer.")
    parser.add_argument("--redis", required=True, help="HOST:PORT of the line")
    parser.add_argument("--front", required=True, help="URL of the front, behind the clients")
    parser.add_argument("--depth", type=int, required=True, help="how many requests all pods may hold")
    parser.add_argument("--least", type=int, required=True, help="of them out at once while models fail")
    parser.add_argument("--most", type=int, required=True, help="of them out at once while models answer")
    parser.add_argument("--longest-wait", type=float, required=True, help="seconds")
    parser.add_argument(
        "--drain-seconds", type=float, default=3600, help="how long those that are out may take"
    )
    parser.add_argument("--port", type=int, default=8080, help="where the front asks")
    parser.add_argument("--status-port", type=int, default=9902, help="of /ready and /metrics")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
