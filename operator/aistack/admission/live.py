"""A second look before a denial: the caches may lag behind what was just created."""

import asyncio
from dataclasses import replace

from aistack.admission.request import AdmissionRequest
from aistack.admission.review import Verdict, review
from aistack.api import AcceleratorClass
from aistack.errors import NotFound
from aistack.kinds import ACCELERATOR_CLASS, NAMESPACE
from aistack.kube import Kube
from aistack.platform import Platform

LOOK_UP_SECONDS = 3.0
"""The API server waits 5 s for the webhook."""


async def review_live(
    request: AdmissionRequest, platform: Platform, kube: Kube, operators: frozenset[str] = frozenset()
) -> Verdict:
    """`review`, but what the caches don't have is asked for once before it counts as unknown.

    That is the labels of the namespace, by which policies and budgets choose their stacks, and accelerator
    classes.
    ApiError or TimeoutError when the API server doesn't say whether they exist.
    """
    async with asyncio.timeout(LOOK_UP_SECONDS):
        policies, budgets, namespace = platform.policies, platform.budgets, request.namespace
        asked = policies.policies or budgets.budgets or platform.unreadable
        if asked and namespace and namespace not in policies.namespaces:
            labels = {namespace: await _labels(kube, namespace)}
            platform = replace(
                platform,
                policies=replace(policies, namespaces=labels),
                budgets=replace(budgets, namespaces=labels),
            )
        verdict = review(request, platform, operators)
        if not verdict.unknown_classes:
            return verdict
        answers = await asyncio.gather(*(_look_up(kube, name) for name in sorted(verdict.unknown_classes)))
    found = {accelerator.metadata.name: accelerator for accelerator in answers if accelerator}
    if not found:
        return verdict
    known = {**platform.catalog.accelerator_classes, **found}
    catalog = replace(platform.catalog, accelerator_classes=known)
    return review(request, replace(platform, catalog=catalog), operators)


async def _labels(kube: Kube, namespace: str) -> dict[str, str]:
    labels: dict[str, str] = (await kube.get(NAMESPACE, "", namespace))["metadata"].get("labels", {})
    return labels


async def _look_up(kube: Kube, name: str) -> AcceleratorClass | None:
    try:
        return AcceleratorClass.parse(await kube.get(ACCELERATOR_CLASS, "", name))
    except NotFound:
        return None
