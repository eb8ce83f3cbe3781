"""From the moment in which a stack's children are ready to the moment in which the stack says so."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator

from aistack.connection import connect
from aistack.kinds import AISTACK, DEPLOYMENT, Kind, Manifest
from aistack.kube import Kube
from aistack.labels import STACK_LABEL
from bench.measure import Measure, quantile
from bench.raw import post
from bench.scene import PATIENCE, Scene, stacks

Moments = dict[str, float]
"""By a stack's name, on the monotonic clock."""


def readiness(scene: Scene, count: int) -> tuple[list[Measure], str]:
    """The whole control plane works, and kwok makes pods ready; also the stacks' namespace."""
    namespace = scene.namespace()
    with scene.controller():
        mark = scene.cluster.audit.mark()
        waits = asyncio.run(_waits(scene, namespace, count))
        requests = scene.settled(mark, at_least=count)
    status = [request for request in requests if request.subresource == "status"]
    reads = [request for request in requests if not request.is_write]
    return [
        Measure("ready: children → stack, half of the stacks within", count, quantile(waits, 0.5), "s"),
        Measure("ready: children → stack, 99 % within", count, quantile(waits, 0.99), "s", 1),
        Measure("ready: status writes a stack", count, len(status) / count, goal=3),
        Measure("ready: reads a stack", count, len(reads) / count, goal=0),
    ], namespace


async def _waits(scene: Scene, namespace: str, count: int) -> list[float]:
    """Seconds between both moments, for each stack."""
    manifests = stacks(namespace, count)
    async with Kube(await connect(str(scene.cluster.kubeconfig))) as kube, asyncio.timeout(PATIENCE):
        children = asyncio.create_task(_children_ready(kube, namespace, count))
        ready = asyncio.create_task(_stacks_ready(kube, namespace, count))
        await asyncio.to_thread(scene.send, list(map(post, manifests)))
        at, said = await children, await ready
    return [said[name] - at[name] for name in said]


async def _children_ready(kube: Kube, namespace: str, count: int) -> Moments:
    """When the last Deployment of each stack had its replicas: a model's and a gateway's."""
    available: defaultdict[str, Moments] = defaultdict(dict)
    async for deployment in _changes(kube, DEPLOYMENT, namespace):
        meta, status = deployment["metadata"], deployment.get("status", {})
        if status.get("availableReplicas", 0) == deployment["spec"]["replicas"]:
            available[meta["labels"][STACK_LABEL]].setdefault(meta["name"], time.monotonic())
        if sum(map(len, available.values())) == 2 * count:
            break
    return {name: max(moments.values()) for name, moments in available.items()}


async def _stacks_ready(kube: Kube, namespace: str, count: int) -> Moments:
    ready: Moments = {}
    async for stack in _changes(kube, AISTACK, namespace):
        conditions = stack.get("status", {}).get("conditions", ())
        if any(each["type"] == "Ready" and each["status"] == "True" for each in conditions):
            ready.setdefault(stack["metadata"]["name"], time.monotonic())
        if len(ready) == count:
            break
    return ready


async def _changes(kube: Kube, kind: Kind, namespace: str) -> AsyncIterator[Manifest]:
    """Every version of every object of a kind in a namespace that is empty at first."""
    async for event in kube.watch(kind, "", namespace=namespace):
        if event.type in {"ADDED", "MODIFIED"}:
            yield event.object
