"""Envoy's bootstrap: what a running front never changes, its listeners above all.

A changed listener drains its connections; clusters, routes and keys change without anybody noticing. They
come from files that the loader hands over one after the other.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath

from aistack.kinds import Manifest
from aistack.render.gateway.body import change_body, reading
from aistack.render.gateway.clusters import EGRESS
from aistack.render.gateway.envoy import (
    MAX_BODY,
    duration,
    extension,
    socket_address,
    typed,
    watched_file,
)
from aistack.render.gateway.interception import client_again, mark, nobody_yet
from aistack.render.gateway.limits import SUBJECTS, limit_requests
from aistack.render.gateway.logsink import sink_cluster
from aistack.render.gateway.neutral import NeutralGateway
from aistack.render.gateway.provider import provider_at
from aistack.render.gateway.queueing import unqueued
from aistack.render.gateway.refusals import refusals
from aistack.render.gateway.replies import egress_replies, front_replies, own_words
from aistack.render.gateway.shared_limits import (
    ask_for_clients_money,
    ask_for_models_money,
    ask_service,
    charge_what_adapter_asks,
    service_cluster,
)
from aistack.render.gateway.site import Site
from aistack.render.gateway.telemetry import inner_loggers, loggers
from aistack.render.gateway.tracing import collector, tracing

MAX_CONNECTIONS = 20_000
MAX_HEAP = 900 * 1024 * 1024
"""Bytes; the container may use 1 GiB."""
IDLE_SECONDS = 60
"""How long a client's connection may stay open without a request; a drain waits for the last one."""


def bootstrap(gateway: NeutralGateway, site: Site) -> Manifest:
    return {
        "admin": {"address": {"pipe": {"path": str(PurePosixPath(site.live, "admin.sock")), "mode": 0o600}}},
        "dynamic_resources": {"cds_config": watched_file(site.live, "clusters.json")},
        "static_resources": {
            "listeners": list(listeners(gateway, site)),
            **_clusters(gateway, site),
        },
        "bootstrap_extensions": [
            extension(
                "envoy.bootstrap.internal_listener",
                "bootstrap.internal_listener.v3.InternalListener",
            )
        ],
        "overload_manager": overload(),
    }


def listeners(gateway: NeutralGateway, site: Site) -> Iterator[Manifest]:
    """The loader looks at the statistics of the first one's routes."""
    yield client_listener(gateway, site)
    if gateway.asked_again:
        yield inner_listener(gateway, site)
    yield egress_listener(gateway, site)
    yield probe_listener(site)


def _clusters(gateway: NeutralGateway, site: Site) -> Manifest:
    """Those that a listener names."""
    found = [service_cluster(gateway, site)] if gateway.resolved.needs_ratelimit else []
    if traces := gateway.resolved.traces:
        found.append(collector(provider_at(traces.endpoint), site))
    if sink := gateway.resolved.spec.logging.sink:
        found.append(sink_cluster(sink, site))
    return {"clusters": found} if found else {}


def overload() -> Manifest:
    """Requests are held in memory: a front with none left refuses new ones, and goes on with those it has."""
    heap = "envoy.resource_monitors.fixed_heap"

    def action(name: str, share: float) -> Manifest:
        trigger = {"name": heap, "threshold": {"value": share}}
        return {"name": f"envoy.overload_actions.{name}", "triggers": [trigger]}

    return {
        "resource_monitors": [
            extension(
                "envoy.resource_monitors.global_downstream_max_connections",
                "resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                max_active_downstream_connections=MAX_CONNECTIONS,
            ),
            extension(heap, "resource_monitors.fixed_heap.v3.FixedHeapConfig", max_heap_size_bytes=MAX_HEAP),
        ],
        "actions": [action("shrink_heap", 0.9), action("stop_accepting_requests", 0.95)],
    }


def client_listener(gateway: NeutralGateway, site: Site) -> Manifest:
    """Where clients arrive: who are they, what do they ask for, may they, how often, and on to a model."""
    early = [as_json(), *nobody_yet(), *(unqueued() if gateway.queue else ())]
    filters, traces = reading(), gateway.resolved.traces
    if gateway.clients:
        filters = [keys(site), *filters, permissions()]
    if gateway.resolved.needs_ratelimit:
        filters.append(ask_for_clients_money())
    for subject in SUBJECTS:
        filters.append(limit_requests(subject))
        if gateway.resolved.needs_ratelimit:
            filters.append(ask_service(subject))
    filters += [change_body(), own_words(), router()]
    if gateway.asked_again:
        filters.insert(0, mark())
    return {
        "name": "gateway",
        "address": socket_address(site.listen),
        "per_connection_buffer_limit_bytes": MAX_BODY,
        "filter_chains": [
            _http(
                "gateway",
                site,
                filters,
                front_replies(counts_money=gateway.resolved.needs_ratelimit),
                use_remote_address=True,  # x-envoy-* headers of a client count for nothing
                skip_xff_append=True,
                normalize_path=True,
                merge_slashes=True,
                path_with_escaped_slashes_action="REJECT_REQUEST",
                common_http_protocol_options={"idle_timeout": duration(IDLE_SECONDS)},
                request_headers_timeout="30s",
                access_log=list(loggers(gateway)),
                early_header_mutation_extensions=[early_mutations("as_read", early)],
                **({"tracing": tracing(gateway, traces)} if traces else {}),
            )
        ],
    }


def inner_listener(gateway: NeutralGateway, site: Site) -> Manifest:
    """Where the adapter asks for the answers of intercepted routes, and the queue for those of requests that
    wait: counted and limited is what clients ask, but which client may use which route holds here, too.
    """
    filters = reading()
    if gateway.clients:
        filters.append(permissions())
    if gateway.resolved.needs_ratelimit:
        filters.append(charge_what_adapter_asks())
    return {
        "name": "inner",
        "address": socket_address(site.inner),
        "per_connection_buffer_limit_bytes": MAX_BODY,
        "filter_chains": [
            _http(
                "gateway",
                site,
                [*filters, change_body(), router()],
                front_replies(counts_money=gateway.resolved.needs_ratelimit),
                common_http_protocol_options={"idle_timeout": duration(IDLE_SECONDS)},
                access_log=list(inner_loggers(gateway)),
                early_header_mutation_extensions=[early_mutations("client", list(client_again()))],
            )
        ],
    }


def egress_listener(gateway: NeutralGateway, site: Site) -> Manifest:
    """Where Envoy calls itself for managed models; no socket leads here."""
    money = [ask_for_models_money()] if gateway.resolved.needs_ratelimit else []
    return {
        "name": EGRESS,
        "internal_listener": {},
        "per_connection_buffer_limit_bytes": 2 * MAX_BODY,  # a renamed model may make a body longer
        "filter_chains": [
            _http(
                EGRESS,
                site,
                [*money, refusals(), change_body(), router()],
                egress_replies(counts_money=gateway.resolved.needs_ratelimit),
                early_header_mutation_extensions=[clean_headers()],
            )
        ],
    }


def probe_listener(site: Site) -> Manifest:
    """Answers 200 as long as Envoy's workers work; the admin interface is not reachable from outside."""
    answer = {"match": {"prefix": "/"}, "direct_response": {"status": 200}}
    manager = typed(
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="probe",
        route_config={"virtual_hosts": [{"name": "probe", "domains": ["*"], "routes": [answer]}]},
        http_filters=[router()],
    )
    return {
        "name": "probe",
        "address": socket_address(site.probe),
        "ignore_global_conn_limit": True,
        "bypass_overload_manager": True,
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }


def keys(site: Site) -> Manifest:
    """Clients' keys, from a file that the loader writes; until it is there, nobody enters."""
    return {
        "name": "api_key_auth",
        "config_discovery": {
            "config_source": watched_file(site.live, "clients.json"),
            "type_urls": ["envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuth"],
        },
    }


def permissions() -> Manifest:
    """Routes that not every client may use say who may."""
    return extension("rbac", "filters.http.rbac.v3.RBAC")


def early_mutations(name: str, mutations: list[Manifest]) -> Manifest:
    """Before any filter, so that neither a route nor the log ever believes a client's own word."""
    kind = "http.early_header_mutation.header_mutation.v3.HeaderMutation"
    return extension(name, kind, mutations=mutations)


def as_json() -> Manifest:
    """A body is read as JSON whatever its client calls it, so it is what everybody behind takes it for, too:
    nothing is served here that isn't.
    """
    content_type = {"key": "content-type", "value": "application/json"}
    return {"append": {"header": content_type, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}


def clean_headers() -> Manifest:
    """Before any filter: LiteLLM is told nothing by a client's headers."""
    return early_mutations("clean_headers", [{"remove_on_match": {"key_matcher": {"prefix": "x-litellm-"}}}])


def router() -> Manifest:
    return extension("router", "filters.http.router.v3.Router", suppress_envoy_headers=True)


def _http(name: str, site: Site, filters: list[Manifest], replies: Manifest, **options: object) -> Manifest:
    """A filter chain that serves HTTP by the routes of the same name; routes bound the time of a request."""
    files = {"gateway": "routes.json", EGRESS: "egress.json"}
    manager = typed(
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=name,
        stream_idle_timeout="0s",
        rds={"route_config_name": name, "config_source": watched_file(site.live, files[name])},
        local_reply_config=replies,
        http_filters=filters,
        **options,
    )
    return {"filters": [{"name": "http", "typed_config": manager}]}
