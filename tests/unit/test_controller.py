"""How the controller treats a stack's run: its trouble stays with it, and what it wrote is known at once."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import pytest

from aistack.api import AIPolicy, AIPolicyException
from aistack.catalog import Catalog
from aistack.errors import NotLeader, Unavailable
from aistack.kinds import AISTACK, Kind, Manifest
from aistack.kube import Kube, Page, WatchEvent
from aistack.observed import Observed
from aistack.platform import Platform
from aistack.reconciler import Outcome
from aistack.runtime import controller
from aistack.runtime.controller import Controller
from aistack.runtime.store import Store
from aistack.settings import read_settings
from tests.rulebook import exception, policy
from tests.virtual_time import in_virtual_time

READY = Outcome(ready=True, reason="Ready")
Run = Callable[[Manifest, Observed, Catalog], Awaitable[Outcome]]


class Cluster:
    """Stands in for the API server: it holds these objects; nothing happens unless `tell` says so."""

    def __init__(self, *objects: Manifest, groups: frozenset[str] = frozenset()) -> None:
        self.objects = objects
        self._groups = groups
        self._events: asyncio.Queue[WatchEvent] = asyncio.Queue()

    def tell(self, sort: str, stack: Manifest) -> None:
        self._events.put_nowait(WatchEvent(sort, stack))

    async def groups(self) -> frozenset[str]:
        return self._groups

    async def pages(self, kind: Kind, **_selectors: str) -> AsyncGenerator[Page, None]:
        yield Page([item for item in self.objects if item["kind"] == kind.kind], "100")

    async def replace_status(self, *_policy: str, **_status: object) -> Manifest:
        return {}

    async def watch(self, kind: Kind, _version: str, **_selectors: str) -> AsyncGenerator[WatchEvent, None]:
        if kind is not AISTACK:
            await asyncio.Event().wait()
        while True:
            yield await self._events.get()


def stack(name: str, version: int = 1, **meta: str) -> Manifest:
    metadata = {"name": name, "namespace": "care", "uid": f"uid-{name}", "generation": version}
    return {"kind": "AIStack", "metadata": {**metadata, "resourceVersion": str(version), **meta}, "spec": {}}


async def led(monkeypatch: pytest.MonkeyPatch, cluster: Cluster, run: Run, seconds: float) -> None:
    """Leads for so long, with `run` in the place of the reconciler."""

    async def reconcile(
        raw: Manifest, observed: Observed, platform: Platform, _kube: Kube, _now: datetime, **_: object
    ) -> Outcome:
        return await run(raw, observed, platform.catalog)

    monkeypatch.setattr(controller, "reconcile", reconcile)
    program = Controller(cluster, Store(), read_settings({}))  # type: ignore[arg-type]  # four methods of Kube
    tasks = [asyncio.create_task(program.follow()), asyncio.create_task(program.lead())]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class Runs:
    """Counts the runs of each stack, and answers with what the test says."""

    def __init__(self, answer: Callable[[str], Outcome] = lambda _: READY) -> None:
        self.names: list[str] = []
        self.observed: list[Observed] = []
        self.catalogs: list[Catalog] = []
        self._answer = answer

    async def __call__(self, raw: Manifest, observed: Observed, catalog: Catalog) -> Outcome:
        self.names.append(raw["metadata"]["name"])
        self.observed.append(observed)
        self.catalogs.append(catalog)
        return self._answer(raw["metadata"]["name"])


@in_virtual_time
async def test_who_begins_to_lead_looks_at_every_stack_once(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs()
    await led(monkeypatch, Cluster(stack("a"), stack("b")), runs, 300)
    assert sorted(runs.names) == ["a", "b"]


@in_virtual_time
async def test_a_fault_in_one_stack_is_tried_again_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(name: str) -> Outcome:
        if name == "bad":
            raise KeyError("a fault")
        return READY

    runs = Runs(answer)
    await led(monkeypatch, Cluster(stack("bad"), stack("good")), runs, 60)
    assert runs.names.count("good") == 1
    assert 5 <= runs.names.count("bad") <= 20, "it waits longer each time"
    assert "only this stack waits" in caplog.text
    assert "KeyError: 'a fault'" in caplog.text


@pytest.mark.parametrize(
    "error",
    [
        Unavailable(503, "ServiceUnavailable", "no answer"),
        Unavailable(429, "TooManyRequests", "busy", retry_after=5),
        NotLeader("another one leads"),
    ],
    ids=["503", "429", "not leader"],
)
def test_trouble_that_passes_is_tried_again_until_it_has_passed(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    left = [error, error]

    def answer(_name: str) -> Outcome:
        if left:
            raise left.pop()
        return READY

    runs = Runs(answer)
    in_virtual_time(led)(monkeypatch, Cluster(stack("a")), runs, 60)
    assert len(runs.names) == 3


@in_virtual_time
async def test_a_run_that_asks_to_come_back_does(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = [Outcome(ready=False, reason="Starting", retry_after=10.0), READY]
    runs = Runs(lambda _: outcomes.pop(0))
    await led(monkeypatch, Cluster(stack("a")), runs, 60)
    assert len(runs.names) == 2


@in_virtual_time
async def test_a_stack_that_is_being_deleted_is_left_to_garbage_collection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs = Runs()
    await led(monkeypatch, Cluster(stack("a", deletionTimestamp="2026-11-01T00:00:00Z")), runs, 60)
    assert runs.names == []


@in_virtual_time
async def test_what_the_cluster_can_do_reaches_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs()
    groups = frozenset({"apps", "metrics.k8s.io"})
    await led(monkeypatch, Cluster(stack("a"), groups=groups), runs, 10)
    assert runs.catalogs[0].abilities.resource_metrics
    assert not runs.catalogs[0].abilities.custom_metrics


@in_virtual_time
async def test_a_stack_that_appears_later_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster, runs = Cluster(stack("a")), Runs()
    asyncio.get_running_loop().call_later(5, cluster.tell, "ADDED", stack("b", 101))
    asyncio.get_running_loop().call_later(10, cluster.tell, "DELETED", stack("b", 102))
    await led(monkeypatch, cluster, runs, 60)
    assert runs.names == ["a", "b"]


class Clock(datetime):
    """The last minutes of a day, and what the loop's clock has added to them."""

    START = datetime(2027, 12, 1, 23, 50, tzinfo=UTC)

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "Clock":
        return cls.fromtimestamp(cls.START.timestamp() + asyncio.get_running_loop().time(), tz)


def known(rules: AIPolicy | AIPolicyException) -> Manifest:
    """As the API server would list it."""
    found: dict[str, Any] = rules.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return {**found, "metadata": {**found["metadata"], "uid": "uid-rules", "resourceVersion": "1"}}


MIDNIGHT, ENDS = datetime(2027, 12, 2, tzinfo=UTC), datetime(2027, 12, 1, 23, 54, tzinfo=UTC)
BEGINS = known(policy(effectiveFrom="2027-12-02"))


@pytest.mark.parametrize(
    ("objects", "dates"),
    [
        ((), ()),
        ((BEGINS,), (MIDNIGHT,)),
        ((BEGINS, known(exception(expiresAt="2027-12-01T23:54:00Z"))), (ENDS, MIDNIGHT)),
        ((BEGINS, known(exception(expiresAt="2027-12-15T23:54:00Z"))), (ENDS, MIDNIGHT)),
    ],
    ids=["without policies", "the day a policy begins", "an exception ends", "14 days before it ends"],
)
def test_a_date_has_every_stack_looked_at_again_within_its_bound(
    monkeypatch: pytest.MonkeyPatch, objects: tuple[Manifest, ...], dates: tuple[datetime, ...]
) -> None:
    seen: list[datetime] = []

    async def look(_raw: Manifest, _observed: Observed, _catalog: Catalog) -> Outcome:
        seen.append(Clock.now(UTC))
        return READY

    monkeypatch.setattr(controller, "datetime", Clock)
    in_virtual_time(led)(monkeypatch, Cluster(stack("a"), *objects), look, 1200)
    bound = timedelta(seconds=controller.DATES_SECONDS + 1)
    assert len(seen) == 1 + len(dates)
    assert all(date <= at <= date + bound for date, at in zip(dates, seen[1:], strict=True))
