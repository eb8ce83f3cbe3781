"""Limits over all replicas: Envoy asks the rate-limit service, which counts in Redis, in whole minutes.

Requests are counted as they come. Tokens are known when an answer ends: a request only asks whether the
minute has any left, and what it took is charged afterwards, so requests under way at once may pass the limit.

While the service or Redis is away, requests go through. What each replica then lets through is bounded by a
bucket of its own; tokens are not.
"""

import json
from collections.abc import Iterator, Set

from aistack.kinds import Manifest
from aistack.render.gateway.brake import COUNTS, charges, clients_ask, model_asks, money_descriptors
from aistack.render.gateway.envoy import extension, socket_address, typed
from aistack.render.gateway.estimates import ESTIMATES
from aistack.render.gateway.limits import SUBJECTS, counted_by
from aistack.render.gateway.neutral import NeutralGateway
from aistack.render.gateway.replies import CLIENT_SPENT, MODEL_SPENT
from aistack.render.gateway.site import Site
from aistack.resolved import ManagedModel

SERVICE = "ratelimit"
"""The name of the service's cluster."""
CONFIG = "limits.yaml"
MONEY, ADAPTERS_MONEY = "money_counters", "adapters_money_counters"
"""The filters that count money, where clients arrive and on the way out, and where the adapter asks."""
UNSAID = {"disable_x_envoy_ratelimited_header": True}
PATIENCE = "0.5s"
"""How long a request waits for the service before it goes through.

Little beside a model's answer, and enough for a service that a busy node gives no CPU for a while.
"""
TOKENS = ("prompt", "completion", *ESTIMATES)
"""What of `COUNTS` limits of tokens are about."""


def ask_service(subject: str) -> Manifest:
    """The filter in the listener's chain: it asks nothing until the virtual host says what."""
    return _asking(_filter(subject), enable_retry_after_header=True)


def ask_for_clients_money() -> Manifest:
    """The same about money, where clients arrive."""
    return _asking(MONEY, rate_limited_status={"code": CLIENT_SPENT}, **UNSAID)


def charge_what_adapter_asks() -> Manifest:
    """The same where the adapter asks."""
    return _asking(ADAPTERS_MONEY)


def ask_for_models_money() -> Manifest:
    """The same on the way out, until a managed model's host says what."""
    return _asking(MONEY, rate_limited_status={"code": MODEL_SPENT}, **UNSAID)


def _asking(name: str, **fields: object) -> Manifest:
    return extension(
        name,
        "filters.http.ratelimit.v3.RateLimit",
        domain="gateway",
        timeout=PATIENCE,
        failure_mode_deny=False,
        **fields,
        rate_limit_service={
            "transport_api_version": "V3",
            "grpc_service": {"envoy_grpc": {"cluster_name": SERVICE}},
        },
    )


def _filter(subject: str) -> str:
    return f"{subject}_counters"


def service_cluster(gateway: NeutralGateway, site: Site) -> Manifest:
    """Where the service is. It belongs to the bootstrap, as the filter that names it."""
    endpoint = {"address": socket_address(site.ratelimit_address(gateway.stack))}
    return {
        "name": SERVICE,
        "connect_timeout": "1s",
        "cluster_type": extension(
            "envoy.clusters.dns", "clusters.dns.v3.DnsCluster", dns_lookup_family="V4_PREFERRED"
        ),
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": typed(
                "extensions.upstreams.http.v3.HttpProtocolOptions",
                # A connection to a node that is lost would be waited on for minutes.
                explicit_http_config={
                    "http2_protocol_options": {"connection_keepalive": {"interval": "5s", "timeout": "2s"}}
                },
            )
        },
        "load_assignment": {
            "cluster_name": SERVICE,
            "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}],
        },
    }


def shared_limits(gateway: NeutralGateway) -> Manifest:
    """The virtual host's configuration of the filters: which counters a request is about.

    Who has no limit is counted like the others: the service has no such counter, and answers at once.
    """
    if not gateway.resolved.needs_ratelimit:
        return {}
    limited = {descriptor["key"] for descriptor in _descriptors(gateway)}
    counters = {_filter(subject): list(_counters(subject, limited)) for subject in SUBJECTS}
    counters[MONEY] = [*clients_ask(gateway), *charges(gateway, answered=True)]
    counters[ADAPTERS_MONEY] = list(charges(gateway, answered=False)) if gateway.asked_again else []
    return {name: _counting(found) for name, found in counters.items() if found}


def model_limit(gateway: NeutralGateway, model: ManagedModel) -> Manifest:
    """A managed model's configuration of the filter on the way out."""
    asked = list(model_asks(gateway, model))
    return {MONEY: _counting(asked)} if asked else {}


def no_money(gateway: NeutralGateway) -> Manifest:
    """A route's configuration, of one that costs nothing."""
    return {MONEY: _counting([])} if gateway.resolved.quotas else {}


def _counting(counters: list[Manifest]) -> Manifest:
    return typed("extensions.filters.http.ratelimit.v3.RateLimitPerRoute", rate_limits=counters)


def _counters(subject: str, limited: Set[str]) -> Iterator[Manifest]:
    if subject in limited:
        yield {"actions": [counted_by(subject, subject)]}
    if (tokens := f"{subject}_tokens") in limited:
        actions = [counted_by(subject, tokens)]
        yield {"actions": actions, "hits_addend": {"number": 0}}
        used = {"format": f"%CEL(int({' + '.join(COUNTS[kind] for kind in TOKENS)}))%"}
        yield {"actions": actions, "apply_on_stream_done": True, "hits_addend": used}


def ratelimit_files(gateway: NeutralGateway) -> dict[str, str]:
    """The service's configuration, in JSON, which is YAML."""
    config = {"domain": "gateway", "descriptors": list(_descriptors(gateway))}
    return {CONFIG: json.dumps(config, indent=2) + "\n"}


def _descriptors(gateway: NeutralGateway) -> Iterator[Manifest]:
    for route in gateway.routes:
        yield from _descriptor("route", route.name, route.requests_per_minute)
        yield from _descriptor("route_tokens", route.name, route.tokens_per_minute)
    for client in gateway.clients:
        yield from _descriptor("client", client.name, client.requests_per_minute)
        yield from _descriptor("client_tokens", client.name, client.tokens_per_minute)
    yield from money_descriptors(gateway)


def _descriptor(key: str, value: str, per_minute: int | None) -> Iterator[Manifest]:
    if per_minute:
        limit = {"unit": "minute", "requests_per_unit": per_minute}
        yield {"key": key, "value": value, "rate_limit": limit}
