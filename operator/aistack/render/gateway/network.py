"""Who may call the gateway, and whom the gateway calls."""

import ipaddress
from collections.abc import Iterator

from aistack.endpoints import service_namespace
from aistack.kinds import Manifest
from aistack.labels import KEYS_LABEL
from aistack.render.gateway.adapter_pod import identity
from aistack.render.gateway.neutral import NeutralGateway
from aistack.render.gateway.provider import Provider, provider_at, provider_of
from aistack.render.gateway.site import INNER
from aistack.render.gateway.workload import Part
from aistack.render.network import NAMESPACE_LABEL, dns_egress, internet_egress, operator, pods, scrapers
from aistack.resolved import StackRef

BEHIND = {"model": 8000, "adapter": 4000, "ratelimit": 8081, "queue": 8080}
"""What of its own stack a front may call, whether its newest routes lead there or not: until it has them, it
goes on with older ones.
"""
BEHIND_ADAPTER = {"gateway": INNER.port, "cache": 6379}
"""The same of an adapter."""
METADATA_SERVERS = {
    "169.254.169.254/32": 80,  # Google's, and Azure's
    "169.254.169.252/32": 988,  # Google's behind its own node agent
    "169.254.170.23/32": 80,  # EKS Pod Identity
}
"""Where a pod with a workload identity gets its tokens, with the port."""


def front_policies(part: Part, gateway: NeutralGateway) -> Iterator[Manifest]:
    """With client keys every namespace may call, without them only the stack's own. A published endpoint lets
    everybody in: an ingress controller may be on a node's network, or outside the cluster.

    What keys open, a policy of its own opens for the pods that ask for them: until the last one without has
    left, nobody else may call it.
    """
    published = {"ClusterIP": False, "Ingress": True, "Gateway": gateway.resolved.abilities.gateway_api}
    everybody: Manifest = {"ports": [_tcp(8080)]}
    own_namespace: Manifest = {"from": [{"podSelector": {}}], **everybody}
    is_published = published[gateway.resolved.spec.expose.type]
    if gateway.clients:
        every_namespace = {"from": [{"namespaceSelector": {}}], **everybody}
        yield keys_policy(part, everybody if is_published else every_namespace)
        yield front_policy(part, gateway, own_namespace)
    else:
        yield front_policy(part, gateway, everybody if is_published else own_namespace)


def keys_policy(part: Part, callers: Manifest) -> Manifest:
    """No model's name has a dot, so no other policy has this one's."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {**part.metadata, "name": f"{part.object_name}.keys"},
        "spec": {
            "podSelector": {"matchLabels": {**part.selector, KEYS_LABEL: "true"}},
            "policyTypes": ["Ingress"],
            "ingress": [callers],
        },
    }


def front_policy(part: Part, gateway: NeutralGateway, callers: Manifest) -> Manifest:
    """`callers` is the rule for all fronts; the operator and who scrapes reach the loader."""
    behind = [pods(part.stack, "adapter"), pods(part.stack, "queue")]
    asks_again = {"from": behind, "ports": [_tcp(INNER.port)]}
    return _policy(
        part,
        ingress=[
            callers,
            {"from": [operator(gateway.resolved.operator_namespace), scrapers()], "ports": [_tcp(9902)]},
            asks_again,
        ],
        egress=list(_front_egress(part.stack, gateway)),
    )


def adapter_policy(part: Part, gateway: NeutralGateway) -> Manifest:
    """Only the front may call: LiteLLM has no key of its own."""
    egress = [dns_egress(), *([internet_egress()] if gateway.adapted else [])]
    egress += [_to(part.stack, behind, port) for behind, port in BEHIND_ADAPTER.items()]
    egress += [
        provider_egress(provider_of(model), part.stack) for model in gateway.adapted if model.managed.endpoint
    ]
    if identity(gateway):
        egress += [
            {"to": [{"ipBlock": {"cidr": cidr}}], "ports": [_tcp(port)]}
            for cidr, port in METADATA_SERVERS.items()
        ]
    return _policy(
        part,
        ingress=[{"from": [pods(part.stack, "gateway")], "ports": [_tcp(4000)]}],
        egress=_distinct(egress),
    )


def ratelimit_policy(part: Part) -> Manifest:
    return _policy(
        part,
        ingress=[{"from": [pods(part.stack, "gateway")], "ports": [_tcp(8081)]}],
        egress=[dns_egress(), _to(part.stack, "redis", 6379)],
    )


def redis_policy(part: Part, *callers: str) -> Manifest:
    peers = [pods(part.stack, caller) for caller in callers]
    return _policy(part, ingress=[{"from": peers, "ports": [_tcp(6379)]}], egress=[])


def queue_policy(part: Part) -> Manifest:
    return _policy(
        part,
        ingress=[
            {"from": [pods(part.stack, "gateway")], "ports": [_tcp(8080)]},
            {"from": [scrapers()], "ports": [_tcp(9902)]},
        ],
        egress=[dns_egress(), _to(part.stack, "redis", 6379), _to(part.stack, "gateway", INNER.port)],
    )


def _front_egress(stack: StackRef, gateway: NeutralGateway) -> list[Manifest]:
    egress = [dns_egress()]
    egress += [_to(stack, part, port) for part, port in BEHIND.items()]
    egress += [provider_egress(provider_of(model), stack) for model in gateway.direct]
    outside = [gateway.resolved.traces, gateway.resolved.spec.logging.sink]
    egress += [provider_egress(provider_at(each.endpoint), stack) for each in outside if each]
    return _distinct(egress)


def provider_egress(provider: Provider, stack: StackRef) -> Manifest:
    """To an address as it is, to a Service of the cluster by its namespace, to the internet by port.

    A policy sees the port of a Service's pods, which nobody wrote down: so it opens all of the namespace's.
    """
    host, port = provider.address
    if provider.host_is_ip:
        network = ipaddress.ip_network(host)
        return {"to": [{"ipBlock": {"cidr": str(network)}}], "ports": [_tcp(port)]}
    if namespace := service_namespace(host, stack.namespace):
        return {"to": [{"namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: namespace}}}]}
    return {**internet_egress(), "ports": [_tcp(port)]}


def _policy(part: Part, ingress: list[Manifest], egress: list[Manifest]) -> Manifest:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": part.metadata,
        "spec": {
            "podSelector": {"matchLabels": part.selector},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": egress,
        },
    }


def _to(stack: StackRef, part: str, port: int) -> Manifest:
    return {"to": [pods(stack, part)], "ports": [_tcp(port)]}


def _tcp(port: int) -> Manifest:
    return {"protocol": "TCP", "port": port}


def _distinct(rules: list[Manifest]) -> list[Manifest]:
    return [rule for index, rule in enumerate(rules) if rule not in rules[:index]]
