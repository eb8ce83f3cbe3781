"""The spans of requests, for an OpenTelemetry collector: who asked, which route, who answered, how long it
took; no prompt and no answer.
"""

from aistack.catalog import Traces
from aistack.kinds import Manifest
from aistack.render.gateway.envoy import CLIENT_HEADER, METADATA, extension, socket_address, typed
from aistack.render.gateway.neutral import NeutralGateway
from aistack.render.gateway.provider import Provider
from aistack.render.gateway.site import Site
from aistack.render.gateway.upstream import by_name, cluster, tls_to

COLLECTOR = "collector"
"""The cluster that spans go to."""


def tracing(gateway: NeutralGateway, traces: Traces) -> Manifest:
    """The listener's setting. A request that comes with a trace goes on with it, and is sampled as that is;
    a model in the cluster gets it, too, in W3C's headers.
    """
    collector = {"uri": traces.endpoint, "cluster": COLLECTOR, "timeout": "2s"}
    tracer = typed(
        "config.trace.v3.OpenTelemetryConfig",
        service_name=gateway.resolved.object_name,
        http_service={"http_uri": collector},
        sampler=_sampler(traces.percent),
    )
    return {
        "provider": {"name": "envoy.tracers.opentelemetry", "typed_config": tracer},
        "random_sampling": {"value": 100},  # the sampler decides, which knows of the trace
        "spawn_upstream_span": True,
        "custom_tags": [
            {"tag": "aistack.namespace", "literal": {"value": gateway.stack.namespace}},
            {"tag": "aistack.stack", "literal": {"value": gateway.stack.name}},
            {"tag": "aistack.client", "request_header": {"name": CLIENT_HEADER}},
            _tag("route", "route"),
            _tag("target", "host"),
        ],
    }


def collector(found: Provider, site: Site) -> Manifest:
    """Where spans go. It belongs to the bootstrap, as the listener that names it."""
    return {
        **cluster(COLLECTOR, {COLLECTOR: {"address": socket_address(found.address)}}),
        "cluster_type": by_name(all_addresses_in_single_endpoint=True),
        "connect_timeout": "1s",
        **({"transport_socket": tls_to(found, site.trusted_ca)} if found.tls else {}),
    }


def _sampler(percent: float) -> Manifest:
    """As the trace that a request comes with; of the others so many."""
    ratio = extension(
        "envoy.tracers.opentelemetry.samplers.trace_id_ratio_based",
        "tracers.opentelemetry.samplers.v3.TraceIdRatioBasedSamplerConfig",
        sampling_percentage={"numerator": round(percent * 10_000), "denominator": "MILLION"},
    )
    return extension(
        "envoy.tracers.opentelemetry.samplers.parent_based",
        "tracers.opentelemetry.samplers.v3.ParentBasedSamplerConfig",
        wrapped_sampler=ratio,
    )


def _tag(name: str, kind: str) -> Manifest:
    """What a request's route or its model's host says of itself."""
    key = {"key": METADATA, "path": [{"key": name}]}
    return {"tag": f"aistack.{name}", "metadata": {"kind": {kind: {}}, "metadata_key": key}}
