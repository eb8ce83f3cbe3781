"""How the endpoint is published outside the cluster."""

from collections.abc import Iterator

from aistack.api.gateway import CertificateIssuer, Expose, GatewayRef
from aistack.kinds import Manifest
from aistack.render.gateway.workload import Part


def exposure(part: Part, expose: Expose, *, gateway_api: bool) -> Iterator[Manifest]:
    """Nothing where the cluster lacks what is asked for: the status says so, and inside the stack answers."""
    if expose.type == "Ingress":
        yield ingress(part, expose)
    if expose.gateway_ref and gateway_api:
        yield http_route(part, expose, expose.gateway_ref)


def http_route(part: Part, expose: Expose, gateway: GatewayRef) -> Manifest:
    """Everything under the host goes to the front, which bounds a request's time itself: 0 is no bound."""
    parent = {"name": gateway.name, **({"namespace": gateway.namespace} if gateway.namespace else {})}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": part.metadata,
        "spec": {
            "parentRefs": [parent],
            "hostnames": [expose.host],
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                    "backendRefs": [{"name": part.object_name, "port": 80}],
                    "timeouts": {"request": "0s"},
                }
            ],
        },
    }


def ingress(part: Part, expose: Expose) -> Manifest:
    """Everything under the host goes to the front: paths are its own matter. cert-manager finds whom it is to
    ask for the certificate in an annotation.
    """
    backend = {"service": {"name": part.object_name, "port": {"name": "http"}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    tls = {"hosts": [expose.host], "secretName": expose.tls_secret_name}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {**part.metadata, **_issued(expose.certificate_issuer)},
        "spec": {
            **({"ingressClassName": expose.class_name} if expose.class_name else {}),
            "rules": [{"host": expose.host, "http": {"paths": paths}}],
            **({"tls": [tls]} if expose.tls_secret_name else {}),
        },
    }


def _issued(issuer: CertificateIssuer | None) -> Manifest:
    if issuer is None:
        return {}
    sort = {"ClusterIssuer": "cluster-issuer", "Issuer": "issuer"}[issuer.kind]
    return {"annotations": {f"cert-manager.io/{sort}": issuer.name}}
