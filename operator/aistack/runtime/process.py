"""The controller as a process. Kopf runs it: signals, the order of start and end, a shutdown that does end.

Nothing of Kopf works on the cluster: no peering, no events, no handlers of objects. What is left of it was
measured (1.45.2): five discovery requests at the start, none later, 5 MB.
"""

import asyncio
import gc
import logging
from itertools import repeat

import kopf

from aistack.connection import Connection, connect
from aistack.images import default_images, unpinned
from aistack.runtime import controller
from aistack.runtime.logs import set_up
from aistack.settings import Settings

logger = logging.getLogger(__name__)

SHUTDOWN_SECONDS = 20.0
"""After a signal the process ends within this time, whatever hangs; the kubelet's patience is 30."""

RETRY_SECONDS = 5.0
"""An API server that is away at the start is waited for, not given up."""


def run_controller(settings: Settings) -> None:
    """Runs until SIGTERM or SIGINT, or until a part of it fails; then that error is raised."""
    set_up(settings.log_format, settings.log_level)
    logging.getLogger("kopf").setLevel(logging.WARNING)
    if tags := unpinned(default_images()):
        logger.warning(
            "default images are pinned by tag only, and a tag can be moved: %s; "
            "`make pin-images` looks their digests up where a registry can be reached",
            ", ".join(tags),
        )
    process = _Process(settings, asyncio.run(connect(settings.kubeconfig)))
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(process.login)
    kopf.on.startup(registry=registry)(process.start)
    kopf.on.cleanup(registry=registry)(process.end)
    # What was imported stays: looking through it for garbage stopped everything for 60 ms, again and again.
    gc.freeze()
    kopf.run(registry=registry, standalone=True, clusterwide=True, stop_flag=process.stop)
    process.raise_failure()


class _Process:
    def __init__(self, settings: Settings, connection: Connection) -> None:
        self.stop = asyncio.Event()
        self._settings = settings
        self._connection = connection
        self._controller: asyncio.Task[None]

    async def login(self, **_: object) -> kopf.AiohttpSession:
        session = self._connection.session(await self._connection.headers())
        return kopf.AiohttpSession(server=self._connection.host, aiohttp_session=session)

    async def start(self, settings: kopf.OperatorSettings, **_: object) -> None:
        settings.posting.enabled = False
        settings.scanning.disabled = True
        settings.networking.error_backoffs = repeat(RETRY_SECONDS)
        settings.process.ultimate_exiting_timeout = SHUTDOWN_SECONDS
        self._controller = asyncio.create_task(controller.run(self._settings, self._connection))
        self._controller.add_done_callback(lambda _: self.stop.set())

    async def end(self, **_: object) -> None:
        self._controller.cancel()
        await asyncio.wait([self._controller])

    def raise_failure(self) -> None:
        if not self._controller.cancelled():
            self._controller.result()
