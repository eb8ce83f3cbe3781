"""An AIPolicy says how many stacks it is about and how many break it, once each of them was judged."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from aistack.errors import Refused
from aistack.kinds import Kind, Manifest
from aistack.kube import Kube
from aistack.runtime.metrics import PolicyResults
from aistack.runtime.policystatus import LOOK_SECONDS, tell_of_policies
from aistack.runtime.store import Store
from tests.rulebook import policy
from tests.stacks import stack
from tests.virtual_time import in_virtual_time


class Cluster(Kube):
    """Keeps what it is told of policies, and tells the store as a watch would."""

    def __init__(self) -> None:
        self.store = Store()
        self.written: list[tuple[str, Mapping[str, Any]]] = []
        self.version = 0

    def put(self, manifest: Manifest) -> None:
        self.version += 1
        meta = {"uid": f"uid-{manifest['metadata']['name']}", "resourceVersion": str(self.version)}
        self.store.update({**manifest, "metadata": {**manifest["metadata"], **meta}})

    async def replace_status(
        self, kind: Kind, namespace: str, name: str, *, uid: str, status: Mapping[str, Any], **_: Any
    ) -> Manifest:
        assert (kind.kind, namespace, uid) == ("AIPolicy", "", f"uid-{name}")
        self.written.append((name, status))
        if name == "refused":
            raise Refused(422, "Invalid", "metadata.name: is too long")
        self.put({**known(name), "status": status})
        return {}


def known(name: str) -> Manifest:
    made: Manifest = policy(name).model_dump(mode="json", by_alias=True, exclude_unset=True)
    return made


@in_virtual_time
async def test_each_policy_says_so_once_until_it_differs() -> None:
    cluster, results = Cluster(), PolicyResults()
    for name in ("baseline", "unused"):
        cluster.put(known(name))
    cluster.put(stack())
    waiting = {("care", "support")}
    telling = asyncio.create_task(tell_of_policies(cluster.store, results, cluster, lambda: not waiting))
    results.pass_over(("care", "support"))
    await asyncio.sleep(2.5 * LOOK_SECONDS)
    assert cluster.written == [], "the stack waits to be judged"
    waiting.clear()
    results.set(("care", "support"), {("baseline", "passed"): 2, ("baseline", "error"): 1})
    await asyncio.sleep(2 * LOOK_SECONDS)
    expected = [("baseline", {"stacks": 1, "violating": 1}), ("unused", {"stacks": 0, "violating": 0})]
    assert cluster.written == expected
    results.set(("care", "support"), {("baseline", "passed"): 2, ("baseline", "waived"): 1})
    await asyncio.sleep(2 * LOOK_SECONDS)
    assert cluster.written == [*expected, ("baseline", {"stacks": 1, "violating": 0})]
    telling.cancel()
    with suppress(asyncio.CancelledError):
        await telling


@in_virtual_time
async def test_one_of_which_nothing_can_be_told_keeps_the_others_from_nothing() -> None:
    cluster = Cluster()
    for name in ("refused", "unused"):
        cluster.put(known(name))
    telling = asyncio.create_task(tell_of_policies(cluster.store, PolicyResults(), cluster, lambda: True))
    await asyncio.sleep(1.5 * LOOK_SECONDS)
    assert [name for name, _ in cluster.written] == ["refused", "unused"]
    telling.cancel()
    with suppress(asyncio.CancelledError):
        await telling
