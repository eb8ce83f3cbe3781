"""Tells of budgets and policies that can't be read: an event on each."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

from aistack.api import API_VERSION
from aistack.errors import ApiError, Conflict, NotLeader, Refused
from aistack.events import warning
from aistack.kinds import EVENT
from aistack.kube import Kube
from aistack.runtime.store import Store
from aistack.unreadable import Unreadable

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0


async def tell_of_doubts(store: Store, kube: Kube) -> None:
    """Looks every few seconds, until it is cancelled; what was told is told again when it changes."""
    told: Mapping[str, str] = {}
    while True:
        unreadable = store.unreadable
        try:
            for each in unreadable:
                if told.get(each.metadata.uid) != each.problem.message:
                    await _tell(each, kube)
            told = {each.metadata.uid: each.problem.message for each in unreadable}
        except (ApiError, NotLeader) as error:
            logger.warning("what can't be read could not be told, trying again: %s", error)
        await asyncio.sleep(LOOK_SECONDS)


async def _tell(each: Unreadable, kube: Kube) -> None:
    meta = {"name": each.metadata.name, "uid": each.metadata.uid}
    about = {"apiVersion": API_VERSION, "kind": each.kind, "metadata": meta}
    with suppress(Conflict, Refused):  # told already, or never to be
        await kube.create(EVENT, warning(about, each.problem, datetime.now(UTC)))
