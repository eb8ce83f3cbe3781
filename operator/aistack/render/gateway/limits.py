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

SUBJECTS = ("client", "route")
"""Whose requests are counted, each by a filter of its own, in this order: a client that is over its own limit
uses up nothing of a route's.
"""
TYPE = "filters.http.local_ratelimit.v3.LocalRateLimit"
NO_LIMIT = {"max_tokens": 2**32 - 1, "tokens_per_fill": 2**32 - 1, "fill_interval": "1s"}
"""What Envoy demands for requests without a bucket of their own."""


def limit_requests(subject: str) -> Manifest:
    """The filter in the listener's chain: it limits nothing until the virtual host says so."""
    return extension(_filter(subject), TYPE, stat_prefix=_filter(subject))


def limits(gateway: NeutralGateway) -> Manifest:
    """The virtual host's configuration of the filters; none without any limit."""
    buckets = {"client": list(_buckets_of_clients(gateway)), "route": list(_buckets_of_routes(gateway))}
    return {_filter(subject): _limiting(subject, found) for subject, found in buckets.items() if found}


def counted_by(subject: str, key: str) -> Manifest:
    """Where a request says whose it is, as one entry of a descriptor."""
    if subject == "client":
        return {"request_headers": {"descriptor_key": key, "header_name": CLIENT_HEADER}}
    return {
        "metadata": {"descriptor_key": key, "metadata_key": {"key": METADATA, "path": [{"key": "model"}]}}
    }


def _filter(subject: str) -> str:
    return f"{subject}_requests"


def _limiting(subject: str, buckets: list[Manifest]) -> Manifest:
    everything = {"default_value": {"numerator": 100}}
    return typed(
        f"extensions.{TYPE}",
        stat_prefix=_filter(subject),
        filter_enabled=everything,
        filter_enforced=everything,
        enable_retry_after_header=True,
        rate_limits=[{"actions": [counted_by(subject, subject)]}],
        descriptors=buckets,
        token_bucket=NO_LIMIT,
    )


def _buckets_of_clients(gateway: NeutralGateway) -> Iterator[Manifest]:
    for client in gateway.clients:
        if client.requests_per_minute:
            yield _bucket("client", client.name, client.requests_per_minute, _depth(gateway))


def _buckets_of_routes(gateway: NeutralGateway) -> Iterator[Manifest]:
    for route in gateway.routes:
        if route.requests_per_minute:
            yield _bucket("route", route.name, route.requests_per_minute, _depth(gateway))


def _depth(gateway: NeutralGateway) -> int:
    """In minutes of a limit."""
    return 2 if gateway.resolved.needs_ratelimit else 1


def _bucket(key: str, value: str, per_minute: int, depth: int) -> Manifest:
    return {
        "entries": [{"key": key, "value": value}],
        "token_bucket": {
            "max_tokens": depth * per_minute,
            "tokens_per_fill": per_minute,
            "fill_interval": "60s",
        },
    }
