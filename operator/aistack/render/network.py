"""Who may talk to whom: everything is denied to a stack's pods, then what the stack declares is allowed."""

from collections.abc import Iterator

from aistack.kinds import Manifest
from aistack.labels import COMPONENT_LABEL, NAME_LABEL, STACK_LABEL
from aistack.render.metadata import metadata, selector
from aistack.resolved import ResolvedStack, SelfHostedModel, StackRef

PRIVATE_IPV4 = ("10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")
"""RFC 1918, RFC 6598 and RFC 3927: nodes, pods, and the cloud's metadata address are among them."""
PRIVATE_IPV6 = ("fc00::/7", "fe80::/10")
"""RFC 4193 and RFC 4291."""
NAMESPACE_LABEL = "kubernetes.io/metadata.name"
"""Kubernetes writes it on every namespace."""
METRICS_LABEL = "aistack.dev/metrics"
"""On a namespace, with the value `true`: what runs there may read the metrics of every stack."""
OPERATOR_LABELS = {"app.kubernetes.io/name": "aistack", "app.kubernetes.io/component": "controller"}
"""The controller's pods, as the chart labels them: they ask the loaders what is live, and vLLM what it has
counted."""
NODE_LOCAL_DNS = "169.254.20.10/32"
"""The address of Kubernetes' NodeLocal DNSCache: not a pod's, so no selector picks it."""


def network_policies(stack: ResolvedStack) -> Iterator[Manifest]:
    """The stack's default deny, and what its models need; the gateway's policies are its own."""
    yield default_deny(stack.ref)
    for model in stack.self_hosted:
        yield model_policy(model, stack.gateway.operator_namespace)


def default_deny(stack: StackRef) -> Manifest:
    """Nothing reaches a pod of the stack and it reaches nothing, unless another policy allows it.

    It has the stack's own name: every other one has a part's.
    """
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(stack, "network", "default-deny", stack.name),
        "spec": {
            "podSelector": {"matchLabels": {STACK_LABEL: stack.name}},
            "policyTypes": ["Ingress", "Egress"],
        },
    }


def model_policy(model: SelfHostedModel, operator_namespace: str) -> Manifest:
    """A model is called by its stack's gateway, and reaches the internet only to download itself. Autoscalers
    follow what it measures, and the operator reads how fast it is: that is said where it answers."""
    stack = model.stack
    downloads = model.hosted.source.startswith("hf://")
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(stack, "model", model.name, model.object_name),
        "spec": {
            "podSelector": {"matchLabels": selector(stack, "model", model.name)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [
                {
                    "from": [
                        pods(stack, "gateway"),
                        pods(stack, "adapter"),
                        operator(operator_namespace),
                        scrapers(),
                    ],
                    "ports": [{"protocol": "TCP", "port": 8000}],
                }
            ],
            "egress": [dns_egress(), internet_egress()] if downloads else [],
        },
    }


def pods(stack: StackRef, component: str, name: str | None = None) -> Manifest:
    """The peer that is the stack's pods of one component, or only those of one part."""
    labels = {STACK_LABEL: stack.name, COMPONENT_LABEL: component}
    return {"podSelector": {"matchLabels": labels | ({NAME_LABEL: name} if name else {})}}


def operator(namespace: str) -> Manifest:
    """The peer that is the controller."""
    return {
        "namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: namespace}},
        "podSelector": {"matchLabels": OPERATOR_LABELS},
    }


def scrapers() -> Manifest:
    """The peer that is every pod of a namespace whose label says that metrics are read from there."""
    return {"namespaceSelector": {"matchLabels": {METRICS_LABEL: "true"}}}


def dns_egress() -> Manifest:
    """The way to the cluster's DNS, wherever it runs."""
    return {
        "to": [{"namespaceSelector": {}}, {"ipBlock": {"cidr": NODE_LOCAL_DNS}}],
        "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
    }


def internet_egress() -> Manifest:
    """HTTPS to the internet, not to private addresses: NetworkPolicy knows no host names."""
    return {
        "to": [
            {"ipBlock": {"cidr": "0.0.0.0/0", "except": list(PRIVATE_IPV4)}},
            {"ipBlock": {"cidr": "::/0", "except": list(PRIVATE_IPV6)}},
        ],
        "ports": [{"protocol": "TCP", "port": 443}],
    }
