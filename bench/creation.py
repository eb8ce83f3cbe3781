"""From N new AIStacks to all of their children, against a writer of the same children.

Both arms take turns against the same API server and etcd. kube-controller-manager, the scheduler and kwok
are ended before: on a small machine their own work on Deployments and pods would weigh more than what is
compared. The raw writer's share is the children only; ours begins with the AIStacks themselves and also
writes their status.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from aistack.api import AIStack
from aistack.kinds import AISTACK, CHILD_KINDS, Manifest
from aistack.render import render
from aistack.resolve import resolve
from bench.measure import Measure, of_rounds
from bench.raw import post
from bench.scene import Scene, memory_goal, span, stacks, usage
from tests.controlplane import ControlPlane
from tests.controlplane.process import end
from tests.stacks import catalog

RATIO_GOALS = ((1, 3.0), (100, 1.5), (1000, 1.3))
"""From so many stacks on, at most so many times the raw writer's time."""
OTHERS = {"kube-controller-manager", "kube-scheduler", "kwok"}


@dataclass(frozen=True, slots=True)
class Round:
    """One round of both arms; seconds."""

    raw: float
    ours: float
    cpu: float
    memory: float
    writes: int
    status_writes: int
    reads: int


def quieten(cluster: ControlPlane) -> None:
    """Ends everything that works on the cluster by itself."""
    for process in [each for each in cluster.processes if each.name in OTHERS]:
        end(process)
        cluster.processes.remove(process)


def creation(scene: Scene, count: int, rounds: int) -> tuple[list[Measure], str]:
    """The comparison, and the namespace in which the last round's stacks still are."""
    results: list[Round] = []
    namespace = ""
    for number in range(rounds):
        if namespace:
            scene.cluster.client.request("DELETE", AISTACK.path(namespace))
        raw = _raw(scene, count) if number % 2 else 0.0
        namespace = scene.namespace()
        ours = _ours(scene, namespace, count)
        results.append(Round(raw or _raw(scene, count), *ours))
    return _measures(count, len(children(stacks(namespace, 1)[0])), results), namespace


def children(manifest: Manifest, uid: str = "uid") -> tuple[Manifest, ...]:
    """What an AIStack is rendered to. AssertionError when it has a problem."""
    meta = {**manifest["metadata"], "uid": uid, "generation": 1}
    resolved = resolve(AIStack.parse({**manifest, "metadata": meta}), catalog())
    assert resolved.stack, "; ".join(map(str, resolved.problems))
    return render(resolved.stack)


def _raw(scene: Scene, count: int) -> float:
    """The owners that the children name need not exist: nothing collects garbage here."""
    namespace = scene.namespace()
    requests = [
        post(child) for made in stacks(namespace, count) for child in children(made, str(uuid.uuid4()))
    ]
    mark = scene.cluster.audit.mark()
    scene.send(requests)
    return span(scene.cluster.audit.requests(mark, verb="create", namespace=namespace))


def _ours(scene: Scene, namespace: str, count: int) -> tuple[float, float, float, int, int, int]:
    manifests = stacks(namespace, count)
    with scene.controller() as process:
        before, mark = usage(process), scene.cluster.audit.mark()
        scene.send(list(map(post, manifests)))
        requests = scene.settled(mark, at_least=count * (len(children(manifests[0])) + 1))
        after = usage(process)
    asked = scene.cluster.audit.requests(mark, verb="create", resource=AISTACK.plural)
    plurals = {kind.plural for kind in CHILD_KINDS}
    writes = [request for request in requests if request.is_write]
    made = [request for request in writes if request.resource in plurals]
    return (
        span([*asked, *made]),
        after.cpu - before.cpu,
        after.memory,
        len(writes),
        sum(request.subresource == "status" for request in writes),
        len(requests) - len(writes),
    )


def _measures(count: int, per_stack: int, results: Sequence[Round]) -> list[Measure]:
    def of(what: str, values: list[float], unit: str = "", goal: float | None = None) -> Measure:
        return of_rounds(what, count, values, unit, goal)

    ratio = next(goal for least, goal in reversed(RATIO_GOALS) if count >= least)
    rows = [
        of("create: ours / raw", [each.ours / each.raw for each in results], goal=ratio),
        of(
            "create: all children exist",
            [1000 * each.ours for each in results],
            "ms",
            150 if count == 1 else None,
        ),
        of("create: the raw writer", [1000 * each.raw for each in results], "ms"),
        of("create: children a stack", [per_stack]),
        of("create: writes a stack", [each.writes / count for each in results], "", per_stack + 2),
        of("create: of these, of its status", [each.status_writes / count for each in results], "", 3),
        of("create: reads a stack", [each.reads / count for each in results], "", 0),
    ]
    if count == 1:
        return rows
    return [
        *rows,
        of("create: CPU a stack", [1000 * each.cpu / count for each in results], "ms", 10),
        of("create: CPU a child", [1000 * each.cpu / count / per_stack for each in results], "ms", 1),
        of("create: most memory", [each.memory for each in results], "MB", memory_goal(count)),
    ]
