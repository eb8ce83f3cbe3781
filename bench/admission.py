"""What admission costs a request: nobody asked, the API server's own policies, the webhook; all in one run.

The same rules stand as ValidatingAdmissionPolicies and as AIPolicies to which the webhook holds stacks. Each
arm has a namespace of its own, so that all are there at once and take turns. A request is a stack of 4 KB,
created as a dry run: nothing waits for the disk. It is let in: policies warn.
"""

import asyncio
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import aiohttp
import orjson

from aistack.api import AIPolicy, AIStack
from aistack.api.base import LabelSelector
from aistack.api.policies import PolicyMatch
from aistack.cli.files import read
from aistack.cli.fixtures import changed
from aistack.govern.admissionpolicy import admission_policies
from aistack.govern.rules import reads_facts
from aistack.kinds import AISTACK, Manifest
from bench.measure import Measure, of_rounds, quantile
from bench.reviews import POLICIES
from bench.scene import CPU, Scene, cpu_seconds, metric
from tests import webhooks
from tests.controllers import NAMESPACE, eventually
from tests.controlplane import local_service
from tests.registration import NAME, SERVICE, webhook_configuration

REQUESTS = 100
"""In one round of one arm, one after the other."""
NOBODY, BY_SERVER, BY_WEBHOOK = "nobody asked", "the API server's own", "the webhook"
ARMS = {NOBODY: "bench-nobody", BY_SERVER: "bench-server", BY_WEBHOOK: "bench-webhook"}
"""Each with its namespace."""
HALF_GOALS, MOST_GOALS = {BY_WEBHOOK: 1.5}, {BY_WEBHOOK: 1.3}
SERVED = {
    "spec.gateway.limitScope": "Global",
    "spec.gateway.logging": None,
    "spec.gateway.routes.screen.cache": None,
    "spec.gateway.routes.screen.guardrails": None,
}
"""What this version doesn't serve is left out of the stack, so that it is let in."""


@dataclass(frozen=True, slots=True)
class Round:
    """One round of one arm: seconds of each request, and of CPU in all."""

    seconds: list[float]
    server: float
    webhook: float


def admission(scene: Scene, rounds: int) -> Iterator[Measure]:
    """The arms in turn, another one first each time."""
    policies = list(_policies())
    with webhooks.webhook(scene.cluster, scene.folder) as replica:
        _prepare(scene, policies, replica.port)
        found: dict[str, list[Round]] = {arm: [] for arm in ARMS}
        for number in range(rounds + 1):
            arms = list(ARMS)[number % 3 :] + list(ARMS)[: number % 3]
            for arm in arms:
                done = _round(scene, ARMS[arm], replica)
                if number:  # the first warms up
                    found[arm].append(done)
        scene.cluster.kubectl("delete", "validatingwebhookconfiguration", NAME)
    rules = sum(len(policy.spec.rules) for policy in policies)
    yield from _measures(found, rules)


def _measures(found: Mapping[str, Sequence[Round]], rules: int) -> Iterator[Measure]:
    for arm in (BY_SERVER, BY_WEBHOOK):
        title = f"admission: {rules} rules, {arm} / {NOBODY}"
        for share, told, goals in ((0.5, "half within", HALF_GOALS), (0.99, "99 % within", MOST_GOALS)):
            pairs = zip(found[arm], found[NOBODY], strict=True)
            ratios = [quantile(one.seconds, share) / quantile(other.seconds, share) for one, other in pairs]
            yield of_rounds(f"{title}: {told}", 1, ratios, goal=goals.get(arm))
    for arm, done in found.items():
        halves = [quantile(each.seconds, 0.5) * 1000 for each in done]
        yield of_rounds(f"admission: {arm}: half within", 1, halves, "ms")
        cpu = [(each.server + each.webhook) / REQUESTS * 1000 for each in done]
        yield of_rounds(f"admission: {arm}: CPU a request, API server and webhook", 1, cpu, "ms")
    own = [each.webhook / REQUESTS * 1000 for each in found[BY_WEBHOOK]]
    yield of_rounds(f"admission: {BY_WEBHOOK}: its own CPU a request", 1, own, "ms")


def _policies() -> Iterator[AIPolicy]:
    """The shipped ones with the rules that the object alone decides."""
    for document in read([str(POLICIES)]):
        if isinstance(policy := document.parsed, AIPolicy):
            rules = tuple(rule for rule in policy.spec.rules if not reads_facts(rule.expression))
            if rules:
                yield _with(policy, rules=rules, effective_from=None)


def _with(policy: AIPolicy, **spec: Any) -> AIPolicy:
    return policy.model_copy(update={"spec": policy.spec.model_copy(update=spec)})


def _prepare(scene: Scene, policies: Sequence[AIPolicy], port: int) -> None:
    cluster = scene.cluster
    for namespace in ARMS.values():
        cluster.client.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
    classes = [each for each in _base() if each["kind"] == "AcceleratorClass"]
    asked_here = webhook_configuration(NAMESPACE, cluster.authority.pair.certificate, port)
    asked_here["webhooks"][0]["namespaceSelector"] = _about(BY_WEBHOOK).namespace_selector.dump()
    warning = [_with(policy, match=_about(BY_WEBHOOK), action="Warn").dump() for policy in policies]
    service = local_service(SERVICE, NAMESPACE)
    items = [*classes, *_compiled(policies), *warning, service, asked_here]
    listed = {"apiVersion": "v1", "kind": "List", "items": items}
    cluster.kubectl("apply", "--server-side", "--filename=-", input=json.dumps(listed))
    for namespace in (ARMS[BY_SERVER], ARMS[BY_WEBHOOK]):
        eventually(partial(_is_judged, scene, namespace), f"stacks in {namespace} are judged")


def _is_judged(scene: Scene, namespace: str) -> bool:
    where = (f"--namespace={namespace}", "--dry-run=server", "--filename=-")
    return "Warning:" in scene.cluster.kubectl("create", *where, input=_stack().decode(), check=False)


def _about(arm: str) -> PolicyMatch:
    """The stacks of its namespace."""
    labels = {"kubernetes.io/metadata.name": ARMS[arm]}
    return PolicyMatch(namespace_selector=LabelSelector(match_labels=labels))


def _compiled(policies: Sequence[AIPolicy]) -> Iterator[Manifest]:
    """As the operator compiles them; but they warn, and nothing owns them."""
    denying = [_with(policy, match=_about(BY_SERVER), action="Deny") for policy in policies]
    for made in admission_policies(denying, (), datetime.now(UTC)):
        if "validationActions" in made["spec"]:
            made["spec"]["validationActions"] = ["Warn"]
        yield {**made, "metadata": {"name": made["metadata"]["name"]}}


def _base() -> list[Manifest]:
    """The stack of the fixtures, and the classes that it names."""
    parsed = [each.parsed for each in read([str(POLICIES / "tests/base.yaml")]) if each.parsed]
    return [each.dump() for each in parsed]


def _stack() -> bytes:
    (found,) = (each for each in _base() if each["kind"] == AISTACK.kind)
    served = changed(found, "spec", SERVED)
    return orjson.dumps({**AIStack.parse(served).dump(), "metadata": {"name": "asked"}})


def _round(scene: Scene, namespace: str, replica: webhooks.Replica) -> Round:
    server = next(each for each in scene.cluster.processes if each.name == "kube-apiserver")
    before = cpu_seconds(server.pid), metric(replica.process, CPU)
    seconds = asyncio.run(_seconds(scene, namespace))
    after = cpu_seconds(server.pid), metric(replica.process, CPU)
    return Round(seconds, after[0] - before[0], after[1] - before[1])


async def _seconds(scene: Scene, namespace: str) -> list[float]:
    """What each request takes, over one connection that is open before."""
    path, body = f"{AISTACK.path(namespace)}?dryRun=All", _stack()
    connector = aiohttp.TCPConnector(ssl=scene.cluster.client_ssl_context())
    async with aiohttp.ClientSession(scene.cluster.server, connector=connector) as session:
        found = [await _request(session, path, body) for _ in range(REQUESTS + 1)]
    return found[1:]


async def _request(session: aiohttp.ClientSession, path: str, body: bytes) -> float:
    begun = time.perf_counter()
    headers = {"Content-Type": "application/json"}
    async with session.post(path, data=body, headers=headers) as answer:
        text = await answer.read()
    assert answer.status == 201, text.decode()
    return time.perf_counter() - begun
