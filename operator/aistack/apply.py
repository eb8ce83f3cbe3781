"""Brings a stack's objects to what was rendered: writes what differs, removes what is gone.

`plan` decides, purely, from what was rendered, what was applied before and what is seen; `execute` writes,
`prune` deletes. An object is written when the digest of its rendering differs from the one applied, or when
the fields that we own are no longer the ones that we applied (somebody took one over: drift).
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from aistack.api import Reason
from aistack.api.stack import InventoryItem
from aistack.errors import ApiError, Conflict, NotFound, Refused
from aistack.kinds import AUTOSCALER, CHILD_KINDS, DEPLOYMENT, POD, Kind, Manifest, kind_of
from aistack.kube import Kube
from aistack.labels import COMPONENT_LABEL, NAME_LABEL, SYNC_ANNOTATION
from aistack.observed import Child, Failure, ObjectKey, Observed, PartKey, Pod, digest, is_ours, observe
from aistack.resolved import StackRef

logger = logging.getLogger(__name__)

REPLICAS_MANAGER = "aistack-replicas"
"""Owns `spec.replicas` from the moment we leave it out until the autoscaler writes it: without an owner,
server-side apply would reset it to 1."""


@dataclass(frozen=True, slots=True)
class Write:
    """One object to apply: over the one with this uid, or as a new one."""

    manifest: Manifest
    digest: str
    uid: str | None
    hand_over_replicas: int | None = None
    """The number of replicas to leave behind when an autoscaler is to own it from now on."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to write, part by part, each in the order of dependence; what to delete; what is fine."""

    writes: Mapping[PartKey, tuple[Write, ...]]
    deletions: tuple[Child, ...]
    unchanged: tuple[InventoryItem, ...]
    waiting: tuple[Failure, ...]
    """Objects that can't be written before an older one of the same name is gone."""
    anew: bool
    """Something that was applied has vanished and is to be made anew."""
    parts: frozenset[PartKey]
    """All that is rendered."""

    def prunable(self, *, rerouted: bool) -> tuple[Child, ...]:
        """What of the deletions need not wait.

        Until every front is `rerouted`, some may still call a part that is gone: it stays, but for what would
        scale it. What a part that goes on no longer has goes at once: an autoscaler would fight over the
        replicas, an Ingress would publish for longer than it has to.
        """
        return tuple(
            child
            for child in self.deletions
            if rerouted or child.kind == AUTOSCALER.kind or (child.component, child.part) in self.parts
        )


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of a plan."""

    inventory: tuple[InventoryItem, ...]
    failures: tuple[Failure, ...]
    written: tuple[Child, ...]


_ORDER = {kind.kind: position for position, kind in enumerate(CHILD_KINDS)}
_KINDS: Mapping[str, Kind] = {kind.kind: kind for kind in CHILD_KINDS}


def plan(
    stack: StackRef, manifests: Sequence[Manifest], inventory: Sequence[InventoryItem], observed: Observed
) -> Plan:
    """Compares what was rendered with what was applied and what is there."""
    applied = {(item.kind, item.name): item for item in inventory}
    writes: dict[PartKey, list[Write]] = defaultdict(list)
    unchanged: list[InventoryItem] = []
    waiting: list[Failure] = []
    floors = _autoscaled(manifests)
    for manifest in sorted(manifests, key=lambda item: _ORDER[item["kind"]]):
        key, wanted = _key(manifest), digest(manifest)
        child, before = observed.children.get(key), applied.get(key)
        handed_over = _handed_over(manifest, child, floors)
        if child and (child.deleting or not is_ours(child, stack.uid)):
            waiting.append(_occupied(manifest, child))
        elif (
            child
            and before
            and before.applied == wanted
            and before.owned == child.owned
            and handed_over is None
        ):
            unchanged.append(before)
        else:
            uid = child.uid if child else None
            writes[_part(manifest)].append(Write(manifest, wanted, uid, handed_over))
    kept = {_key(manifest) for manifest in manifests}
    gone = [
        child
        for key, child in observed.children.items()
        if key not in kept and child.owner_uid == stack.uid and not child.deleting
    ]
    return Plan(
        writes={part: tuple(steps) for part, steps in writes.items()},
        deletions=tuple(sorted(gone, key=lambda child: (-_ORDER[child.kind], child.name))),
        unchanged=tuple(unchanged),
        waiting=tuple(waiting),
        anew=any(key in applied and key not in observed.children for key in kept),
        parts=frozenset(_part(manifest) for manifest in manifests),
    )


def is_applied(renderings: Iterable[Sequence[Manifest]], inventory: Sequence[InventoryItem]) -> bool:
    """Whether each object was applied before as one of the renderings has it: then nothing new would run."""
    applied = {(item.kind, item.name): item.applied for item in inventory}
    wanted: dict[ObjectKey, set[str]] = defaultdict(set)
    for manifest in chain.from_iterable(renderings):
        wanted[_key(manifest)].add(digest(manifest))
    return all(applied.get(key) in digests for key, digests in wanted.items())


def stands(inventory: Sequence[InventoryItem], observed: Observed) -> bool:
    """Whether all that was applied, and no more, is there as it was written."""
    there = {key: child.owned for key, child in observed.children.items() if not child.deleting}
    return there == {(item.kind, item.name): item.owned for item in inventory}


def is_rolled_out(
    stack: StackRef, manifests: Sequence[Manifest], applied: Applied, observed: Observed
) -> bool:
    """Whether nothing is left of an older spec: every object is as rendered, no other is there, and no more
    pods are than it may have."""
    kept, parts = {_key(manifest) for manifest in manifests}, {_part(manifest) for manifest in manifests}
    most = _most_replicas(manifests)
    return not (
        applied.failures
        or applied.written
        or any(child.owner_uid == stack.uid and key not in kept for key, child in observed.children.items())
        or any(pod.leaving or (pod.component, pod.part) not in parts for pod in observed.pods.values())
        or any(
            child.workload and child.workload.replicas > most.get(child.name, 0)
            for child in observed.children.values()
        )
    )


def _most_replicas(manifests: Sequence[Manifest]) -> Mapping[str, int]:
    """How many pods each Deployment may have, at the most."""
    fixed = {
        item["metadata"]["name"]: item["spec"].get("replicas", 0)
        for item in manifests
        if item["kind"] == DEPLOYMENT.kind
    }
    scaled = {
        item["spec"]["scaleTargetRef"]["name"]: item["spec"]["maxReplicas"]
        for item in manifests
        if item["kind"] == AUTOSCALER.kind
    }
    return {**fixed, **scaled}


async def execute(stack: StackRef, decided: Plan, kube: Kube) -> Applied:
    """Writes a plan: parts side by side, each in the order of dependence."""
    results = await asyncio.gather(
        *(_write_part(stack, part, writes, kube) for part, writes in decided.writes.items())
    )
    written = [(write, observe(answer)) for done, _ in results for write, answer in done]
    failures = [*decided.waiting, *(failure for _, failure in results if failure)]
    new = [_inventory_item(write, child) for write, child in written]
    return Applied(
        inventory=tuple(sorted((*decided.unchanged, *new), key=lambda item: (item.kind, item.name))),
        failures=tuple(failures),
        written=tuple(child for _, child in written),
    )


async def prune(
    stack: StackRef, decided: Plan, applied: Applied, kube: Kube, *, rerouted: bool
) -> tuple[Child, ...]:
    """Deletes what is no longer rendered, once all that is rendered is written, and returns it."""
    if applied.failures:
        return ()
    gone = decided.prunable(rerouted=rerouted)
    for child in gone:
        await _delete(stack, child, kube)
    return gone


async def stop(stack: StackRef, observed: Observed, kube: Kube) -> tuple[Child, ...]:
    """Deletes the stack's Deployments and leaves all else: what takes its pods away without a rendering."""
    running = [
        child
        for child in observed.children.values()
        if child.kind == DEPLOYMENT.kind and child.owner_uid == stack.uid and not child.deleting
    ]
    for child in running:
        await _delete(stack, child, kube)
    return tuple(running)


async def tell(stack: StackRef, pods: Sequence[Pod], news: str, kube: Kube) -> None:
    """Writes the annotation that makes the kubelet renew what the pods have mounted."""
    await asyncio.gather(*(_tell(stack, pod, news, kube) for pod in pods))


async def _tell(stack: StackRef, pod: Pod, news: str, kube: Kube) -> None:
    try:
        await kube.annotate(POD, stack.namespace, pod.name, {SYNC_ANNOTATION: news}, uid=pod.uid)
    except (NotFound, Conflict):
        logger.debug("pod %s is gone by now", pod.name)
    except Refused as error:  # it hears of it later: the kubelet looks by itself every minute or so
        logger.warning("pod %s could not be told of its configuration: %s", pod.name, error)


async def _write_part(
    stack: StackRef, part: PartKey, writes: Sequence[Write], kube: Kube
) -> tuple[list[tuple[Write, Manifest]], Failure | None]:
    """Stops at the first object that fails: what mounts a configuration must not run ahead of it."""
    done: list[tuple[Write, Manifest]] = []
    for kinds in _stages(writes):
        answers = await asyncio.gather(
            *(_write(stack, write, kube) for write in kinds), return_exceptions=True
        )
        for write, answer in zip(kinds, answers, strict=True):
            if isinstance(answer, dict):
                done.append((write, answer))
        for write, answer in zip(kinds, answers, strict=True):
            if isinstance(answer, ApiError):
                return done, _failure(part, write.manifest, answer)
            if isinstance(answer, BaseException):
                raise answer
    return done, None


def _stages(writes: Sequence[Write]) -> list[list[Write]]:
    """Configuration, then workloads, then what watches over workloads."""
    boundary = _ORDER[DEPLOYMENT.kind]
    stages: list[list[Write]] = [[], [], []]
    for write in writes:
        position = _ORDER[write.manifest["kind"]]
        stages[(position >= boundary) + (position > boundary)].append(write)
    return [stage for stage in stages if stage]


async def _write(stack: StackRef, write: Write, kube: Kube) -> Manifest:
    try:
        if write.hand_over_replicas is not None:
            await kube.apply(_replicas_only(write), uid=write.uid, manager=REPLICAS_MANAGER)
        return await kube.apply(write.manifest, uid=write.uid)
    except Conflict:
        found = await kube.get(kind_of(write.manifest), stack.namespace, write.manifest["metadata"]["name"])
        if not is_ours(observe(found), stack.uid):
            raise
        return await kube.apply(write.manifest, uid=found["metadata"]["uid"])
    except Refused:
        if write.uid is None or write.manifest["kind"] != DEPLOYMENT.kind:
            raise
        return await _write_over(stack, write.manifest, write.uid, kube)


async def _write_over(stack: StackRef, deployment: Manifest, uid: str, kube: Kube) -> Manifest:
    """Without what others added: a request above our limit makes the whole invalid, and would hold it so."""
    name = deployment["metadata"]["name"]
    found = await kube.get(DEPLOYMENT, stack.namespace, name)
    spec = {"replicas": found["spec"]["replicas"], **deployment["spec"]}
    await kube.replace_spec(DEPLOYMENT, stack.namespace, name, uid=uid, spec=spec)
    return await kube.apply(deployment, uid=uid)


async def _delete(stack: StackRef, child: Child, kube: Kube) -> None:
    try:
        await kube.delete(_KINDS[child.kind], stack.namespace, child.name, uid=child.uid)
    except (NotFound, Conflict):
        return  # gone already, or replaced by one that isn't ours


def _replicas_only(write: Write) -> Manifest:
    meta = write.manifest["metadata"]
    return {
        "apiVersion": write.manifest["apiVersion"],
        "kind": write.manifest["kind"],
        "metadata": {"name": meta["name"], "namespace": meta["namespace"]},
        "spec": {"replicas": write.hand_over_replicas},
    }


def _failure(part: PartKey, manifest: Manifest, error: ApiError) -> Failure:
    if isinstance(error, Conflict):
        return _taken(part, manifest)
    what = f"{manifest['kind']} {manifest['metadata']['name']}"
    message = f"{what} could not be applied: {error.message}"
    return Failure(part, Reason.APPLY_FAILED, message, lasting=isinstance(error, Refused))


def _taken(part: PartKey, manifest: Manifest) -> Failure:
    message = (
        f"{manifest['kind']} {manifest['metadata']['name']} exists and does not belong to this stack, "
        "so it is left alone; remove it, or give this part or this stack another name"
    )
    return Failure(part, Reason.NAME_TAKEN, message, lasting=True)


def _occupied(manifest: Manifest, child: Child) -> Failure:
    if not child.deleting and not child.owner_uid:
        return _taken(_part(manifest), manifest)
    message = (
        f"{child.kind} {child.name} of an earlier stack is being deleted; it is made anew when that is done"
    )
    return Failure(_part(manifest), Reason.TERMINATING, message, lasting=False)


def _inventory_item(write: Write, child: Child) -> InventoryItem:
    return InventoryItem(
        group=kind_of(write.manifest).group,
        kind=child.kind,
        name=child.name,
        applied=write.digest,
        owned=child.owned,
    )


def _autoscaled(manifests: Sequence[Manifest]) -> Mapping[str, int]:
    """The least number of replicas of each Deployment that an autoscaler owns."""
    return {
        item["spec"]["scaleTargetRef"]["name"]: item["spec"]["minReplicas"]
        for item in manifests
        if item["kind"] == AUTOSCALER.kind
    }


def _handed_over(manifest: Manifest, child: Child | None, floors: Mapping[str, int]) -> int | None:
    """An autoscaler doesn't touch a Deployment at zero, so it takes over at no less than its minimum; again
    where somebody else has scaled it to zero."""
    kind, name = _key(manifest)
    if kind != DEPLOYMENT.kind or name not in floors or "replicas" in manifest["spec"]:
        return None
    running = child.workload.wanted if child and child.workload else None
    if not child or (not child.owns_replicas and running != 0):
        return None
    return max(floors[name], running or 0)


def _key(manifest: Manifest) -> ObjectKey:
    return manifest["kind"], manifest["metadata"]["name"]


def _part(manifest: Manifest) -> PartKey:
    labels = manifest["metadata"]["labels"]
    return labels[COMPONENT_LABEL], labels[NAME_LABEL]
