"""Intercepted routes: the adapter sees a request before any model does, and asks for the answer itself.

client → listener `gateway` → adapter → listener `inner` → the route's models, as without an interception

The first listener marks what clients send, and an intercepted route has entries for what is marked. What the
adapter asks for has no mark and meets the route's ordinary entries: weights, fallbacks and timeouts hold as
ever, and tokens are counted there, so an answer that is given again costs nothing. A pod marks only what it
can take back: an older one, without the inner listener, sends requests straight to the models.
"""

import json
from collections.abc import Iterator

from aistack.kinds import Manifest
from aistack.render.gateway.adapter import interception_name
from aistack.render.gateway.envoy import CLIENT_HEADER, METADATA, extension, literal
from aistack.render.gateway.guardrails import guardrails_of
from aistack.render.gateway.neutral import NeutralRoute

MARK = "intercept"
"""In the metadata of requests that came from clients."""
ORDER_HEADER, CLIENT_COPY = "x-aistack-order", "x-aistack-for"
"""What the adapter is to do, in JSON, and for which client; interceptor.py reads both."""
CACHE_HEADER = "x-aistack-cache"
"""On an answer, with the value `hit`: it was given before."""


def mark() -> Manifest:
    """The filter that stands first where clients arrive."""
    marked = {"metadata_namespace": METADATA, "value": {MARK: True}}
    return extension("mark", "filters.http.set_metadata.v3.Config", metadata=[marked])


def orders(route: NeutralRoute) -> list[Manifest]:
    """The headers that a request of the route takes along."""
    order: Manifest = {"model": interception_name(route), "guardrails": list(guardrails_of(route))}
    if route.kept:
        order["cache"] = {
            "seconds": route.kept.seconds,
            "shared": route.kept.shared,
            "epoch": route.kept.epoch,
            "epochs": dict(route.kept.epochs),
        }
    text = json.dumps(order, separators=(",", ":"))
    return [_written(ORDER_HEADER, literal(text)), _written(CLIENT_COPY, f"%REQ({CLIENT_HEADER})%")]


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


def outer_name(route: NeutralRoute, *, stream: bool) -> str:
    """The cluster that an outer entry names."""
    if route.when_down is None:
        return interception_host(route)
    return f"{route.name}.{'stream' if stream else 'whole'}.intercepted"


def _written(name: str, value: str) -> Manifest:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
