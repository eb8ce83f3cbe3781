"""Who is told of what can't be read: one of which nothing can be told keeps nobody else waiting."""

import asyncio
from contextlib import suppress

from aistack.errors import Refused
from aistack.kinds import Kind, Manifest
from aistack.runtime.doubts import tell_of_doubts
from aistack.runtime.store import Store
from tests import budgets
from tests.budget_server import Server


class Cluster(Server):
    """An API server that takes no event about `b`."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:  # noqa: ARG002  events only
        name = manifest["involvedObject"]["name"]
        self.asked.append(name)
        if name == "b":
            raise Refused(422, "Invalid", "metadata.name: must be no more than 253 characters")
        return manifest


async def test_an_event_that_is_refused_is_not_tried_for_ever_and_the_others_are_told() -> None:
    store, cluster = Store(), Cluster()
    for version, name in enumerate("abc", 1):
        made = budgets.manifest(name, burst="10%")
        meta = {**made["metadata"], "uid": f"uid-{name}", "resourceVersion": str(version)}
        store.update({**made, "metadata": meta})
    telling = asyncio.create_task(tell_of_doubts(store, cluster))
    await asyncio.sleep(0)
    telling.cancel()
    with suppress(asyncio.CancelledError):
        await telling
    assert cluster.asked == ["a", "b", "c"]
