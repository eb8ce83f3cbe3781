"""A stack that is metered, and its budget, in a cluster that tests write by hand."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import pytest
from aiohttp import web

from aistack.accounts import Accounts
from aistack.api import AcceleratorClass
from aistack.budget import Budgets
from aistack.catalog import Catalog
from aistack.errors import Conflict, NotFound
from aistack.images import default_images
from aistack.kinds import CONFIG_MAP, Kind, Manifest
from aistack.labels import COMPONENT_LABEL, NAME_LABEL, STACK_LABEL
from aistack.platform import Platform
from aistack.runtime import fronts
from aistack.runtime.metering import Metering
from aistack.runtime.store import Key, Store
from tests.budget_server import Server
from tests.budgets import manifest
from tests.costs import SOURCE, managed, prices, route
from tests.stacks import accelerator_class, hosted, stack

START = datetime(2026, 11, 10, 12, tzinfo=UTC)
CREATED = START.isoformat()
CHAT: dict[str, Any] = {"models": [hosted(), managed()], "gateway": {"routes": [route(("gpt", 1))]}}


class Cluster(Server):
    """An API server that holds budgets and ConfigMaps."""

    def __init__(self, *budgets: Manifest) -> None:
        super().__init__(*budgets)
        self.maps: dict[tuple[str, str], Manifest] = {}
        self.refusing: Exception | None = None
        self.events: dict[str, str] = {}

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:  # noqa: ARG002  events only
        if manifest["metadata"]["name"] in self.events:
            raise Conflict(409, "AlreadyExists", "told before")
        self.events[manifest["metadata"]["name"]] = manifest["message"]
        return manifest

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        if kind is not CONFIG_MAP:
            return await super().get(kind, namespace, name)
        if (namespace, name) not in self.maps:
            raise NotFound(404, "NotFound", name)
        return self.maps[namespace, name]

    async def apply(self, manifest: Manifest, *, uid: str | None, manager: str = "") -> Manifest:  # noqa: ARG002  Kube's
        if self.refusing:
            raise self.refusing
        meta = manifest["metadata"]
        key, there = (meta["namespace"], meta["name"]), self.maps.get((meta["namespace"], meta["name"]))
        version = there["metadata"]["resourceVersion"] if there else None
        if version != (meta.get("resourceVersion") if uid else None):
            raise Conflict(409, "Conflict", "changed meanwhile")
        written = {"uid": f"uid-{meta['name']}", "resourceVersion": str(int(version or 0) + 1)}
        self.maps[key] = {**manifest, "metadata": {**meta, **written}}
        return self.maps[key]


@asynccontextmanager
async def serving(
    metrics: Callable[[web.Request], Awaitable[web.StreamResponse]],
    monkeypatch: pytest.MonkeyPatch,
    asking: ModuleType = fronts,
) -> AsyncIterator[None]:
    """Every gateway's pod is asked for its metrics here; or every model's, by `asking` its engines."""
    app = web.Application()
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    monkeypatch.setattr(asking, "PORT", runner.addresses[0][1])
    try:
        yield
    finally:
        await runner.cleanup()


class Front:
    """A gateway's pod: it says what it has counted, or nothing."""

    def __init__(self) -> None:
        self.tokens: int | None = 0
        self.asked = 0

    async def metrics(self, _: web.Request) -> web.Response:
        self.asked += 1
        if self.tokens is None:
            return web.Response(status=503)
        labels = 'client="web",route="chat",target="gpt"'
        return web.Response(text=f"aistack_prompt_tokens_total{{{labels}}} {self.tokens}\n")


def holding(name: str, count: int) -> Manifest:
    """A model's pod as it is rendered, as far as it says what it holds."""
    requests = {"cpu": "2", "memory": "8Gi", "nvidia.com/gpu": str(count)}
    resources = {"requests": requests, "limits": {"nvidia.com/gpu": str(count)}}
    return {"nodeSelector": {"gpu": name}, "containers": [{"name": "vllm", "resources": resources}]}


class World:
    """A cluster with one stack, its gateway's pod and its model's, and one process that meters it."""

    def __init__(self, **spec: Any) -> None:
        self.cluster = Cluster(manifest(limit="100", **spec))
        self.cluster.stored["care"]["metadata"]["creationTimestamp"] = CREATED
        self.prices = prices()
        self.classes: dict[str, AcceleratorClass] = {}
        self.offers("nvidia-l4", "0.80")
        self.store = Store()
        self.version = 0
        self.now = START
        self.told: list[Key] = []
        made = stack(**CHAT)
        self.has({**made, "metadata": {**made["metadata"], "creationTimestamp": CREATED}})
        self.has_pod("gateway", "gateway")
        self.restarts()

    def has(self, obj: Manifest) -> None:
        self.version += 1
        meta = {**obj["metadata"], "resourceVersion": str(self.version)}
        self.store.update({**obj, "metadata": meta})

    def has_pod(
        self,
        component: str,
        part: str,
        address: str = "127.0.0.1",
        *,
        ready: bool = False,
        accelerators: tuple[str, int] | None = None,
        started: str = "",
        **changed: Any,
    ) -> None:
        """`accelerators` are those that it holds, such as two of nvidia-l4; `started` is when its Envoy was;
        `changed` is its metadata."""
        labels = {STACK_LABEL: "support", COMPONENT_LABEL: component, NAME_LABEL: part}
        meta = {"name": f"support-{part}-1-x", "namespace": "care", "uid": f"uid-{part}", "labels": labels}
        meta |= {"creationTimestamp": self.now.isoformat(), **changed}
        conditions = [{"type": "Ready", "status": "True"}] if ready else []
        envoy = {"name": "envoy", "state": {"running": {"startedAt": started}} if started else {}}
        status = {"podIP": address, "phase": "Running", "conditions": conditions}
        status["initContainerStatuses"] = [envoy]
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "status": status}
        self.has({**pod, "spec": holding(*accelerators)} if accelerators else pod)

    def deletes(self) -> None:
        """The stack is gone, and its ConfigMap with it."""
        self.version += 1
        made = stack()
        self.store.remove({**made, "metadata": {**made["metadata"], "resourceVersion": str(self.version)}})
        self.cluster.maps.pop(("care", "support-spending"), None)

    def restarts(self) -> None:
        """Another process begins to lead, and knows nothing but what is kept."""
        self.accounts = Accounts(self.cluster, self.cluster.budgets, patience=90)
        self.metering = Metering(
            self.cluster,
            self.store,
            self.accounts,
            self.platform,
            self.told.extend,
            namespace="aistack-system",
            interval=60,
        )

    def offers(self, name: str, hourly: str) -> None:
        """A class of accelerators whose nodes say which they have."""
        made = accelerator_class(name)
        made["spec"]["price"] = {"onDemandHourly": hourly, "source": SOURCE, "asOf": "2026-11-01"}
        made["spec"]["nodeSelector"] = {"gpu": name}
        self.classes[name] = AcceleratorClass.parse(made)

    def platform(self, _: datetime) -> Platform:
        catalog = Catalog(default_images(), self.classes)
        counting = Budgets(tuple(self.cluster.budgets().values()))
        return Platform(catalog, self.prices, budgets=counting)

    async def looks(self, after: float = 1) -> Mapping[str, Any]:
        """The budget's status when so many minutes have passed."""
        self.now += timedelta(minutes=after)
        async with self.metering._fronts, self.metering._engines:
            await self.metering.look(self.now)
        status: Mapping[str, Any] = self.cluster.stored["care"]["status"]
        return status

    def edits(self, **fields: Any) -> None:
        """Somebody writes into the stack's book."""
        kept = self.cluster.maps["care", "support-spending"]
        book = {**json.loads(kept["data"]["spending.json"]), **fields}
        meta = {**kept["metadata"], "resourceVersion": str(int(kept["metadata"]["resourceVersion"]) + 1)}
        data = {"spending.json": json.dumps(book)}
        self.cluster.maps["care", "support-spending"] = {**kept, "metadata": meta, "data": data}

    def metered(self) -> tuple[str, str]:
        """Why the budget's sum is all, or is not."""
        conditions = self.cluster.stored["care"]["status"]["conditions"]
        found = next(item for item in conditions if item["type"] == "Metered")
        return found["reason"], found["message"]
