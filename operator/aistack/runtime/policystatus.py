"""Says in each AIPolicy's status how many stacks it is about, and how many of them break it."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from aistack.api.policies import PolicyStatus
from aistack.errors import ApiError, Conflict, NotFound, NotLeader, Refused
from aistack.kinds import AIPOLICY
from aistack.kube import Kube
from aistack.runtime.metrics import PolicyResults
from aistack.runtime.store import Store

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
NOBODY = PolicyStatus(stacks=0, violating=0)


async def tell_of_policies(
    store: Store, results: PolicyResults, kube: Kube, is_settled: Callable[[], bool]
) -> None:
    """Looks every few seconds, until it is cancelled; only what differs is written.

    `is_settled`: no stack waits to be judged anew, as they do after a restart or with a new policy.
    """
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            if is_settled() and results.cover(store.stacks()):
                await _tell(store, results, kube)
        except (ApiError, NotLeader) as error:
            logger.warning("what came of the policies could not be told, trying again: %s", error)


async def _tell(store: Store, results: PolicyResults, kube: Kube) -> None:
    found = results.statuses()
    for policy in store.policies(datetime.now(UTC)).policies:
        meta, status = policy.metadata, found.get(policy.metadata.name, NOBODY)
        if status != policy.status:
            with suppress(Conflict, NotFound, Refused):  # another policy by now, or nothing can be told of it
                await kube.replace_status(AIPOLICY, "", meta.name, uid=meta.uid, status=status.dump())
