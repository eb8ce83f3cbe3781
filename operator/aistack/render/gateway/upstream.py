"""What a cluster of Envoy's is made of: where it leads, how, and what a request gets on its way out."""

from collections.abc import Mapping

from aistack.kinds import Manifest
from aistack.render.gateway.envoy import MAX_BODY, METADATA, extension, typed, watched_file
from aistack.render.gateway.provider import Provider
from aistack.render.gateway.site import Site

NO_LIMITS = {
    "thresholds": [
        {
            "max_connections": 10_000,
            "max_pending_requests": 10_000,
            "max_requests": 10_000,
            "max_retries": 10_000,  # the default of 3 would end fallbacks just when they are needed
            "track_remaining": True,
        }
    ]
}


def cluster(name: str, endpoints: Mapping[str, Manifest]) -> Manifest:
    """What every cluster with endpoints shares; they are by the target that stands in the access log."""
    return {
        "name": name,
        "per_connection_buffer_limit_bytes": MAX_BODY,
        "circuit_breakers": NO_LIMITS,
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [
                {
                    "lb_endpoints": [
                        {
                            "metadata": {"filter_metadata": {METADATA: {"target": target}}},
                            "endpoint": endpoint,
                        }
                        for target, endpoint in endpoints.items()
                    ]
                }
            ],
        },
    }


def by_name(**fields: object) -> Manifest:
    """Addresses from DNS: every address a host, or all of them one host that is many machines."""
    return extension(
        "envoy.clusters.dns", "clusters.dns.v3.DnsCluster", dns_lookup_family="V4_PREFERRED", **fields
    )


def upstream_filters(filters: list[Manifest], **options: object) -> Manifest:
    """What each attempt passes on its way out; the last one is `codec`."""
    return {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": typed(
            "extensions.upstreams.http.v3.HttpProtocolOptions",
            explicit_http_config={"http_protocol_options": {}},
            http_filters=filters,
            **options,
        )
    }


def codec() -> Manifest:
    return extension("codec", "filters.http.upstream_codec.v3.UpstreamCodec")


def injected_key(
    name: str, file: str, site: Site, *, header: str = "authorization", prefix: str = ""
) -> Manifest:
    """The key of this name, from a file that the loader writes; what a request brings in its header goes."""
    credential = {"name": name, "sds_config": watched_file(site.live, file)}
    return extension(
        "credential_injector",
        "filters.http.credential_injector.v3.CredentialInjector",
        overwrite=True,
        credential=extension(
            "generic",
            "http.injected_credentials.generic.v3.Generic",
            header=header,
            header_value_prefix=prefix,
            credential=credential,
        ),
    )


def tls_to(found: Provider, trusted_ca: str) -> Manifest:
    """Only to who proves to be the host that is meant."""
    san_type = "IP_ADDRESS" if found.host_is_ip else "DNS"
    validation = {
        "trusted_ca": {"filename": trusted_ca},
        "match_typed_subject_alt_names": [{"san_type": san_type, "matcher": {"exact": found.address.host}}],
    }
    sni = {} if found.host_is_ip else {"sni": found.address.host}
    return extension(
        "tls",
        "transport_sockets.tls.v3.UpstreamTlsContext",
        common_tls_context={"validation_context": validation},
        **sni,
    )
