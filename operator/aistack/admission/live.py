"""A second look before a denial: the caches may lag behind what was just created."""

import asyncio
from dataclasses import replace

from aistack.admission.request import AdmissionRequest
from aistack.admission.review import Verdict, review
from aistack.api import AcceleratorClass
from aistack.catalog import Catalog
from aistack.errors import NotFound
from aistack.kinds import ACCELERATOR_CLASS
from aistack.kube import Kube

LOOK_UP_SECONDS = 3.0
"""The API server waits 5 s for the webhook."""


async def review_live(
    request: AdmissionRequest, catalog: Catalog, kube: Kube, operators: frozenset[str] = frozenset()
) -> Verdict:
    """`review`, but a class that the catalog doesn't have is asked for once before it counts as unknown.

    ApiError or TimeoutError when the API server doesn't say whether it exists.
    """
    verdict = review(request, catalog, operators)
    if not verdict.unknown_classes:
        return verdict
    async with asyncio.timeout(LOOK_UP_SECONDS):
        answers = await asyncio.gather(*(_look_up(kube, name) for name in sorted(verdict.unknown_classes)))
    found = {accelerator.metadata.name: accelerator for accelerator in answers if accelerator}
    if not found:
        return verdict
    known = {**catalog.accelerator_classes, **found}
    return review(request, replace(catalog, accelerator_classes=known), operators)


async def _look_up(kube: Kube, name: str) -> AcceleratorClass | None:
    try:
        return AcceleratorClass.parse(await kube.get(ACCELERATOR_CLASS, "", name))
    except NotFound:
        return None
