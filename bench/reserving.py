"""What a budget costs admission: creates one after the other, and over 64 connections at once.

Two arms take turns, one of stacks that a budget counts and denies, one of stacks that none counts; the same
webhook reviews both. No controller runs: what is pending stays so until a round begins anew. Times and writes
are those of the API server's audit log.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from aistack.kinds import AIBUDGET, AISTACK, Manifest
from bench.measure import Measure, of_rounds, quantile
from bench.raw import CONNECTIONS, post, send
from bench.scene import CPU, Scene, cpu_seconds, metric
from tests import budgets, webhooks
from tests.controllers import eventually
from tests.costs import CLUSTER, GPT, TRAFFIC, book, managed
from tests.stacks import stack

COUNTED, FREE = "under a budget", "under none"
ARMS = {COUNTED: "bench-counted", FREE: "bench-free"}
"""Each with its namespace."""
BUDGET = "bench"
TOGETHER = f"{CONNECTIONS} at once"
WAYS = {"one by one": (1, 40), TOGETHER: (CONNECTIONS, 2 * CONNECTIONS)}
"""Over how many connections, and how many creates in one round of one arm."""


@dataclass(frozen=True, slots=True)
class Round:
    """One round of one arm: seconds of each create, of CPU in all, and how often the budget was written."""

    seconds: Sequence[float]
    server: float
    webhook: float
    writes: int


def reserving(scene: Scene, rounds: int) -> Iterator[Measure]:
    """Both arms in turn, in both ways; another arm first each time."""
    found: dict[tuple[str, str], list[Round]] = {(way, arm): [] for way in WAYS for arm in ARMS}
    _prepare(scene)
    with (
        webhooks.webhook(scene.cluster, scene.folder) as replica,
        webhooks.asked_at(scene.cluster, replica.port),
    ):
        eventually(partial(_is_counted, scene), "stacks are counted", replica.process)
        for number in range(rounds + 1):
            _emptied(scene)
            arms = list(ARMS) if number % 2 else list(ARMS)[::-1]
            for way, arm in ((way, arm) for way in WAYS for arm in arms):
                done = _round(scene, replica, way, arm, number)
                if number:  # the first warms up
                    found[way, arm].append(done)
    yield from _measures(found)


def _measures(found: Mapping[tuple[str, str], Sequence[Round]]) -> Iterator[Measure]:
    for way in WAYS:
        counted, free = found[way, COUNTED], found[way, FREE]
        for share, told in ((0.5, "half within"), (0.99, "99 % within")):
            pairs = zip(counted, free, strict=True)
            ratios = [quantile(one.seconds, share) / quantile(other.seconds, share) for one, other in pairs]
            yield of_rounds(f"budget: {way}, {COUNTED} / {FREE}: {told}", 1, ratios)
        for arm in ARMS:
            yield from _measures_of(f"budget: {way}, {arm}", found[way, arm])
        writes = [each.writes / len(each.seconds) for each in counted]
        yield of_rounds(f"budget: {way}: writes of the budget a request", 1, writes)


def _measures_of(title: str, done: Sequence[Round]) -> Iterator[Measure]:
    for share, told in ((0.5, "half within"), (0.99, "99 % within")):
        times = [quantile(each.seconds, share) * 1000 for each in done]
        yield of_rounds(f"{title}: {told}", 1, times, "ms")
    server = [each.server / len(each.seconds) * 1000 for each in done]
    yield of_rounds(f"{title}: CPU a request, API server", 1, server, "ms")
    webhook = [each.webhook / len(each.seconds) * 1000 for each in done]
    yield of_rounds(f"{title}: CPU a request, webhook", 1, webhook, "ms")
    yield of_rounds(f"{title}: reviews a second a core", 1, [1000 / each for each in webhook])


def _prepare(scene: Scene) -> None:
    cluster = scene.cluster
    for namespace in ARMS.values():
        cluster.client.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
    selector = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": ARMS[COUNTED]}}}
    budget = budgets.manifest(BUDGET, "999999999999", selector=selector)
    listed = {"apiVersion": "v1", "kind": "List", "items": [book(**CLUSTER, tokens=[GPT]).dump(), budget]}
    cluster.kubectl("apply", "--server-side", "--filename=-", input=json.dumps(listed))


def _is_counted(scene: Scene) -> bool:
    """Whether the webhook is asked by now, and knows of the budget."""
    asked = json.dumps(_stack(ARMS[COUNTED], "asked"))
    argv = ("create", "--dry-run=server", "--filename=-")
    return f"counted by budget {BUDGET}" in scene.cluster.kubectl(*argv, input=asked, check=False)


def _emptied(scene: Scene) -> None:
    """The budget holds nothing."""
    path, merge = f"{AIBUDGET.path('', BUDGET)}/status", "application/merge-patch+json"
    scene.cluster.client.request("PATCH", path, {"status": {"pending": None}}, merge)


def _round(scene: Scene, replica: webhooks.Replica, way: str, arm: str, number: int) -> Round:
    cluster, namespace, (connections, count) = scene.cluster, ARMS[arm], WAYS[way]
    asked = [post(_stack(namespace, f"r{number}-{connections}-{each}")) for each in range(count)]
    server = next(each for each in cluster.processes if each.name == "kube-apiserver")
    mark, before = cluster.audit.mark(), (cpu_seconds(server.pid), metric(replica.process, CPU))
    send(cluster.server, cluster.client_ssl_context(), asked, connections)
    after = cpu_seconds(server.pid), metric(replica.process, CPU)
    created = cluster.audit.requests(mark, verb="create", resource=AISTACK.plural, namespace=namespace)
    written = cluster.audit.requests(mark, verb="patch", resource=AIBUDGET.plural, name=BUDGET)
    seconds = [each.seconds for each in created]
    return Round(seconds, after[0] - before[0], after[1] - before[1], len(written))


def _stack(namespace: str, name: str) -> Manifest:
    """A managed model behind a gateway: all of it has a price."""
    found = stack(name, namespace, models=[managed()], traffic=TRAFFIC)
    return {**found, "metadata": {"name": name, "namespace": namespace}}
