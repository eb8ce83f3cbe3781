"""The way of the log to its sink, by OTLP over HTTP: what Envoy has written down goes in batches, and no
request waits for them.
"""

from collections.abc import Mapping

from aistack.api.accesslog import LogSink
from aistack.kinds import Manifest
from aistack.render.gateway.envoy import duration, extension, socket_address
from aistack.render.gateway.neutral import NeutralGateway
from aistack.render.gateway.provider import binding, provider_at
from aistack.render.gateway.site import Site
from aistack.render.gateway.upstream import by_name, cluster, codec, injected_key, tls_to, upstream_filters

SINK = "sink"
"""The cluster that logs go to."""
KEY_FILE = "sink.json"
"""Always there, for Envoy doesn't start without it: empty in pods that are older than their stack's sink."""
FLUSH_SECONDS, SEND_SECONDS = 3, 2
"""How often a batch is sent, and how long that may take with all its tries. A worker of Envoy's counts only
one batch at a time right, so one is over before the next begins.
"""
BATCH_BYTES = 512 * 1024
"""A batch that is as large goes at once: sinks refuse requests of some megabytes."""
BOUNDS = {"thresholds": [{"max_connections": 16, "max_pending_requests": 16, "max_retries": 16}]}
"""Batches under way to a sink that is slow; further ones are dropped."""
TRIES = {
    "retry_on": "5xx,retriable-status-codes",
    "retriable_status_codes": [429],
    "num_retries": 3,
    "retry_back_off": {"base_interval": "0.25s", "max_interval": "1s"},
}


def sink_name(sink: LogSink) -> str:
    """The name of its secret in Envoy: no other sink is ever shown it, nor in another header."""
    return f"sink-{binding([sink.endpoint, sink.header], sink.secret_key_ref)}"


def sink_log(gateway: NeutralGateway, sink: LogSink, record: Mapping[str, str]) -> Manifest:
    """`record` is what is known of a request, by Envoy's formats."""
    about = {
        "service.name": gateway.resolved.object_name,
        "aistack.namespace": gateway.stack.namespace,
        "aistack.stack": gateway.stack.name,
    }
    if retention := gateway.resolved.spec.logging.retention:
        about["aistack.retention"] = retention
    uri = {"uri": sink.endpoint, "cluster": SINK, "timeout": duration(SEND_SECONDS)}
    return extension(
        "sink",
        "access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig",
        http_service={"http_uri": uri},
        disable_builtin_labels=True,
        resource_attributes=_attributes(about),
        attributes=_attributes({f"aistack.{name}": text for name, text in record.items()}),
        buffer_flush_interval=duration(FLUSH_SECONDS),
        buffer_size_bytes=BATCH_BYTES,
    )


def sink_cluster(sink: LogSink, site: Site) -> Manifest:
    """It belongs to the bootstrap, as the listener that names it."""
    found = provider_at(sink.endpoint)
    endpoint = {"hostname": found.address.host, "address": socket_address(site.provider_address(found))}
    filters = [codec()]
    if sink.secret_key_ref:
        header = (sink.header or "authorization").lower()
        filters.insert(0, injected_key(sink_name(sink), KEY_FILE, site, header=header))
    return {
        **cluster(SINK, {SINK: endpoint}),
        "circuit_breakers": BOUNDS,
        "cluster_type": by_name(all_addresses_in_single_endpoint=True),
        "connect_timeout": "2s",
        "typed_extension_protocol_options": upstream_filters(filters, retry_policy=TRIES),
        **({"transport_socket": tls_to(found, site.trusted_ca)} if found.tls else {}),
    }


def _attributes(texts: Mapping[str, str]) -> Manifest:
    return {"values": [{"key": key, "value": {"string_value": text}} for key, text in texts.items()]}
