"""The engine on the real API server: streams that break, deletions nobody told of, two who want to lead."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress

import pytest

from aistack.connection import Connection, connect
from aistack.errors import NotLeader
from aistack.kinds import AISTACK, CONFIG_MAP, LEASE, Kind, Manifest
from aistack.kube import Kube, WatchEvent
from aistack.labels import STACK_LABEL
from aistack.runtime.lease import Lease, Timing
from aistack.runtime.store import Key, Store
from aistack.runtime.watches import Watches
from tests.controlplane import ControlPlane
from tests.proxy import Proxy, proxy
from tests.stacks import stack

SHORT = Timing(duration=3.0, deadline=2.0, renew=0.5, retry=0.3, attempt=0.5)
PATIENCE = 30.0
"""Seconds."""


@pytest.fixture(autouse=True)
async def _connections_are_closed() -> AsyncIterator[None]:
    """aiohttp ends a TLS connection in the background, and asks for a quarter of a second to do it."""
    yield
    await asyncio.sleep(0.25)


@pytest.fixture
async def line(cluster: ControlPlane) -> AsyncIterator[Proxy]:
    """A connection that the test can cut."""
    async with proxy(cluster.server) as line:
        yield line


@asynccontextmanager
async def client(cluster: ControlPlane, line: Proxy | None = None) -> AsyncIterator[Kube]:
    connection: Connection = await connect(str(cluster.kubeconfig))
    if line:
        connection.host = line.url
    async with Kube(connection) as kube:
        yield kube


@asynccontextmanager
async def following(kube: Kube, *kinds: Kind) -> AsyncIterator[Store]:
    """A store that the watches of these kinds keep true; it is filled when this begins."""
    store = Store()
    watches = Watches(kube, store, kinds, lambda _keys, _priority: None, resync=600)
    task = asyncio.create_task(watches.run())
    try:
        async with asyncio.timeout(PATIENCE):
            await watches.synced()
        yield store
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def eventually(holds: Callable[[], object], what: str) -> None:
    for _ in range(int(PATIENCE / 0.05)):
        if holds():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"after {PATIENCE:.0f} s it is still not so that {what}")


def child(namespace: str, name: str) -> Manifest:
    meta = {"name": name, "namespace": namespace, "labels": {STACK_LABEL: "support"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}


def create_stack(cluster: ControlPlane, namespace: str) -> Key:
    manifest = stack()
    manifest["metadata"] = {"name": "support", "namespace": namespace}
    cluster.kubectl("create", "--filename=-", input=json.dumps(manifest))
    return namespace, "support"


def names(store: Store, key: Key) -> set[str]:
    return {name for _, name in store.observed(key).children}


async def test_the_store_follows_what_happens(cluster: ControlPlane, namespace: str) -> None:
    key = create_stack(cluster, namespace)
    async with client(cluster) as kube, following(kube, AISTACK, CONFIG_MAP) as store:
        assert key in store.stacks()
        created = await kube.create(CONFIG_MAP, child(namespace, "one"))
        await eventually(lambda: names(store, key) == {"one"}, "the child is seen")
        await kube.delete(CONFIG_MAP, namespace, "one", uid=created["metadata"]["uid"])
        await eventually(lambda: names(store, key) == set(), "its deletion is seen")


async def test_what_happens_while_the_line_is_cut_is_seen_after(
    cluster: ControlPlane, namespace: str, line: Proxy
) -> None:
    key = create_stack(cluster, namespace)
    async with client(cluster) as direct, client(cluster, line) as kube:
        old = await direct.create(CONFIG_MAP, child(namespace, "old"))
        async with following(kube, AISTACK, CONFIG_MAP) as store:
            line.hang()
            line.cut()
            await direct.delete(CONFIG_MAP, namespace, "old", uid=old["metadata"]["uid"])
            await direct.create(CONFIG_MAP, child(namespace, "new"))
            line.go_on()
            await eventually(lambda: names(store, key) == {"new"}, "nothing was lost")


class FallenBehind(Kube):
    """Asks its first watch of a kind for a version that the server has forgotten."""

    def __init__(self, connection: Connection, before: Callable[[], None]) -> None:
        super().__init__(connection)
        self._before: Callable[[], None] | None = before

    async def watch(
        self, kind: Kind, resource_version: str, **selectors: str
    ) -> AsyncGenerator[WatchEvent, None]:
        if self._before:
            self._before()
            self._before, resource_version = None, "1"
        async with aclosing(super().watch(kind, resource_version, **selectors)) as events:
            async for event in events:
                yield event


async def test_a_deletion_that_no_watch_told_of_is_seen_after_the_server_forgot(
    cluster: ControlPlane, namespace: str
) -> None:
    key = create_stack(cluster, namespace)

    def delete() -> None:
        cluster.kubectl("delete", "aistack", "support", f"--namespace={namespace}")

    connection = await connect(str(cluster.kubeconfig))
    async with FallenBehind(connection, delete) as kube, following(kube, AISTACK) as store:
        await eventually(lambda: key not in store.stacks(), "the stack is known to be gone")


async def test_nothing_is_asked_while_nothing_happens(cluster: ControlPlane) -> None:
    user = "idle-watcher"
    cluster.kubectl("create", "clusterrolebinding", user, "--clusterrole=cluster-admin", f"--user={user}")
    connection = await connect(str(cluster.kubeconfig_for(user)))
    async with Kube(connection) as kube, following(kube, AISTACK, CONFIG_MAP):
        await eventually(
            lambda: len(cluster.audit.requests(user=user, verb="watch")) >= 2, "both watches have begun"
        )
        mark = cluster.audit.mark()
        await asyncio.sleep(4)
        assert cluster.audit.requests(mark, user=user) == []


class Candidate:
    """One who wants to lead, and whether it does."""

    def __init__(self, kube: Kube, namespace: str, name: str) -> None:
        self.lease = Lease(kube, namespace=namespace, name="controller", identity=name, timing=SHORT)
        self.leads = asyncio.Event()

    async def lead(self) -> None:
        self.leads.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.leads.clear()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Candidate"]:
        task = asyncio.create_task(self.lease.run(self.lead))
        try:
            yield self
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_a_leader_whose_line_hangs_is_followed_by_the_standby_and_never_beside_it(
    cluster: ControlPlane, namespace: str, line: Proxy
) -> None:
    async with (
        client(cluster, line) as far,
        client(cluster) as near,
        Candidate(far, namespace, "first").running() as first,
    ):
        await eventually(first.leads.is_set, "the first leads")
        async with Candidate(near, namespace, "second").running() as second:
            await asyncio.sleep(SHORT.renew)
            line.hang()
            hung = asyncio.get_running_loop().time()
            await eventually(lambda: not first.lease.is_held(), "the first knows that it may not write")
            with pytest.raises(NotLeader):
                first.lease.check()
            assert not second.leads.is_set()
            await eventually(second.leads.is_set, "the second leads")
            assert asyncio.get_running_loop().time() - hung < SHORT.duration + 2
            line.go_on()
            await asyncio.sleep(2 * SHORT.duration)
            assert not first.lease.is_held(), "what was held back takes nothing away from the second"
            lease = await near.get(LEASE, namespace, "controller")
            assert lease["spec"]["holderIdentity"] == "second"


async def test_a_leader_that_ends_hands_over_at_once(cluster: ControlPlane, namespace: str) -> None:
    async with client(cluster) as kube, client(cluster) as other:
        async with Candidate(kube, namespace, "first").running() as first:
            await eventually(first.leads.is_set, "the first leads")
            second = Candidate(other, namespace, "second")
            waiting = asyncio.create_task(second.lease.run(second.lead))
            await asyncio.sleep(SHORT.renew)
        ended = asyncio.get_running_loop().time()
        await eventually(second.leads.is_set, "the second leads")
        took = asyncio.get_running_loop().time() - ended
        assert took < SHORT.duration - SHORT.renew, "it has not waited until the lease ran out"
        lease = await kube.get(LEASE, namespace, "controller")
        assert lease["spec"]["holderIdentity"] == "second"
        assert lease["spec"]["leaseTransitions"] == 1
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting


async def test_a_write_is_not_sent_without_the_lease(cluster: ControlPlane, namespace: str) -> None:
    async with client(cluster) as plain:
        lease = Lease(plain, namespace=namespace, name="controller", identity="first", timing=SHORT)
        connection = await connect(str(cluster.kubeconfig))
        mark = cluster.audit.mark()
        async with Kube(connection, before_write=lease.check) as fenced:
            with pytest.raises(NotLeader):
                await fenced.apply(child(namespace, "one"), uid=None)
        assert cluster.audit.requests(mark, namespace=namespace, resource="configmaps", verb="patch") == []
