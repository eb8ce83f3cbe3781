"""Requests a minute, of a route over all clients and of a client over all routes, in this replica alone.

Where limits hold over all replicas, these are the bounds while the service that counts is away. They are
twice as deep then: it counts in whole minutes, and at the turn of one twice its limit may come at once.

A limit is a bucket that holds a minute's requests and is filled evenly: after a quiet minute they may come at
once, in the long run never more than the limit come. The buckets stand at the virtual host: at a route each
of its entries would have a bucket of its own. A changed set of routes or limits begins with full buckets.
Every bucket is declared: none is made on demand, which Envoy does for 20 values of a key only.
"""

from collections.abc import Iterator

from aistack.kinds import Manifest
from aistack.render.gateway.envoy import CLIENT_HEADER, METADATA, extension, typed
from aistack.render.gateway.neutral import NeutralGateway

FILTER = "local_ratelimit"
TYPE = "filters.http.local_ratelimit.v3.LocalRateLimit"
NO_LIMIT = {"max_tokens": 2**32 - 1, "tokens_per_fill": 2**32 - 1, "fill_interval": "1s"}
"""What Envoy demands for requests without a bucket of their own."""


def limit_requests() -> Manifest:
    """The filter in the listener's chain: it limits nothing until the virtual host says so."""
    return extension(FILTER, TYPE, stat_prefix="limits")


def limits(gateway: NeutralGateway) -> Manifest:
    """The virtual host's configuration of the filter; none without any limit."""
    buckets = list(_buckets(gateway))
    if not buckets:
        return {}
    everything = {"default_value": {"numerator": 100}}
    model = {"descriptor_key": "route", "metadata_key": {"key": METADATA, "path": [{"key": "model"}]}}
    client = {"descriptor_key": "client", "header_name": CLIENT_HEADER}
    return {
        FILTER: typed(
            f"extensions.{TYPE}",
            stat_prefix="limits",
            filter_enabled=everything,
            filter_enforced=everything,
            enable_retry_after_header=True,
            rate_limits=[{"actions": [{"metadata": model}]}, {"actions": [{"request_headers": client}]}],
            descriptors=buckets,
            token_bucket=NO_LIMIT,
        )
    }


def _buckets(gateway: NeutralGateway) -> Iterator[Manifest]:
    depth = 2 if gateway.resolved.needs_ratelimit else 1
    for route in gateway.routes:
        if route.requests_per_minute:
            yield _bucket("route", route.name, route.requests_per_minute, depth)
    for client in gateway.clients:
        if client.requests_per_minute:
            yield _bucket("client", client.name, client.requests_per_minute, depth)


def _bucket(key: str, value: str, per_minute: int, depth: int) -> Manifest:
    return {
        "entries": [{"key": key, "value": value}],
        "token_bucket": {
            "max_tokens": depth * per_minute,
            "tokens_per_fill": per_minute,
            "fill_interval": "60s",
        },
    }
