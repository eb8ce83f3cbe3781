"""A resolved stack as the Kubernetes objects it becomes: pure functions, one module a component."""

from aistack.kinds import CHILD_KINDS, Manifest, kind_of
from aistack.render.gateway import render_gateway
from aistack.render.network import network_policies
from aistack.render.vllm import render_model
from aistack.resolved import ResolvedStack


def render(stack: ResolvedStack) -> tuple[Manifest, ...]:
    """Every child of `stack`, configuration before what mounts it, then by name."""
    manifests = [*network_policies(stack), *render_gateway(stack)]
    for model in stack.self_hosted:
        manifests += render_model(model)
    return tuple(sorted(manifests, key=_dependence))


def _dependence(manifest: Manifest) -> tuple[int, str]:
    return CHILD_KINDS.index(kind_of(manifest)), manifest["metadata"]["name"]
