"""Brings the records of a stack to what they have to say: written where that has changed, and only then."""

import logging
from datetime import datetime

from aistack import apply
from aistack.api.stack import AIStackStatus, InventoryItem, RecordsStatus
from aistack.errors import NotFound
from aistack.kinds import AISTACK
from aistack.kube import Kube
from aistack.observed import Observed
from aistack.records import Content, config_map_name, records
from aistack.resolved import StackRef
from aistack.units import timestamp

logger = logging.getLogger(__name__)


async def recorded(
    content: Content, before: AIStackStatus, observed: Observed, kube: Kube, now: datetime
) -> RecordsStatus | None:
    """What policies found and what it costs, written where that has changed; nothing waits for it."""
    earlier = before.records
    if before.inventory and not content.runs:
        return earlier
    if not (content.verdict.results or observed.children):
        return None
    says = content.digest
    current = earlier is not None and earlier.digest == says
    if earlier and current and apply.stands(earlier.objects, observed):
        return earlier
    told = RecordsStatus(
        config_map=config_map_name(content.ref) if content.runs else None,
        digest=says,
        since=earlier.since if earlier and current else timestamp(now),
        objects=earlier.objects if earlier else (),
    )
    objects = await _written_records(content, told, observed, kube)
    if objects is None:
        return earlier
    return told.model_copy(update={"objects": objects}) if objects else None


async def _written_records(
    content: Content, told: RecordsStatus, observed: Observed, kube: Kube
) -> tuple[InventoryItem, ...] | None:
    """None where they could not be written; what was there before then counts for what is there."""
    manifests = records(content, datetime.fromisoformat(told.since))
    decided = apply.plan(content.ref, manifests, told.objects, observed)
    if decided.anew and not await still_there(content.ref, kube):
        return None
    applied = await apply.execute(content.ref, decided, kube)
    for failure in applied.failures:
        logger.warning("the records are not written: %s", failure.message)
    await apply.prune(content.ref, decided, applied, kube, rerouted=True)
    return None if applied.failures else applied.inventory


async def still_there(stack: StackRef, kube: Kube) -> bool:
    """A deleted stack takes its children with it, and the watch of their kind may be the first to tell."""
    try:
        found = await kube.get(AISTACK, stack.namespace, stack.name)
    except NotFound:
        return False
    return found["metadata"]["uid"] == stack.uid and "deletionTimestamp" not in found["metadata"]
