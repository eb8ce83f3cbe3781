"""What the watches make of a stream that ends, breaks, falls behind or says nothing."""

import asyncio
from collections.abc import AsyncGenerator, Set
from contextlib import suppress
from typing import Any

import pytest

from aistack.errors import Gone, NotFound, Unavailable
from aistack.kinds import AIPOLICY, AISTACK, DEPLOYMENT, HTTP_ROUTE, Kind, Manifest
from aistack.kube import Page, WatchEvent
from aistack.labels import STACK_LABEL
from aistack.runtime import watches
from aistack.runtime.queue import Priority
from aistack.runtime.store import Key, Store
from aistack.runtime.watches import Watches
from tests.rulebook import policy

SUPPORT: Key = ("care", "support")
GONE = Gone(410, "Expired", "too old resource version")
BROKEN = Unavailable(0, "ConnectionBroken", "reset")

Step = list[Any]
"""The items of a list, or the events of a watch and perhaps the error that ends it."""


class Script:
    """Stands in for the API server: each list and each watch is the next one written down here."""

    def __init__(self, *steps: tuple[str, Step]) -> None:
        self.steps = list(steps)
        self.requests: list[tuple[str, str]] = []
        self.finished = asyncio.Event()

    async def pages(self, _kind: Kind, *, label_selector: str) -> AsyncGenerator[Page, None]:
        for item in await self._next("list", label_selector):
            if isinstance(item, Exception):
                raise item
            yield Page([item], item["metadata"]["resourceVersion"])
        yield Page([], "100")

    async def watch(
        self, _kind: Kind, resource_version: str, **_selectors: str
    ) -> AsyncGenerator[WatchEvent, None]:
        for item in await self._next("watch", resource_version):
            if isinstance(item, Exception):
                raise item
            yield item

    async def _next(self, verb: str, detail: str) -> Step:
        self.requests.append((verb, detail))
        if not self.steps:
            self.finished.set()
            await asyncio.Event().wait()
        expected, step = self.steps.pop(0)
        assert verb == expected, f"{verb} {detail}, where the script has a {expected}"
        return step


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "delay", lambda *_args, **_options: 0.0)


def stack(version: int, name: str = "support") -> Manifest:
    meta = {
        "name": name,
        "namespace": "care",
        "uid": f"uid-{name}",
        "resourceVersion": str(version),
        "generation": version,
    }
    return {"kind": "AIStack", "metadata": meta, "spec": {"version": version}}


def event(sort: str, obj: Manifest) -> WatchEvent:
    return WatchEvent(sort, obj)


def bookmark(version: int) -> WatchEvent:
    return WatchEvent("BOOKMARK", {"metadata": {"resourceVersion": str(version)}})


class Told:
    """Collects what the queue would be told."""

    def __init__(self) -> None:
        self.calls: list[tuple[Set[Key], Priority]] = []

    def __call__(self, keys: Set[Key], priority: Priority) -> None:
        self.calls.append((keys, priority))


async def play(
    script: Script, store: Store, kind: Kind = AISTACK, resync: float = 600
) -> tuple[Watches, Told]:
    """Follows one kind until the script is through."""
    told = Told()
    following = Watches(script, store, [kind], told, resync=resync)  # type: ignore[arg-type]  # two methods of Kube
    task = asyncio.create_task(following.run())
    async with asyncio.timeout(5):
        await script.finished.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return following, told


async def test_a_list_fills_the_store_and_the_watch_goes_on_from_there() -> None:
    store, script = Store(), Script(("list", [stack(5)]), ("watch", [event("MODIFIED", stack(101))]))
    following, told = await play(script, store)
    assert following.is_synced()
    assert script.requests[:3] == [("list", ""), ("watch", "100"), ("watch", "101")]
    assert told.calls == [({SUPPORT}, Priority.BACKLOG), ({SUPPORT}, Priority.CHANGED)]


async def test_the_echo_of_our_own_status_is_no_change_that_somebody_waits_for() -> None:
    echo = stack(101) | {"status": {"observedGeneration": 101}}
    _, told = await play(Script(("list", []), ("watch", [event("MODIFIED", echo)])), Store())
    assert told.calls == [({SUPPORT}, Priority.OBSERVED)]


async def test_a_policy_that_concerns_every_stack_lets_those_go_first_that_somebody_changed() -> None:
    store = Store()
    store.update(stack(5))
    changed = policy().dump() | {"kind": "AIPolicy"}
    changed["metadata"] = {**changed["metadata"], "uid": "uid-of-the-policy", "resourceVersion": "101"}
    _, told = await play(Script(("list", []), ("watch", [event("ADDED", changed)])), store, AIPOLICY)
    assert told.calls == [({SUPPORT}, Priority.BACKLOG)]
    assert store.rules_changed.is_set()


async def test_nothing_is_in_sync_before_the_first_list_is_through() -> None:
    script = Script()
    following, _ = await play(script, Store())
    assert not following.is_synced()


async def test_a_kind_that_the_cluster_lacks_is_in_sync_without_it_and_followed_once_it_is_there() -> None:
    missing = NotFound(404, "NotFound", "the server could not find the requested resource")
    script = Script(("list", [missing]), ("list", []))
    following = Watches(script, Store(), [HTTP_ROUTE], Told(), resync=600)  # type: ignore[arg-type]  # two methods of Kube
    running = asyncio.create_task(following.run())
    await following.synced()
    await asyncio.sleep(0.05)
    assert script.requests == [("list", STACK_LABEL)], "it is not asked for again and again"
    following.look_again()
    await asyncio.wait_for(script.finished.wait(), 5)
    assert script.requests[-1][0] == "watch"
    running.cancel()


async def test_a_kind_that_no_cluster_may_lack_is_waited_for() -> None:
    missing = NotFound(404, "NotFound", "the server could not find the requested resource")
    following, _ = await play(Script(("list", [missing]), ("list", [missing])), Store())
    assert not following.is_synced()


async def test_children_are_selected_by_label_and_tell_with_less_priority() -> None:
    store = Store()
    store.update(stack(1))
    child = {
        "kind": "Deployment",
        "metadata": {
            **stack(101)["metadata"],
            "name": "support-llama",
            "labels": {"aistack.dev/stack": "support"},
        },
    }
    script = Script(("list", []), ("watch", [event("ADDED", child)]))
    _, told = await play(script, store, DEPLOYMENT)
    assert script.requests[0] == ("list", "aistack.dev/stack")
    assert told.calls == [({SUPPORT}, Priority.OBSERVED)]


async def test_a_bookmark_moves_the_position_and_tells_nobody() -> None:
    script = Script(("list", []), ("watch", [bookmark(250)]))
    _, told = await play(script, Store())
    assert script.requests[-1] == ("watch", "250")
    assert told.calls == []


async def test_a_broken_stream_is_resumed_where_it_broke() -> None:
    script = Script(("list", []), ("watch", [event("ADDED", stack(120)), BROKEN]))
    await play(script, Store())
    assert script.requests[-1] == ("watch", "120")


async def test_a_watch_that_fell_behind_lists_again_and_a_missed_deletion_is_seen() -> None:
    store = Store()
    script = Script(
        ("list", [stack(5), stack(6, "sales")]),
        ("watch", [GONE]),
        ("list", [stack(6, "sales")]),
    )
    _, told = await play(script, store)
    assert store.stacks() == {("care", "sales")}
    assert told.calls[-1] == ({SUPPORT}, Priority.BACKLOG)


async def test_a_list_that_breaks_half_way_takes_nothing_for_deleted() -> None:
    store = Store()
    script = Script(("list", [stack(5)]), ("watch", [GONE]), ("list", [BROKEN]), ("list", [stack(5)]))
    _, told = await play(script, store)
    assert store.stacks() == {SUPPORT}
    assert told.calls == [({SUPPORT}, Priority.BACKLOG)]


async def test_an_api_server_that_was_away_for_long_is_listed_again() -> None:
    script = Script(("list", []), *[("watch", [BROKEN])] * (watches.RESUMES + 1), ("list", []))
    await play(script, Store())
    assert [verb for verb, _ in script.requests].count("list") == 2


async def test_a_deletion_in_the_stream_is_told() -> None:
    store = Store()
    script = Script(("list", [stack(5)]), ("watch", [event("DELETED", stack(130))]))
    _, told = await play(script, store)
    assert store.stacks() == set()
    assert told.calls[-1] == ({SUPPORT}, Priority.CHANGED)


async def test_a_resync_lists_again_and_tells_only_what_differs() -> None:
    class Silent(Script):
        async def _next(self, verb: str, detail: str) -> Step:
            if verb == "watch":
                self.requests.append((verb, detail))
                if not self.steps:
                    self.finished.set()
                await asyncio.Event().wait()
            return await super()._next(verb, detail)

    script = Silent(("list", [stack(5), stack(6, "sales")]), ("list", [stack(5), stack(9, "sales")]))
    _, told = await play(script, Store(), resync=0.01)
    assert told.calls[2:] == [({("care", "sales")}, Priority.BACKLOG)]


async def test_an_object_that_cannot_be_understood_does_not_hide_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store, strange = Store(), stack(7, "strange")
    strange["metadata"]["labels"] = ["no", "map"]
    script = Script(("list", [strange, stack(8)]), ("watch", [event("MODIFIED", stack(9))]))
    await play(script, store)
    assert store.stacks() == {SUPPORT}
    assert "AIStack/care/strange is overlooked" in caplog.text
