"""Keeps the API server's own policies as the AIPolicies say, for as long as this process leads.

Level-triggered like the reconciler: it looks at what is there, applies what differs, deletes what nobody asks
for any more. The AIPolicy owns what was made of it, so that it also goes with it while no controller runs.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from aistack.errors import ApiError, NotFound, NotLeader, Refused
from aistack.govern.admissionpolicy import LABELS, admission_policies, object_name
from aistack.govern.exceptions import next_change
from aistack.kinds import ADMISSION_KINDS, Kind, Manifest
from aistack.kube import Kube
from aistack.runtime.store import Store

logger = logging.getLogger(__name__)

FIELD_MANAGER = "aistack-policies"
SETTLE_SECONDS = 0.5
"""From the first change until it is looked at: policies come in swarms."""
RETRY_SECONDS = 5.0
SELECTOR = ",".join(f"{name}={value}" for name, value in LABELS.items())


class AdmissionPolicies:
    """What is compiled of the policies in `store`, in the cluster behind `kube`."""

    def __init__(self, kube: Kube, store: Store, *, resync: float) -> None:
        self._kube = kube
        self._store = store
        self._resync = resync

    async def run(self) -> None:
        """Looks whenever a policy or an exception changes, when one of them begins or ends, and every
        `resync` seconds, until it is cancelled."""
        while True:
            self._store.rules_changed.clear()
            pause = await self._look(datetime.now(UTC))
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._store.rules_changed.wait()
                    await asyncio.sleep(SETTLE_SECONDS)

    async def _look(self, now: datetime) -> float:
        """Brings all about; the seconds until there is reason to look again."""
        known = self._store.policies(now)
        wanted = admission_policies(known.policies, known.exceptions, now)
        try:
            for kind in ADMISSION_KINDS:
                await self._keep(kind, [each for each in wanted if each["kind"] == kind.kind])
        except (ApiError, NotLeader) as error:
            logger.warning("the API server's own policies can't be kept, trying again: %s", error)
            return RETRY_SECONDS
        return min(self._resync, (next_change(known.exceptions, now) - now).total_seconds())

    async def _keep(self, kind: Kind, wanted: Sequence[Manifest]) -> None:
        pages = self._kube.pages(kind, label_selector=SELECTOR)
        there = {item["metadata"]["name"]: item async for page in pages for item in page.items}
        for manifest in wanted:
            found = there.pop(manifest["metadata"]["name"], None)
            if found is None or not _holds(found, manifest):
                await self._apply(manifest, found)
        for policy in self._store.unreadable:
            there.pop(object_name(policy.metadata), None)
        for left in there.values():
            with suppress(NotFound):
                await self._kube.delete(kind, "", left["metadata"]["name"], uid=left["metadata"]["uid"])

    async def _apply(self, manifest: Manifest, found: Manifest | None) -> None:
        """One that the API server doesn't take holds up no other: the webhook judges by all of them."""
        uid = found["metadata"]["uid"] if found else None
        try:
            await self._kube.apply(manifest, uid=uid, manager=FIELD_MANAGER)
        except Refused as error:
            logger.warning("%s %s is left out: %s", manifest["kind"], manifest["metadata"]["name"], error)


def _holds(there: Any, wanted: Any) -> bool:
    """Whether all that is wanted is there; the API server adds defaults of its own."""
    if isinstance(wanted, dict):
        return isinstance(there, dict) and all(
            key in there and _holds(there[key], item) for key, item in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(there, list) and len(there) == len(wanted) and all(map(_holds, there, wanted))
    return bool(there == wanted)
