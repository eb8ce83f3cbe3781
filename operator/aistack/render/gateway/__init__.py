"""The gateway of a stack: the front (Envoy) for every request, the adapter (LiteLLM) for translation."""

from collections.abc import Iterator

from aistack.kinds import Manifest
from aistack.labels import SYNC_ANNOTATION
from aistack.render.gateway.adapter import adapter_files
from aistack.render.gateway.adapter_pod import adapter_pod
from aistack.render.gateway.exposure import exposure
from aistack.render.gateway.front import front_files
from aistack.render.gateway.front_pod import front_pod
from aistack.render.gateway.network import adapter_policy, front_policy
from aistack.render.gateway.neutral import NeutralGateway, neutral
from aistack.render.gateway.workload import CONFIG_ANNOTATION, Part, digest, workload
from aistack.resolve import ResolvedStack


def render_gateway(stack: ResolvedStack) -> Iterator[Manifest]:
    """The gateway's objects; the adapter's only where a route reaches a model that needs it."""
    gateway = neutral(stack.gateway)
    front = Part(stack.ref, "gateway", stack.gateway.replicas)
    yield front_policy(front, gateway)
    yield from front_workload(front, gateway)
    yield from exposure(front, stack.gateway.spec.expose)
    if gateway.adapted:
        adapter = Part(stack.ref, "adapter", stack.gateway.replicas)
        yield adapter_policy(adapter, gateway)
        yield from adapter_workload(adapter, gateway, stack.metadata.annotations.get(SYNC_ANNOTATION))


def front_workload(front: Part, gateway: NeutralGateway) -> Iterator[Manifest]:
    """Its loader hands a change to the running Envoy: of the files only the bootstrap is a reason to roll."""
    files = front_files(gateway)
    start = digest({"bootstrap.json": files["bootstrap.json"]})
    yield from workload(front, files, port=80, pod=front_pod(gateway), annotations={CONFIG_ANNOTATION: start})


def adapter_workload(adapter: Part, gateway: NeutralGateway, sync: str | None) -> Iterator[Manifest]:
    """LiteLLM reads its configuration and its keys at its start only: a change of either rolls the pods."""
    files = adapter_files(gateway)
    annotations = {CONFIG_ANNOTATION: digest(files), **({SYNC_ANNOTATION: sync} if sync else {})}
    yield from workload(adapter, files, port=4000, pod=adapter_pod(gateway), annotations=annotations)
