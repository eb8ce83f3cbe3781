"""`python -m bench.gateway`: what the gateway's front costs a request, beside bare Envoy and LiteLLM.

All of them stand before the same model, a stand-in in this process, and take turns. The front does all that
it can without another part: keys, limits, routing by the body's model, usage, log, metrics. The CPU is its
process' alone; what it adds to a request's time is over asking the model itself.
"""

import asyncio
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from bench.__main__ import ROOT, write
from bench.measure import Measure, of_rounds, quantile
from tests.gateway.adapter import installed
from tests.gateway.front import ENVOY, HOST, Front, free_ports
from tests.stacks import hosted

ROUNDS = 5
CLIENTS = 4
REQUESTS = {"direct": 2000, "bare": 2000, "front": 2000, "LiteLLM": 100}
"""In one round; LiteLLM takes a hundred times as long."""
MESSAGE = {"role": "user", "content": "x" * 1000}
KEY = "sk-bench"
USAGE = {"prompt_tokens": 250, "completion_tokens": 20, "total_tokens": 270}


@dataclass
class Arm:
    """One way to the model: where, whose CPU counts, and what was measured of it."""

    name: str
    url: str
    pid: int | None = None
    cpu: list[float] = field(default_factory=list)
    """Milliseconds a request, one number a round."""
    times: list[float] = field(default_factory=list)
    """Milliseconds of each request."""


@dataclass
class Model:
    """Answers as vLLM does: 1 KB whole, or a stream of 20 tokens and the usage."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if not body.get("stream"):
            message = {"role": "assistant", "content": "y" * 1000}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            return web.json_response({**_head("chat.completion"), "choices": [choice], "usage": USAGE})
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for _ in range(20):
            choice = {"index": 0, "delta": {"role": "assistant", "content": "y"}, "finish_reason": None}
            await response.write(_event({**_head("chat.completion.chunk"), "choices": [choice]}))
        await response.write(_event({**_head("chat.completion.chunk"), "choices": [], "usage": USAGE}))
        await response.write_eof(b"data: [DONE]\n\n")
        return response

    async def health(self, _: web.Request) -> web.Response:
        return web.Response()


def _head(sort: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": sort, "created": 1, "model": "chat"}


def _event(content: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(content)}\n\n".encode()


@asynccontextmanager
async def model() -> AsyncIterator[int]:
    """Its port."""
    app, serving = web.Application(), Model()
    app.router.add_post("/v1/chat/completions", serving.answer)
    app.router.add_get("/health", serving.health)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


@asynccontextmanager
async def front(port: int) -> AsyncIterator[Arm]:
    client = {"name": "web", "secretKeyRef": {"name": "keys", "key": "web"}, "requestsPerMinute": 10**9}
    route = {"name": "chat", "targets": [{"model": "llama"}], "limits": {"requestsPerMinute": 10**9}}
    async with Front({"llama": port}, {"clients/web": KEY}) as running:
        await running.start(
            {"models": [hosted("llama")], "gateway": {"routes": [route], "clients": [client]}}
        )
        yield Arm("front", f"http://{HOST}:{running.listen}", running.envoy.pid)


@asynccontextmanager
async def bare(port: int, folder: Path) -> AsyncIterator[Arm]:
    """Envoy with one route, and nothing else."""
    (listen,) = free_ports(1)
    config = folder / "bare.json"
    config.write_text(json.dumps(bare_configuration(listen, port)))
    argv = [str(ENVOY), "--config-path", str(config), "--concurrency", "2", "--log-level", "error"]
    async with _running([*argv, "--disable-hot-restart"], folder / "bare.log") as pid:
        yield Arm("bare", f"http://{HOST}:{listen}", pid)


def bare_configuration(listen: int, port: int) -> dict[str, Any]:
    def address(number: int) -> dict[str, Any]:
        return {"socket_address": {"address": HOST, "port_value": number}}

    http = "type.googleapis.com/envoy.extensions.filters"
    route = {"match": {"prefix": "/"}, "route": {"cluster": "model", "timeout": "0s"}}
    manager = {
        "@type": f"{http}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bare",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": f"{http}.http.router.v3.Router"}}],
    }
    listener = {
        "address": address(listen),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address(port)}}]}]
    cluster = {"name": "model", "load_assignment": {"cluster_name": "model", "endpoints": endpoints}}
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


@asynccontextmanager
async def litellm(port: int, folder: Path) -> AsyncIterator[Arm]:
    """LiteLLM of the version that a stack runs, in an environment of its own."""
    (listen,) = free_ports(1)
    there = {"model": "openai/chat", "api_base": f"http://{HOST}:{port}/v1", "api_key": "none"}
    config = folder / "litellm.yaml"
    config.write_text(json.dumps({"model_list": [{"model_name": "chat", "litellm_params": there}]}))
    argv = [str(installed()), "--config", str(config), "--host", HOST, "--port", str(listen)]
    told = {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOG": "ERROR",
        "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
    }
    async with _running([*argv, "--num_workers", "1"], folder / "litellm.log", told) as pid:
        yield Arm("LiteLLM", f"http://{HOST}:{listen}", pid)


@asynccontextmanager
async def _running(argv: list[str], log: Path, told: dict[str, str] | None = None) -> AsyncIterator[int]:
    with log.open("w") as output:
        process = await asyncio.create_subprocess_exec(
            *argv, stdout=output, stderr=output, env={**os.environ, **(told or {})}
        )
    try:
        yield process.pid
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def answering(arm: Arm, session: aiohttp.ClientSession) -> None:
    """Waits until it answers; LiteLLM takes half a minute to start."""
    async with asyncio.timeout(120):
        while True:
            try:
                return await _ask(arm, session, stream=False)
            except (aiohttp.ClientError, AssertionError):
                await asyncio.sleep(0.2)


async def _ask(arm: Arm, session: aiohttp.ClientSession, *, stream: bool) -> None:
    body = {"model": "chat", "messages": [MESSAGE], **({"stream": True} if stream else {})}
    headers = {"authorization": f"Bearer {KEY}"}
    async with session.post(f"{arm.url}/v1/chat/completions", json=body, headers=headers) as answer:
        text = await answer.text()
        assert answer.status == 200, text


async def round_of(arm: Arm, session: aiohttp.ClientSession, *, stream: bool) -> None:
    """Some clients that ask one request after the other."""
    count = REQUESTS[arm.name]

    async def client() -> None:
        for _ in range(count // CLIENTS):
            begun = time.perf_counter()
            await _ask(arm, session, stream=stream)
            arm.times.append((time.perf_counter() - begun) * 1000)

    before = cpu(arm.pid)
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    arm.cpu.append((cpu(arm.pid) - before) / count * 1000)


def cpu(pid: int | None) -> float:
    """Seconds that a process has computed, in the threads that it has: to the nanosecond, where a clock of a
    hundred ticks a second would be a tenth off (kernel.org/doc/html/latest/scheduler/sched-stats.html).
    """
    if pid is None:
        return 0.0
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


async def measured() -> list[Measure]:
    async with AsyncExitStack() as ending:
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="bench")))
        port = await ending.enter_async_context(model())
        session = await ending.enter_async_context(aiohttp.ClientSession())
        arms: list[Callable[[], Awaitable[Arm]]] = [
            lambda: ending.enter_async_context(bare(port, folder)),
            lambda: ending.enter_async_context(front(port)),
            lambda: ending.enter_async_context(litellm(port, folder)),
        ]
        running = [Arm("direct", f"http://{HOST}:{port}"), *[await arm() for arm in arms]]
        for arm in running:
            await answering(arm, session)
        return [each for stream in (False, True) for each in await _compared(running, session, stream)]


async def _compared(arms: list[Arm], session: aiohttp.ClientSession, stream: bool) -> list[Measure]:
    for arm in arms:
        await round_of(arm, session, stream=stream)  # warms up
        arm.cpu.clear()
        arm.times.clear()
    for _ in range(ROUNDS):
        for arm in arms:
            await round_of(arm, session, stream=stream)
    sort = "stream" if stream else "whole answer"
    direct, *gateways = arms
    by_name = {arm.name: arm for arm in gateways}
    over_bare = _ratios(by_name["front"], by_name["bare"])
    over_litellm = _ratios(by_name["front"], by_name["LiteLLM"])
    return [
        *(of_rounds(f"{sort}: CPU, {arm.name}", 1, arm.cpu, "ms") for arm in gateways),
        of_rounds(f"{sort}: CPU, front / bare", 1, over_bare, goal=2),
        of_rounds(f"{sort}: CPU, front / LiteLLM", 1, over_litellm, goal=0.05),
        *(
            Measure(
                f"{sort}: added, {arm.name}, {share:.0%} within",
                1,
                _added(quantile(arm.times, share), quantile(direct.times, share)),
                "ms",
                2 if (arm.name, share) == ("front", 0.99) else None,
            )
            for arm in gateways
            for share in (0.5, 0.99)
        ),
    ]


def _added(through: float, directly: float) -> float:
    """Less than nothing is noise: then this machine can't tell."""
    return through - directly if through >= directly else math.nan


def _ratios(one: Arm, other: Arm) -> list[float]:
    return [mine / theirs for mine, theirs in zip(one.cpu, other.cpu, strict=True)]


def main() -> int:
    load = os.getloadavg()[0]
    report = write(ROOT / "bench/results", asyncio.run(measured()), datetime.now(UTC), load)
    print(report.read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
