"""The controller's small HTTP endpoint: /metrics for Prometheus, /healthz and /readyz for the kubelet."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from aistack.errors import SettingsError


@asynccontextmanager
async def endpoint(port: int, is_ready: Callable[[], bool]) -> AsyncIterator[int]:
    """Serves while the context is open and gives the port, which matters when `port` is 0.

    SettingsError when the port can't be had.
    """
    app = web.Application()
    app.router.add_get("/metrics", _metrics)
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/readyz", partial(_readyz, is_ready))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await _listen(runner, port)
        # Any port is another one for IPv4, whose addresses have two parts, and for IPv6, whose have four.
        yield min(runner.addresses, key=len)[1]
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, port: int) -> None:
    try:
        await web.TCPSite(runner, port=port).start()
    except OSError as error:
        message = (
            f"AISTACK_METRICS_PORT is {port}, and {error.strerror}; write a port that is free, or 0 for any"
        )
        raise SettingsError(message) from error


async def _metrics(_request: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _healthz(_request: web.Request) -> web.Response:
    """Answering at all shows that the event loop turns; a task that ended has ended the process."""
    return web.Response(text="ok\n")


async def _readyz(is_ready: Callable[[], bool], _request: web.Request) -> web.Response:
    if is_ready():
        return web.Response(text="ok\n")
    return web.Response(status=503, text="the caches are not filled yet\n")
