"""The gateway of a stack: the front (Envoy) for every request, the adapter (LiteLLM) for translation."""

from collections.abc import Iterator

from aistack.kinds import Manifest
from aistack.labels import KEYS_LABEL, SYNC_ANNOTATION
from aistack.render.gateway.adapter import adapter_files
from aistack.render.gateway.adapter_pod import adapter_pod
from aistack.render.gateway.exposure import exposure
from aistack.render.gateway.front import front_files
from aistack.render.gateway.front_pod import front_pod
from aistack.render.gateway.network import (
    adapter_policy,
    front_policies,
    queue_policy,
    ratelimit_policy,
    redis_policy,
)
from aistack.render.gateway.neutral import NeutralGateway, neutral
from aistack.render.gateway.queue_pod import queue_pod
from aistack.render.gateway.ratelimit_pod import ratelimit_pod
from aistack.render.gateway.redis_pod import ANSWERS, COUNTERS, redis_pod
from aistack.render.gateway.shared_limits import ratelimit_files
from aistack.render.gateway.site import INNER
from aistack.render.gateway.workload import CONFIG_ANNOTATION, Part, digest, workload
from aistack.resolved import ResolvedStack


def render_gateway(stack: ResolvedStack) -> Iterator[Manifest]:
    """The gateway's objects; the adapter's only where a route reaches a model that needs it."""
    gateway = neutral(stack.gateway, stack.metadata.annotations)
    parts = {name: Part(stack.ref, name, replicas) for name, replicas in stack.gateway.tiers.items()}
    yield from front_policies(parts["gateway"], gateway)
    yield from front_workload(parts["gateway"], gateway)
    yield from exposure(
        parts["gateway"], stack.gateway.spec.expose, gateway_api=stack.gateway.abilities.gateway_api
    )
    if "adapter" in parts:
        yield adapter_policy(parts["adapter"], gateway)
        yield from adapter_workload(
            parts["adapter"], gateway, stack.metadata.annotations.get(SYNC_ANNOTATION)
        )
    if "ratelimit" in parts:
        yield ratelimit_policy(parts["ratelimit"])
        yield from ratelimit_workload(parts["ratelimit"], gateway)
    if "redis" in parts:
        yield redis_policy(parts["redis"], *(caller for caller in ("ratelimit", "queue") if caller in parts))
        yield from workload(parts["redis"], port=6379, port_name="redis", pod=redis_pod(gateway, COUNTERS))
    if "queue" in parts:
        yield queue_policy(parts["queue"])
        yield from workload(parts["queue"], port=8080, pod=queue_pod(gateway))
    if "cache" in parts:
        yield redis_policy(parts["cache"], "adapter")
        yield from workload(parts["cache"], port=6379, port_name="redis", pod=redis_pod(gateway, ANSWERS))


def front_workload(front: Part, gateway: NeutralGateway) -> Iterator[Manifest]:
    """Its loader hands a change to the running Envoy: of the files only the bootstrap is a reason to roll.

    The port `inner` stays when the last interception goes: it leads to the pods that listen there, the older
    ones, which still send requests to the adapter.
    """
    files = front_files(gateway)
    start = {CONFIG_ANNOTATION: digest({"bootstrap.json": files["bootstrap.json"]})}
    keys = {KEYS_LABEL: "true"} if gateway.clients else {}
    yield from workload(
        front,
        port=80,
        pod=front_pod(gateway),
        files=files,
        annotations=start,
        pod_labels=keys,
        more_ports={"inner": INNER.port},
    )


def adapter_workload(adapter: Part, gateway: NeutralGateway, sync: str | None) -> Iterator[Manifest]:
    """LiteLLM reads its configuration and its keys at its start only: a change of either rolls the pods."""
    files = adapter_files(gateway)
    start = {CONFIG_ANNOTATION: digest(files), **({SYNC_ANNOTATION: sync} if sync else {})}
    yield from workload(adapter, port=4000, pod=adapter_pod(gateway), files=files, annotations=start)


def ratelimit_workload(ratelimit: Part, gateway: NeutralGateway) -> Iterator[Manifest]:
    """A changed limit rolls it, and nobody's minute begins anew: the counters are in Redis."""
    files = ratelimit_files(gateway)
    pod, start = ratelimit_pod(gateway), {CONFIG_ANNOTATION: digest(files)}
    yield from workload(ratelimit, port=8081, port_name="grpc", pod=pod, files=files, annotations=start)
