"""N stacks that are there: what restarting, waiting, applying again, changing and deleting them costs."""

import time

from aistack.api import API_VERSION
from aistack.kinds import AIPOLICY, AISTACK, Manifest
from aistack.observed import digest
from bench.creation import children
from bench.measure import Measure
from bench.raw import apply, delete, post
from bench.scene import PATIENCE, Scene, memory_goal, metric, span, stacks, usage
from tests import controllers
from tests.controlplane import Request
from tests.controlplane.process import Process

UNKEPT: Manifest = {
    "apiVersion": API_VERSION,
    "kind": AIPOLICY.kind,
    "metadata": {"name": "unkept"},
    "spec": {"rules": [{"id": "owner", "expression": "false", "message": "Nobody answers for it."}]},
}
MOST_WRITES = 300
"""A second: so much of what policies say leaves an API server room for others."""
NEW_IMAGE = {"runtime": {"image": "registry.example/vllm:v0.99.0", "version": "0.33.0"}}


def upkeep(scene: Scene, namespace: str, count: int, idle_seconds: float) -> list[Measure]:
    """Begins without a controller and with `count` stacks in the namespace; ends without stacks."""
    begun = time.monotonic()
    with controllers.controller(scene.cluster, scene.folder) as process:
        return [
            *_restart(scene, process, count, begun),
            *_idle(scene, count, idle_seconds),
            _again(scene, namespace, count),
            *_update(scene, namespace, count),
            *_judged(scene, namespace, count),
            _delete(scene, namespace, count),
        ]


def _restart(scene: Scene, process: Process, count: int, begun: float) -> list[Measure]:
    """`begun` is when the process was started, on the monotonic clock; it has filled its caches since."""
    fresh, mark = stacks(scene.namespace(), 1), scene.cluster.audit.mark()
    scene.send(list(map(post, fresh)))

    def all_seen() -> bool:
        return metric(process, "aistack_reconcile_seconds_count") > count

    controllers.eventually(all_seen, "every stack was looked at", process, PATIENCE)
    seconds = time.monotonic() - begun
    writes = _writes(scene.settled(mark, at_least=len(children(fresh[0])) + 1))
    scene.send(list(map(delete, fresh)))
    asked = scene.cluster.audit.requests(mark, verb="create", resource=AISTACK.plural)
    ours = [each for each in writes if each.namespace == fresh[0]["metadata"]["namespace"]]
    made = [each for each in ours if not each.subresource]
    return [
        Measure("restart: writes to stacks that were there", count, len(writes) - len(ours), goal=0),
        Measure("restart: a new stack's children exist after", count, span([*asked, *made]), "s", 2),
        Measure("restart: every stack was looked at after", count, seconds, "s", 10),
        Measure("restart: most memory", count, usage(process).memory, "MB", memory_goal(count)),
    ]


def _idle(scene: Scene, count: int, seconds: float) -> list[Measure]:
    mark = scene.cluster.audit.mark()
    time.sleep(seconds)
    requests = scene.cluster.audit.requests(mark, user=controllers.USER)
    writes = [request for request in _writes(requests) if request.resource != "leases"]
    return [
        Measure("idle: writes besides the Lease", count, len(writes), goal=0),
        Measure("idle: requests a minute", count, len(requests) * 60 / seconds, goal=35),
    ]


def _again(scene: Scene, namespace: str, count: int) -> Measure:
    mark = scene.cluster.audit.mark()
    scene.send(list(map(apply, stacks(namespace, count))))
    return Measure("apply again: writes", count, len(_writes(scene.settled(mark))), goal=0)


def _update(scene: Scene, namespace: str, count: int) -> list[Measure]:
    before, after = stacks(namespace, count), stacks(namespace, count, **NEW_IMAGE)
    rendered = [{digest(child) for child in children(manifests[0])} for manifests in (before, after)]
    changed = len(rendered[1] - rendered[0])
    mark = scene.cluster.audit.mark()
    scene.send(list(map(apply, after)))
    writes = _writes(scene.settled(mark, at_least=count * changed))
    return [
        Measure("update: children that it changes, a stack", count, changed),
        Measure("update: writes a stack", count, len(writes) / count, goal=changed + 1),
    ]


def _judged(scene: Scene, namespace: str, count: int) -> list[Measure]:
    """A policy comes that every stack breaks and that only reports: the status, the records and an event of
    each are written. It stays until the stacks are gone."""
    mark = scene.cluster.audit.mark()
    scene.cluster.client.create(AIPOLICY.path(), UNKEPT)
    requests = scene.settled(mark, at_least=3 * count)
    asked = scene.cluster.audit.requests(mark, verb="create", resource=AIPOLICY.plural)
    writes = [each for each in _writes(requests) if each.namespace == namespace]
    seconds = span([*asked, *writes])
    return [
        Measure("policy: writes a stack", count, len(writes) / count, goal=3),
        Measure("policy: the last stack was told of it after", count, seconds, "s", max(2.0, count / 33)),
        Measure("policy: writes a second", count, len(writes) / seconds, goal=MOST_WRITES),
    ]


def _delete(scene: Scene, namespace: str, count: int) -> Measure:
    mark = scene.cluster.audit.mark()
    scene.send(list(map(delete, stacks(namespace, count))))
    writes = [each for each in _writes(scene.settled(mark)) if each.namespace == namespace]
    return Measure("delete: writes a stack", count, len(writes) / count, goal=2)


def _writes(requests: list[Request]) -> list[Request]:
    return [request for request in requests if request.is_write]
