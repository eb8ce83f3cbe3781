"""A proxy between the controller and the API server that lets requests fail as planned.

It ends TLS on both sides: the controller trusts it as the cluster's own, the API server takes it for the
controller. A plan names the n-th request of some kind and what becomes of it.
"""

import asyncio
import json
import os
import signal
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiohttp import web
from yarl import URL

from tests.controllers import GROUPS, USER
from tests.controlplane import ControlPlane
from tests.controlplane.certificates import write_private
from tests.controlplane.components import free_port
from tests.controlplane.objects import kubeconfig
from tests.controlplane.process import Process

HOST = "127.0.0.1"
LARGEST = 64 * 1024**2
"""Bytes of a body that is passed on."""
PASSED_ON = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
PASSED_BACK = ("Content-Type", "Retry-After")
VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class Fault(Enum):
    """What becomes of a request. The later ones reach the API server: only the answer is lost."""

    SERVER_ERROR = "500"
    TOO_MANY_REQUESTS = "429"
    CONFLICT = "409"
    RESET = "reset before it was sent"
    KILL = "controller killed before it was sent"
    LOST_ANSWER = "reset before the answer"
    HALF_ANSWER = "half the answer"
    HANG = "no answer"
    KILL_AFTER = "controller killed before the answer"


REACHES_SERVER = frozenset({Fault.LOST_ANSWER, Fault.HALF_ANSWER, Fault.HANG, Fault.KILL_AFTER})
ANSWERS = {
    Fault.SERVER_ERROR: (500, "InternalError"),
    Fault.TOO_MANY_REQUESTS: (429, "TooManyRequests"),
    Fault.CONFLICT: (409, "Conflict"),
}
GONE = {
    "type": "ERROR",
    "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old, as planned"},
}


@dataclass(frozen=True, slots=True)
class Call:
    """A request as the API server's audit log would name it."""

    verb: str
    resource: str
    subresource: str
    namespace: str
    name: str

    @property
    def is_write(self) -> bool:
        return self.verb in VERBS.values()


@dataclass
class Planned:
    """The fault of the n-th request that fits; an empty field fits all."""

    fault: Fault
    nth: int
    namespace: str = ""
    resource: str = ""
    verb: str = ""
    """A verb of the audit log; empty fits every write."""
    seen: int = 0

    def is_due(self, call: Call) -> bool:
        """Counts the request if it fits."""
        fits = (
            (call.verb == self.verb if self.verb else call.is_write)
            and self.namespace in ("", call.namespace)
            and self.resource in ("", call.resource)
        )
        self.seen += fits
        return fits and self.seen == self.nth

    @property
    def happened(self) -> bool:
        return self.seen >= self.nth


@dataclass(frozen=True)
class StatusWrite:
    """What the controller wrote as the status of a stack."""

    namespace: str
    status: dict[str, Any]


class Proxy:
    """Serves in a thread of its own; the public methods are for the test's thread."""

    def __init__(self, cluster: ControlPlane) -> None:
        self.plan: list[Planned] = []
        self.statuses: list[StatusWrite] = []
        """Every status that the controller wrote, in order."""
        self.victim: Process | None = None
        """Whom KILL and KILL_AFTER kill."""
        self._cluster = cluster
        self._port = free_port()
        self._loop = asyncio.new_event_loop()
        self._pumps: set[asyncio.Task[None]] = set()
        self._gone = False
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._upstream: aiohttp.ClientSession

    def kubeconfig(self, folder: Path) -> Path:
        """With it, a controller talks to the API server through this proxy."""
        path = folder / "proxied.kubeconfig"
        authority = self._cluster.authority
        config = kubeconfig(f"https://{HOST}:{self._port}", authority, authority.client(USER, GROUPS))
        write_private(path, json.dumps(config).encode())
        return path

    def cut_watches(self, *, gone: bool) -> None:
        """Ends every watch, without a word or with 410 Gone; nothing is listed or watched until `flow`."""
        self._call(self._cut, gone)

    def flow(self) -> None:
        self._call(self._flowing.set)

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        """Runs a function in the loop's thread, to its end."""

        async def called() -> None:
            function(*arguments)

        asyncio.run_coroutine_threadsafe(called(), self._loop).result(10)

    def _cut(self, gone: bool) -> None:
        self._gone = gone
        self._flowing.clear()
        for pump in self._pumps:
            pump.cancel()

    @contextmanager
    def serving(self, folder: Path) -> Iterator["Proxy"]:
        thread = threading.Thread(target=self._loop.run_forever)
        thread.start()
        runner = asyncio.run_coroutine_threadsafe(self._start(folder), self._loop).result(10)
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(self._stop(runner), self._loop).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    async def _start(self, folder: Path) -> web.AppRunner:
        authority = self._cluster.authority
        outward = ssl.create_default_context(cadata=authority.pair.certificate.decode())
        outward.load_cert_chain(*authority.client(USER, GROUPS).write(folder, "proxy-client"))
        inward = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        inward.load_cert_chain(*authority.serving(HOST).write(folder, "proxy"))
        connector = aiohttp.TCPConnector(ssl=outward, limit=0)
        self._upstream = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        app = web.Application(client_max_size=LARGEST)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, HOST, self._port, ssl_context=inward).start()
        return runner

    async def _stop(self, runner: web.AppRunner) -> None:
        await runner.cleanup()
        await self._upstream.close()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        call, body = named(request), await request.read()
        if call.verb in {"list", "watch"}:
            await self._flowing.wait()
        if call.verb == "watch":
            return await self._watch(request)
        if call.resource == "aistacks" and call.subresource == "status":
            self.statuses.append(StatusWrite(call.namespace, status_in(body)))
        due = [planned.fault for planned in self.plan if planned.is_due(call)]
        fault = due[0] if due else None
        if fault and fault not in REACHES_SERVER:
            return self._fail(request, fault)
        async with self._send(request, body) as answer:
            content = await answer.read()
        if fault:
            return await self._withhold(request, fault, answer, content)
        return web.Response(status=answer.status, headers=chosen(answer.headers, PASSED_BACK), body=content)

    def _send(self, request: web.Request, body: bytes) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        url = URL(f"{self._cluster.server}{request.raw_path}", encoded=True)
        headers = chosen(request.headers, PASSED_ON)
        patience = aiohttp.ClientTimeout(total=None)
        return self._upstream.request(
            request.method, url, data=body or None, headers=headers, timeout=patience
        )

    def _fail(self, request: web.Request, fault: Fault) -> web.Response:
        """Answers in the API server's place, or not at all."""
        if fault is Fault.KILL:
            self._kill()
        if fault in ANSWERS:
            code, reason = ANSWERS[fault]
            status = {"kind": "Status", "code": code, "reason": reason, "message": "as planned"}
            return web.json_response(status, status=code, headers={"Retry-After": "1"})
        return broken_off(request)

    async def _withhold(
        self, request: web.Request, fault: Fault, answer: aiohttp.ClientResponse, content: bytes
    ) -> web.StreamResponse:
        """The API server has done it; the controller never gets the whole answer."""
        if fault is Fault.KILL_AFTER:
            self._kill()
        if fault is Fault.HANG:
            await asyncio.Event().wait()
        if fault is Fault.HALF_ANSWER:
            response = web.StreamResponse(status=answer.status, headers={"Content-Length": str(len(content))})
            await response.prepare(request)
            await response.write(content[: len(content) // 2])
        return broken_off(request)

    def _kill(self) -> None:
        assert self.victim
        os.kill(self.victim.pid, signal.SIGKILL)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        async with self._send(request, b"") as answer:
            response = web.StreamResponse(status=answer.status, headers=chosen(answer.headers, PASSED_BACK))
            await response.prepare(request)
            pump = asyncio.ensure_future(copied(answer, response))
            self._pumps.add(pump)
            try:
                await asyncio.wait([pump])
            finally:
                self._pumps.discard(pump)
                pump.cancel()
            if pump.cancelled() and self._gone:
                await response.write(orjson.dumps(GONE) + b"\n")
            elif pump.cancelled():
                return broken_off(request)
            return response


async def copied(answer: aiohttp.ClientResponse, response: web.StreamResponse) -> None:
    async for chunk in answer.content.iter_any():
        await response.write(chunk)


def broken_off(request: web.Request) -> web.Response:
    """Ends the connection; nothing of the response is sent."""
    if request.transport:
        request.transport.abort()
    return web.Response()


def named(request: web.Request) -> Call:
    """Reads /api/v1/… and /apis/group/version/…, with or without a namespace, a name and a subresource."""
    steps = request.path.strip("/").split("/")
    steps = steps[2:] if steps[0] == "api" else steps[3:]
    namespace = ""
    if steps[:1] == ["namespaces"] and len(steps) > 2:
        namespace, steps = steps[1], steps[2:]
    resource, name, subresource = (*steps, "", "", "")[:3]
    verb = VERBS.get(request.method, "get" if name else "list")
    return Call("watch" if "watch" in request.query else verb, resource, subresource, namespace, name)


def status_in(body: bytes) -> dict[str, Any]:
    """The status that a JSON Patch writes."""
    written: dict[str, Any] = next(step["value"] for step in orjson.loads(body) if step["path"] == "/status")
    return written


def chosen(headers: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    return {name: headers[name] for name in names if name in headers}
