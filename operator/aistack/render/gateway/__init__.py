"""The gateway of a stack: the front (Envoy) for every request, the adapter (LiteLLM) for translation."""

from collections.abc import Iterator

from aistack.kinds import Manifest
from aistack.render.gateway.adapter import adapter_files
from aistack.render.gateway.adapter_pod import adapter_pod
from aistack.render.gateway.exposure import exposure
from aistack.render.gateway.front import front_files
from aistack.render.gateway.front_pod import front_pod
from aistack.render.gateway.network import adapter_policy, front_policy
from aistack.render.gateway.neutral import neutral
from aistack.render.gateway.workload import Part, workload
from aistack.resolve import ResolvedStack


def render_gateway(stack: ResolvedStack) -> Iterator[Manifest]:
    """The gateway's objects; the adapter's only where a route reaches a model that needs it."""
    gateway = neutral(stack.gateway)
    front = Part(stack.ref, "gateway", stack.gateway.replicas)
    yield front_policy(front, gateway)
    yield from workload(front, front_files(gateway), port=80, pod=front_pod(gateway))
    yield from exposure(front, stack.gateway.spec.expose)
    if gateway.adapted:
        adapter = Part(stack.ref, "adapter", stack.gateway.replicas)
        yield adapter_policy(adapter, gateway)
        yield from workload(adapter, adapter_files(gateway), port=4000, pod=adapter_pod(gateway))
