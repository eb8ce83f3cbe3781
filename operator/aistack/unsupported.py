"""Fields of the API that this version doesn't serve yet: refused, never silently ignored."""

from collections.abc import Iterator

from aistack.api.gateway import Gateway, Queue, Route
from aistack.api.models import AIModel, SelfHosted
from aistack.api.stack import AIStackSpec
from aistack.units import seconds

LATER = "this version of the operator does not serve it yet; leave it out"


def unsupported_fields(spec: AIStackSpec) -> Iterator[tuple[str, str]]:
    """The path of every field that asks for what can't be honoured, and what to write instead."""
    whole = {
        "vectorStores": spec.vector_stores,
        "pipelines": spec.pipelines,
        "agents": spec.agents,
        "tracking.mlflow": spec.tracking.mlflow.enabled,
    }
    yield from ((f"spec.{path}", LATER) for path, used in whole.items() if used)
    for model in spec.models:
        yield from _in_model(model)
    yield from _in_gateway(spec.gateway)


def _in_model(model: AIModel) -> Iterator[tuple[str, str]]:
    path = f"spec.models[{model.name}]"
    if model.self_hosted:
        yield from _in_self_hosted(f"{path}.selfHosted", model.self_hosted)


def _in_self_hosted(path: str, hosted: SelfHosted) -> Iterator[tuple[str, str]]:
    scheme = hosted.source.partition("://")[0]
    if scheme not in {"hf", "pvc"}:
        yield f"{path}.source", f"{scheme}:// can't be loaded by this version; write hf://… or pvc://…"
    if hosted.parallelism.nodes > 1:
        yield f"{path}.parallelism.nodes", "a model over several nodes is not served by this version; write 1"
    if hosted.scaling.schedule:
        yield f"{path}.scaling.schedule", LATER
    if hosted.cache and hosted.cache.access_mode == "ReadOnlyMany":
        yield (
            f"{path}.cache.accessMode",
            "a cache is written to; write ReadWriteOnce or ReadWriteMany, or name a filled claim as "
            "source: pvc://claim/folder",
        )
    if hosted.credentials and hosted.credentials.workload_identity:
        yield (
            f"{path}.credentials.workloadIdentity",
            "neither hf:// nor pvc:// takes one; write secretKeyRef for a gated model, or leave it out",
        )
    if hosted.spot.share:
        yield f"{path}.spot.share", LATER
    if hosted.adapters:
        yield f"{path}.adapters", LATER


def _in_gateway(gateway: Gateway) -> Iterator[tuple[str, str]]:
    path = "spec.gateway"
    if gateway.engine != "Envoy":
        yield f"{path}.engine", f"{gateway.engine} is not served by this version; write Envoy"
    if gateway.expose.type == "ClusterIP" and gateway.expose.host:
        yield f"{path}.expose.host", "type ClusterIP publishes no host; leave it out"
    if gateway.queue:
        yield from _in_queue(f"{path}.queue", gateway.queue)
    for route in gateway.routes:
        yield from _in_route(f"{path}.routes[{route.name}]", route)


def _in_queue(path: str, queue: Queue) -> Iterator[tuple[str, str]]:
    if queue.engine != "redis":
        yield f"{path}.engine", f"{queue.engine} is not served by this version; write redis"
    if not queue.max_depth:
        yield f"{path}.maxDepth", "0 leaves room for nobody; write such as 10000, or leave the queue out"
    if not seconds(queue.max_wait):
        yield (
            f"{path}.maxWait",
            f"{queue.max_wait} lets nobody wait; write such as 10m, or leave the queue out",
        )


def _in_route(path: str, route: Route) -> Iterator[tuple[str, str]]:
    for name, limit in (("timeout", route.timeout), ("firstTokenTimeout", route.first_token_timeout)):
        if limit and not seconds(limit):
            yield f"{path}.{name}", f"{limit} leaves no time for an answer; write such as 30s"
