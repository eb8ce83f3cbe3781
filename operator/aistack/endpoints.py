"""Addresses outside a stack that its spec has the gateway call: whether they can be, and may be."""

import ipaddress
from urllib.parse import urlsplit


def endpoint_problem(endpoint: str, callee: str, *, example: str, key: str) -> str | None:
    """Why a URL is none of a `callee`, such as `provider`, and what to write instead; None where it is one.

    `example` is one; `key` is the field for what a callee wants to be shown.
    """
    try:
        url = urlsplit(endpoint)
        well_formed = bool(url.hostname) and url.port != 0 and not url.query and not url.fragment
    except ValueError:  # a port that is none, or half an IPv6 address
        well_formed = False
    if not well_formed:
        return f"{endpoint!r} is no {callee}'s URL; write one such as {example}"
    if url.username is not None:
        return (
            "a user's name in the URL would stand in the spec for everyone to read; leave it out and write "
            f"{key}"
        )
    if _is_own(url.hostname or ""):
        return (
            f"{url.hostname} is the gateway's own pod or its node, no {callee}; write the {callee}'s address"
        )
    return None


def service_namespace(host: str, own: str) -> str | None:
    """The namespace of a Service's name: `vllm`, `vllm.team.svc` or `vllm.team.svc.cluster.local`; None for
    any other host. `own` is the caller's.
    """
    service, *rest = host.split(".")
    if service and not rest:
        return own
    return rest[0] if rest[1:2] == ["svc"] else None


def is_inside(host: str) -> bool:
    """Whether a host is a Service of the cluster, or in a private network."""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return service_namespace(host, "own") is not None


def _is_own(host: str) -> bool:
    """Loopback, or link-local as the cloud's metadata server is: a gateway must not fetch its tokens."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host.rstrip(".") == "localhost"
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_loopback or mapped.is_link_local or mapped.is_unspecified or mapped.is_multicast)
