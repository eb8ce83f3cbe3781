"""One replica of the front as it runs in its pod: rendered files, mounted Secrets, the loader, Envoy."""

import asyncio
import inspect
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp

from aistack.api.stack import RouteStatus
from aistack.balance import shared_out
from aistack.catalog import Traces
from aistack.cost.prices import NO_PRICES, Prices
from aistack.platform import with_prices
from aistack.render.gateway.clusters import provider_name
from aistack.render.gateway.envoy import extension
from aistack.render.gateway.front import front_files
from aistack.render.gateway.front_pod import envoy_arguments, loader
from aistack.render.gateway.neutral import neutral
from aistack.render.gateway.provider import Address
from aistack.render.gateway.site import Site
from aistack.render.gateway.workload import digest
from aistack.restraint import Hold, Restraint, restrained
from loader.envoy import Admin
from tests.controlplane.components import free_port
from tests.stacks import resolved

ROOT = Path(__file__).parents[2]
ENVOY = Path(sys.executable).with_name("envoy")
HOST = "127.0.0.1"
ZONE = ZoneInfo("Europe/Berlin")
"""Where months begin."""


def managed(name: str, endpoint: str, *, key: str | None = None, **fields: Any) -> dict[str, Any]:
    """A model of an OpenAI-compatible provider; `key` is the name of a key in the Secret `keys`."""
    credentials = {"credentials": {"secretKeyRef": {"name": "keys", "key": key}}} if key else {}
    provider = {"provider": "openaiCompatible", "endpoint": endpoint, "model": f"acme/{name}-large"}
    return {"name": name, "managed": {**provider, **credentials, **fields}}


def key_file(model: Mapping[str, Any]) -> str:
    """Where the key of a managed model is mounted."""
    [found] = neutral(resolved(models=[model]).gateway).direct
    return f"providers/{found.name}/{provider_name(found)}"


@dataclass
class Reply:
    status: int
    headers: Mapping[str, str]
    text: str
    json: Any


@dataclass
class Front:
    """`ports` says where each self-hosted model and each provider's host listens; `keys` are the mounted
    Secrets' files by path."""

    ports: Mapping[str, int]
    keys: Mapping[str, str] = field(default_factory=dict)
    trusted_ca: Path | None = None
    adapter_port: int = 0
    ratelimit_port: int = 0
    cache_port: int = 0
    queue_port: int = 0
    redis_port: int = 0
    names_port: int = 0
    """Where a DNS server knows the models' Services; without it each is one replica on HOST."""
    drain_seconds: float = 10
    annotations: dict[str, str] = field(default_factory=dict)
    """The stack's."""
    restraint: Restraint | None = None
    """What a budget does to the next configuration that is mounted."""
    exhausted: Mapping[str, str] = field(default_factory=dict)
    """Whose money is spent by then, and until when."""
    traces: Traces | None = None
    """Where spans go."""
    shares: Sequence[RouteStatus] = ()
    """How its requests are shared out, by what was measured."""
    prices: Prices = NO_PRICES
    """By what it counts money."""

    async def __aenter__(self) -> "Front":
        # not pytest's folder: the path of a socket in it has to be short
        self._folder = tempfile.TemporaryDirectory(prefix="front", dir="/tmp")
        self.folder = Path(self._folder.name)
        (self.folder / "live").mkdir()
        self.listen, self.inner, self._probe, self.loader_port = free_ports(4)
        self._mounts = 0
        self.session = aiohttp.ClientSession(f"http://{HOST}:{self.listen}")
        self._processes: list[asyncio.subprocess.Process] = []
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()
        for process in reversed(self._processes):
            if process.returncode is None:
                process.kill()
                await process.wait()
        self._folder.cleanup()

    @property
    def site(self) -> Site:
        return Site(
            listen=Address(HOST, self.listen),
            inner=Address(HOST, self.inner),
            probe=Address(HOST, self._probe),
            config=str(self.folder / "config" / "..data"),
            live=str(self.folder / "live"),
            trusted_ca=str(self.trusted_ca or "/etc/ssl/certs/ca-certificates.crt"),
            adapter_address=lambda _: Address(HOST, self.adapter_port),
            ratelimit_address=lambda _: Address(HOST, self.ratelimit_port),
            front_address=lambda _: Address(HOST, self.inner),
            queue_address=lambda _: Address(HOST, self.queue_port),
            redis_address=lambda _: Address(HOST, self.redis_port),
            cache_address=lambda _: Address(HOST, self.cache_port),
            model_address=lambda model: Address(
                model.name if self.names_port else HOST, self.ports[model.name]
            ),
            provider_address=lambda provider: Address(HOST, self.ports[provider.address.host]),
        )

    async def start(self, spec: Mapping[str, Any]) -> None:
        """Mounts the stack's configuration and starts the pod; returns once it is ready."""
        self.mount(spec)
        self.mount_keys(self.keys)
        await self.launch(spec)
        await self.until_ready()

    async def launch(self, spec: Mapping[str, Any]) -> None:
        """Starts the pod's containers on what is mounted."""
        prepared = await self._run_loader("prepare")
        assert await prepared.wait() == 0, self.log("prepare")
        await self._start_envoy(spec)
        await self._start_loader()

    async def restart_envoy(self, spec: Mapping[str, Any]) -> None:
        """What the kubelet does when Envoy's container fails."""
        self.envoy.kill()
        await self.envoy.wait()
        await self._start_envoy(spec)

    async def restart_loader(self) -> None:
        """The same with the loader's."""
        self.loader.kill()
        await self.loader.wait()
        await self._start_loader()
        await self.until_ready()

    def mount(self, spec: Mapping[str, Any], **replaced: str) -> str:
        """What the kubelet does with a changed ConfigMap; returns the configuration's version."""
        shared = shared_out(resolved(**spec), self.shares)
        stack = restrained(shared, Hold(self.restraint, self.exhausted), self.prices)
        stack = with_prices(stack, self.prices, ZONE)
        stack = replace(stack, gateway=replace(stack.gateway, traces=self.traces))
        gateway = neutral(stack.gateway, self.annotations)
        self._loader_arguments = loader(gateway, with_keys=True)["args"]
        files = {**front_files(gateway, self.site), **replaced}
        version = digest(files)
        self._swap("config", {**files, "version": version})
        return version

    def mount_keys(self, keys: Mapping[str, str]) -> None:
        """The same with changed Secrets: `clients/<client>`, and what `key_file` says."""
        self._swap("keys", keys)

    async def change(self, spec: Mapping[str, Any]) -> None:
        """Mounts another configuration and returns once the loader says that it is live."""
        await self.until_live(self.mount(spec))

    async def until_live(self, version: str) -> None:
        await self.eventually(
            lambda: self._report(lambda report: report["live"] == version), f"{version} is live"
        )

    async def until_ready(self) -> None:
        await self.eventually(lambda: self._report(lambda report: bool(report["live"])), "something is live")

    async def until_problem(self, words: str) -> str:
        """Waits until the loader reports a problem with these words, and returns it."""
        report = await self.eventually(
            lambda: self._report(lambda report: words in report["problem"]), f"a problem with {words!r}"
        )
        return str(report["problem"])

    async def until_well(self) -> None:
        """Waits until the loader reports no problem any more."""
        await self.eventually(
            lambda: self._report(lambda report: not report["problem"]), "no problem is reported"
        )

    async def status(self, path: str) -> tuple[int, Any]:
        """What the loader answers to a probe."""
        async with self.session.get(f"http://{HOST}:{self.loader_port}{path}") as answer:
            text = await answer.text()
            return answer.status, await answer.json() if text.startswith("{") else text

    async def under_way(self, count: int) -> bool:
        """Whether Envoy has that many requests that it has not answered yet."""
        active = "http.gateway.downstream_rq_active"
        admin = Admin(self.folder / "live" / "admin.sock")
        return await asyncio.to_thread(admin.stats, [active]) == {active: str(count)}

    async def is_alive(self) -> bool:
        """What the kubelet learns when it asks Envoy."""
        async with self.session.get(f"http://{HOST}:{self._probe}/") as answer:
            return answer.status == 200

    async def ask(self, model: str | None, path: str = "/v1/chat/completions", **options: Any) -> Reply:
        """Asks as a client would. `key` is the client's; `raw` replaces the body; the rest goes into it."""
        key, headers, raw = options.pop("key", None), options.pop("headers", {}), options.pop("raw", None)
        body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], **options}
        if key:
            headers = {**headers, "authorization": f"Bearer {key}"}
        sent = {"data": raw} if raw is not None else {"json": body}
        async with self.session.post(path, headers=headers, **sent) as answer:
            text = await answer.text()
            is_json = answer.content_type == "application/json"
            return Reply(answer.status, answer.headers, text, await answer.json() if is_json else None)

    async def leave(self, model: str, *, after: int, **options: Any) -> None:
        """Asks for a stream as a client that goes when it has so many bytes."""
        key, headers = options.pop("key", None), {}
        if key:
            headers["authorization"] = f"Bearer {key}"
        body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "stream": True, **options}
        async with self.session.post("/v1/chat/completions", json=body, headers=headers) as answer:
            assert answer.status == 200
            await answer.content.readexactly(after)
            answer.close()

    async def answered_by(self, model: str, **options: Any) -> str:
        reply = await self.ask(model, **options)
        assert reply.status == 200, (reply.status, reply.text)
        return str(reply.json["answered_by"])

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    async def logged(self, **fields: Any) -> Any:
        """The last line of Envoy's access log with these fields, once it is written."""

        def find() -> dict[str, Any]:
            lines = [json.loads(line) for line in self.log("envoy").splitlines() if line.startswith("{")]
            return next((line for line in reversed(lines) if fields.items() <= line.items()), {})

        return await self.eventually(find, f"a line of the log has {fields}")

    async def eventually(
        self,
        find: Callable[[], Any],
        what: str,
        seconds: float = 20,
        tolerated: type[Exception] = TimeoutError,
    ) -> Any:
        """What `find`, a function or coroutine function, returns once that is true."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with suppress(tolerated):
                found = find()
                if inspect.isawaitable(found):
                    found = await found
                if found:
                    return found
            await asyncio.sleep(0.02)
        raise AssertionError(f"not in {seconds} s: {what}; {self.log('run')}{self.log('envoy')}")

    async def _report(self, holds: Callable[[Any], bool]) -> Any:
        """The loader's report, if it holds."""
        assert self.envoy.returncode is None, self.log("envoy")
        try:
            report = (await self.status("/live"))[1]
        except aiohttp.ClientConnectionError:
            return None
        return report if holds(report) else None

    def _swap(self, mount: str, files: Mapping[str, str]) -> None:
        """A new folder, then the link `..data` moved onto it, as the kubelet does."""
        self._mounts += 1
        content = self.folder / mount / f"..{self._mounts}"
        for name, text in files.items():
            (content / name).parent.mkdir(parents=True, exist_ok=True)
            (content / name).write_text(text)
        content.mkdir(parents=True, exist_ok=True)
        link = self.folder / mount / "..new"
        link.symlink_to(content.name)
        link.rename(self.folder / mount / "..data")

    async def _start_envoy(self, spec: Mapping[str, Any]) -> None:
        arguments = envoy_arguments(neutral(resolved(**spec).gateway), self.site)
        self.envoy = await self._run("envoy", [str(ENVOY), *arguments, *self._resolving()])

    def _resolving(self) -> list[str]:
        """The node's resolver, which Envoy would find in the node's files."""
        if not self.names_port:
            return []
        server = {"socket_address": {"protocol": "UDP", "address": HOST, "port_value": self.names_port}}
        resolver = extension(
            "envoy.network.dns_resolver.cares",
            "network.dns_resolver.cares.v3.CaresDnsResolverConfig",
            resolvers=[server],
        )
        return ["--config-yaml", json.dumps({"typed_dns_resolver_config": resolver})]

    async def _start_loader(self) -> None:
        ours = [f"--port={self.loader_port}", "--leave-seconds=0.2", f"--drain-seconds={self.drain_seconds}"]
        self.loader = await self._run_loader(*self._loader_arguments, *ours)

    async def _run_loader(self, command: str, *arguments: str) -> asyncio.subprocess.Process:
        """Of an argument that stands twice the last one counts."""
        places = [f"--{name}={self.folder / name}" for name in ("config", "keys", "live")]
        return await self._run(command, [sys.executable, "-m", "loader", command, *arguments, *places])

    async def _run(self, name: str, arguments: list[str]) -> asyncio.subprocess.Process:
        with (self.folder / f"{name}.log").open("w") as log:
            process = await asyncio.create_subprocess_exec(
                *arguments, cwd=ROOT / "services", stdout=log, stderr=log
            )
        self._processes.append(process)
        return process


def free_ports(count: int) -> list[int]:
    """Ports that nobody else is given, however late they are listened on."""
    return [free_port() for _ in range(count)]
