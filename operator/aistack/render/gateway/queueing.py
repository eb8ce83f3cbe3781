"""Queued routes: a request that nobody could answer waits in the queue, which asks for it again in its turn.

client → listener `gateway` → listener `inner` → the route's models, as without a queue
                            ↘ queue → listener `inner` → the route's models
                            ↘ the last answer

Each is tried when the one before has failed. The clients' listener marks what comes from them, and a queued
route has entries for what is marked; at the inner listener nothing is, so nothing is queued twice.
"""

from aistack.kinds import Manifest
from aistack.render.gateway.clusters import in_order, inner, part
from aistack.render.gateway.degradation import last_answer_name
from aistack.render.gateway.envoy import CLIENT_HEADER
from aistack.render.gateway.interception import CLIENT_COPY
from aistack.render.gateway.neutral import NeutralGateway, NeutralRoute
from aistack.render.gateway.site import Site

ROUTE_HEADER, ARRIVED_HEADER = "x-aistack-queued", "x-aistack-arrived"
"""Which route a request is for, and when it arrived, in milliseconds since 1970. The queue reads both.
At the inner listener the first one says that a client asks, not the adapter."""
QUEUE_HEADERS = (ROUTE_HEADER, ARRIVED_HEADER)
FIRST_TRY, QUEUE = "first-try", "queue"
"""Clusters."""
POD_CHANGES = 3
"""To how many pods of the queue a request is sent at most: both may be renewed while it waits."""
LOST_NODE = {"keepalive_probes": 3, "keepalive_time": 10, "keepalive_interval": 5}
"""Nothing else is heard of a node that is lost while a request waits on it. In seconds."""


def queue_clusters(gateway: NeutralGateway, site: Site) -> list[Manifest]:
    if gateway.queue is None:
        return []
    queue = part(QUEUE, site.queue_address(gateway.stack))
    found = [
        inner(FIRST_TRY, "gateway", site),
        {**queue, "upstream_connection_options": {"tcp_keepalive": LOST_NODE}},
    ]
    ways = [(route, stream) for route in gateway.routes for stream in (False, True)]
    lists = {queued_name(route, stream=stream): tried_in_turn(route, stream=stream) for route, stream in ways}
    return [*found, *(in_order(name, members) for name, members in lists.items())]


def queued_name(route: NeutralRoute, *, stream: bool) -> str:
    """Those without a last answer are all the same."""
    if route.when_down is None:
        return "queued"
    return f"{route.name}.{'stream' if stream else 'whole'}.queued"


def tried_in_turn(route: NeutralRoute, *, stream: bool) -> list[str]:
    """The members of its list."""
    last = [] if route.when_down is None else [last_answer_name(route, stream=stream)]
    return [FIRST_TRY, *[QUEUE] * POD_CHANGES, *last]


def queue_headers(route: NeutralRoute) -> list[Manifest]:
    """What a request takes along. The client is known again behind; nobody counts it twice."""
    values = {
        ROUTE_HEADER: route.name,
        ARRIVED_HEADER: "%START_TIME(%s%3f)%",
        CLIENT_COPY: f"%REQ({CLIENT_HEADER})%",
    }
    return [
        {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        for name, value in values.items()
    ]


def unqueued() -> list[Manifest]:
    """At the clients' listener: what only the gateway itself may say."""
    return [{"remove": name} for name in QUEUE_HEADERS]
