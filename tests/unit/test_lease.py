"""Who leads: processes that share a stand-in for the API server's Lease, in virtual time."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest

from aistack.errors import Conflict, NotFound, NotLeader, Unavailable
from aistack.kinds import Kind, Manifest
from aistack.kube import WatchEvent
from aistack.runtime.lease import Lease, Timing
from tests.virtual_time import in_virtual_time

T = Timing()
DOWN = Unavailable(503, "ServiceUnavailable", "no answer")


class Server:
    """Keeps one Lease as the API server does: a write needs the newest resourceVersion."""

    def __init__(self) -> None:
        self.lease: Manifest = {}
        self.changed = asyncio.Condition()
        self.versions = itertools.count(1)
        self.reads = 0

    async def store(self, manifest: Manifest) -> Manifest:
        version = str(next(self.versions))
        self.lease = {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": version}}
        async with self.changed:
            self.changed.notify_all()
        return self.lease

    @property
    def holder(self) -> str:
        return str(self.lease.get("spec", {}).get("holderIdentity", ""))


class Client:
    """One process's way to the server; `down` cuts it off."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.down = False

    async def get(self, _kind: Kind, _namespace: str, _name: str) -> Manifest:
        self._reach()
        self.server.reads += 1
        if not self.server.lease:
            raise NotFound(404, "NotFound", "no lease")
        return self.server.lease

    async def create(self, _kind: Kind, manifest: Manifest) -> Manifest:
        self._reach()
        if self.server.lease:
            raise Conflict(409, "AlreadyExists", "there is one")
        return await self.server.store(manifest)

    async def replace(self, _kind: Kind, manifest: Manifest) -> Manifest:
        self._reach()
        current = self.server.lease["metadata"]["resourceVersion"]
        if manifest["metadata"]["resourceVersion"] != current:
            raise Conflict(409, "Conflict", "not the newest")
        return await self.server.store(manifest)

    async def watch(
        self, _kind: Kind, resource_version: str, **_selectors: str
    ) -> AsyncGenerator[WatchEvent, None]:
        self._reach()
        while True:
            async with self.server.changed:
                while self.server.lease["metadata"]["resourceVersion"] == resource_version:
                    await self.server.changed.wait()
            resource_version = self.server.lease["metadata"]["resourceVersion"]
            yield WatchEvent("MODIFIED", self.server.lease)

    def _reach(self) -> None:
        if self.down:
            raise DOWN


class Candidate:
    """One process that wants to lead."""

    def __init__(self, server: Server, name: str, clock: Callable[[], float] | None = None) -> None:
        self.client = Client(server)
        self.leads = asyncio.Event()
        self.stopped = asyncio.Event()
        self.lease = Lease(
            self.client,  # type: ignore[arg-type]  # the four methods of Kube that a lease needs
            namespace="aistack-system",
            name="aistack-controller",
            identity=name,
            clock=asyncio.get_running_loop().time if clock is None else clock,
        )

    async def lead(self) -> None:
        self.leads.set()
        self.stopped.clear()
        try:
            await asyncio.Event().wait()
        finally:
            self.stopped.set()
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

    async def wait(self, event: asyncio.Event, seconds: float = 60.0) -> None:
        async with asyncio.timeout(seconds):
            await event.wait()


@in_virtual_time
async def test_nobody_may_write_before_the_lease_is_held() -> None:
    with pytest.raises(NotLeader, match="first does not hold the lease aistack-system/aistack-controller"):
        Candidate(Server(), "first").lease.check()


@in_virtual_time
async def test_the_first_leads_and_the_second_stands_by() -> None:
    server = Server()
    async with Candidate(server, "first").running() as first:
        await first.wait(first.leads)
        first.lease.check()
        async with Candidate(server, "second").running() as second:
            await asyncio.sleep(2 * T.duration)
            assert first.lease.is_held()
            assert not second.lease.is_held()
            assert server.holder == "first"


@in_virtual_time
async def test_a_standby_reads_once_and_then_only_watches() -> None:
    server = Server()
    async with Candidate(server, "first").running() as first:
        await first.wait(first.leads)
        reads = server.reads
        async with Candidate(server, "second").running():
            await asyncio.sleep(2 * T.duration)
            assert server.reads == reads + 1


@in_virtual_time
async def test_a_leader_that_ends_leaves_the_lease_to_the_standby_at_once() -> None:
    server = Server()
    async with AsyncExitStack() as ending:
        first = await ending.enter_async_context(Candidate(server, "first").running())
        await first.wait(first.leads)
        async with Candidate(server, "second").running() as second:
            await asyncio.sleep(T.renew)
            await ending.aclose()
            await second.wait(second.leads, 0.1)
            assert server.holder == "second"
            assert server.lease["spec"]["leaseTransitions"] == 1


@in_virtual_time
async def test_a_leader_that_is_cut_off_stops_before_another_one_starts() -> None:
    server = Server()
    async with Candidate(server, "first").running() as first:
        await first.wait(first.leads)
        async with Candidate(server, "second").running() as second:
            await asyncio.sleep(T.renew)
            first.client.down = True
            await first.wait(first.stopped)
            assert not first.lease.is_held()
            assert not second.leads.is_set(), "there is a time in which nobody writes"
            await second.wait(second.leads, T.duration)
            assert server.holder == "second"


@in_virtual_time
async def test_a_leader_that_was_cut_off_stands_by_when_it_is_back() -> None:
    server = Server()
    async with Candidate(server, "first").running() as first, Candidate(server, "second").running() as second:
        await first.wait(first.leads)
        first.client.down = True
        await second.wait(second.leads)
        first.client.down = False
        await asyncio.sleep(2 * T.duration)
        assert second.lease.is_held()
        assert not first.lease.is_held()


@in_virtual_time
async def test_a_short_trouble_costs_the_leader_nothing() -> None:
    server = Server()
    async with Candidate(server, "first").running() as first:
        await first.wait(first.leads)
        first.client.down = True
        await asyncio.sleep(T.deadline / 3)
        first.client.down = False
        await asyncio.sleep(T.deadline)
        assert first.lease.is_held()
        assert not first.stopped.is_set()


@in_virtual_time
async def test_an_answer_that_was_lost_does_not_lose_the_lease() -> None:
    server = Server()
    async with Candidate(server, "first").running() as first:
        await first.wait(first.leads)
        await server.store(server.lease)
        await asyncio.sleep(2 * T.deadline)
        assert first.lease.is_held()
        assert not first.stopped.is_set()


@in_virtual_time
async def test_a_lease_that_somebody_else_took_is_given_up_at_once() -> None:
    server = Server()
    async with Candidate(server, "first").running() as first:
        await first.wait(first.leads)
        await server.store({**server.lease, "spec": {**server.lease["spec"], "holderIdentity": "thief"}})
        await first.wait(first.stopped, T.renew + T.deadline / 2)
        assert not first.lease.is_held()


@in_virtual_time
async def test_a_process_that_did_not_run_for_a_while_knows_that_it_may_not_write() -> None:
    now = 0.0
    candidate = Candidate(Server(), "first", clock=lambda: now)
    async with candidate.running():
        await candidate.wait(candidate.leads)
        candidate.lease.check()
        now = T.deadline + 0.001
        with pytest.raises(NotLeader):
            candidate.lease.check()


@in_virtual_time
async def test_a_fault_of_the_work_ends_the_process_and_frees_the_lease() -> None:
    server = Server()

    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await Candidate(server, "first").lease.run(fail)
    assert server.holder == ""
