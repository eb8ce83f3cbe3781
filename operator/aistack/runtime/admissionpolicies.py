"""Keeps the API server's own policies as the AIPolicies say, for as long as this process leads.

Level-triggered like the reconciler: it looks at what is there, applies what differs, deletes what nobody asks
for any more. The AIPolicy owns what was made of it, so that it also goes with it while no controller runs.
Where the cluster's own policies aren't wanted (any more), what is left of them is only told: the controller
then has no right to change them.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

from aistack.errors import ApiError, Conflict, NotFound, NotLeader, Refused
from aistack.govern.admissionpolicy import LABELS, admission_policies, object_name
from aistack.govern.exceptions import next_change
from aistack.kinds import ADMISSION_KINDS, AIPOLICY, Kind, Manifest
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
        there = {item["metadata"]["name"]: item for item in await self._made(kind)}
        for manifest in wanted:
            found = there.pop(manifest["metadata"]["name"], None)
            if found is None or not _holds(found, manifest):
                await self._apply(kind, manifest, found)
        for policy in self._store.unreadable:
            there.pop(object_name(policy.metadata), None)
        for left in there.values():
            with suppress(NotFound):
                await self._kube.delete(kind, "", left["metadata"]["name"], uid=left["metadata"]["uid"])

    async def _made(self, kind: Kind) -> list[Manifest]:
        """What was made of AIPolicies, its labels or its owner taken away or not."""
        return [item async for page in self._kube.pages(kind) for item in page.items if _is_ours(item)]

    async def _apply(self, kind: Kind, manifest: Manifest, found: Manifest | None) -> None:
        """One that the API server doesn't take holds up no other: the webhook judges by all of them."""
        uid = found["metadata"]["uid"] if found else None
        try:
            written = await self._kube.apply(manifest, uid=uid, manager=FIELD_MANAGER)
            if not _holds(written, manifest):  # what others added is theirs: an apply leaves it
                name, spec = manifest["metadata"]["name"], manifest["spec"]
                await self._kube.replace_spec(kind, "", name, uid=written["metadata"]["uid"], spec=spec)
        except (Refused, Conflict) as error:
            logger.warning("%s %s is left out: %s", manifest["kind"], manifest["metadata"]["name"], error)

    async def tell_of_leftovers(self) -> None:
        """Warns once of what stands there from a time when it was wanted: nobody keeps it true."""
        try:
            left = [item["metadata"]["name"] for kind in ADMISSION_KINDS for item in await self._made(kind)]
        except ApiError as error:
            logger.debug("the API server's own policies can't be listed: %s", error)
            return
        if left:
            logger.warning(
                "admissionPolicies is off, and the API server still holds what was made of AIPolicies: %s; "
                "remove it with `kubectl delete %s --selector=%s`",
                ", ".join(sorted(set(left))),
                ",".join(kind.plural for kind in ADMISSION_KINDS),
                SELECTOR,
            )


def _is_ours(item: Manifest) -> bool:
    metadata = item["metadata"]
    owners = {owner["kind"] for owner in metadata.get("ownerReferences", ())}
    return AIPOLICY.kind in owners or LABELS.items() <= metadata.get("labels", {}).items()


def _holds(there: Manifest, wanted: Manifest) -> bool:
    """Whether the spec is what is wanted and nothing else, and the metadata that and maybe more."""
    known, metadata = there["metadata"], wanted["metadata"]
    return bool(
        there["spec"] == wanted["spec"]
        and metadata["labels"].items() <= known.get("labels", {}).items()
        and metadata["ownerReferences"] == known.get("ownerReferences")
    )
