"""Intercepted routes: the adapter sees a request before any model does, and asks for the answer itself.

client → listener `gateway` → adapter → listener `inner` → the route's models, as without an interception

The first listener marks what clients send, and an intercepted route has entries for what is marked. What the
adapter asks for has no mark and meets the route's ordinary entries: weights, fallbacks and timeouts hold as
ever, and tokens are counted there, so an answer that is given again costs nothing. A pod marks only what it
can take back: an older one, without the inner listener, sends requests straight to the models.
"""

import hashlib
import json
from collections.abc import Iterator

from aistack.kinds import Manifest
from aistack.render.gateway.adapter import CACHE_PATIENCE, embedding_name, interception_name
from aistack.render.gateway.envoy import CLIENT_HEADER, METADATA, extension, literal
from aistack.render.gateway.guardrails import guardrails_of
from aistack.render.gateway.neutral import NeutralRoute, Session, Similar
from aistack.resolved import ManagedModel, ResolvedModel

MARK = "intercept"
"""In the metadata of requests that came from clients."""
ORDER_HEADER, CLIENT_COPY = "x-aistack-order", "x-aistack-for"
"""What the adapter is to do, in JSON, and for which client; interceptor.py reads both."""
EMBEDDING_HEADER = "x-aistack-embedding"
"""The route of whose question the adapter wants the embedding; of a client's it counts for nothing."""
EMBEDDING_SUFFIX = ".embedding"
CACHE_HEADER = "x-aistack-cache"
"""On an answer, with the value `hit`: it was given before."""


def mark() -> Manifest:
    """The filter that stands first where clients arrive."""
    marked = {"metadata_namespace": METADATA, "value": {MARK: True}}
    return extension("mark", "filters.http.set_metadata.v3.Config", metadata=[marked])


def orders(route: NeutralRoute) -> list[Manifest]:
    """The headers that a request of the route takes along."""
    order: Manifest = {"model": interception_name(route), "guardrails": list(guardrails_of(route))}
    if isinstance(route.affinity, Session):
        order["session"] = route.affinity.header
    if route.kept:
        order["cache"] = {
            "seconds": route.kept.seconds,
            "shared": route.kept.shared,
            "epoch": route.kept.epoch,
            "epochs": dict(route.kept.epochs),
            **_similar(route, route.kept.similar),
        }
    text = json.dumps(order, separators=(",", ":"))
    return [_written(ORDER_HEADER, literal(text)), _written(CLIENT_COPY, f"%REQ({CLIENT_HEADER})%")]


def _similar(route: NeutralRoute, similar: Similar | None) -> Manifest:
    if similar is None or similar.rests:
        return {}
    wanted = {
        "model": embedding_name(route),
        "route": route.name,
        "measure": _measure(similar.model),
        "similarity": similar.similarity,
        "longest": similar.longest,
        "patience": similar.patience + CACHE_PATIENCE,
    }
    return {"similar": wanted}


def _measure(model: ResolvedModel) -> str:
    """Embeddings of another one can't be compared with these."""
    if isinstance(model, ManagedModel):
        managed = model.managed
        made_by = [managed.provider, managed.endpoint, managed.region, managed.project, managed.model]
    else:
        made_by = [model.hosted.source, model.hosted.revision]
    return hashlib.sha256(json.dumps(made_by).encode()).hexdigest()[:8]


def nobody_yet() -> Iterator[Manifest]:
    """At the clients' listener: what only the gateway itself may say."""
    yield from ({"remove": name} for name in (CLIENT_HEADER, ORDER_HEADER, CLIENT_COPY))


def client_again() -> Iterator[Manifest]:
    """At the inner listener: the adapter says for whom it asks."""
    yield {"append": _written(CLIENT_HEADER, f"%REQ({CLIENT_COPY})%")}
    yield from ({"remove": name} for name in (ORDER_HEADER, CLIENT_COPY))


def interception_host(route: NeutralRoute) -> str:
    """The host name at the egress listener, and the cluster that leads there."""
    return f"{route.name}.intercepted"


def embedding_entry(route: NeutralRoute) -> str:
    """The name of the entry, and in the log, of what the adapter asks for embeddings."""
    return f"{route.name}{EMBEDDING_SUFFIX}"


def outer_name(route: NeutralRoute, *, stream: bool) -> str:
    """The cluster that an outer entry names."""
    if route.answer_of_adapter is None:
        return interception_host(route)
    return f"{route.name}.{'stream' if stream else 'whole'}.intercepted"


def _written(name: str, value: str) -> Manifest:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
