"""How the endpoint is published outside the cluster."""

from collections.abc import Iterator

from aistack.api.gateway import Expose
from aistack.kinds import Manifest
from aistack.render.gateway.workload import Part


def exposure(part: Part, expose: Expose) -> Iterator[Manifest]:
    if expose.type == "Ingress":
        yield ingress(part, expose)


def ingress(part: Part, expose: Expose) -> Manifest:
    """Everything under the host goes to the front: paths are its own matter."""
    backend = {"service": {"name": part.object_name, "port": {"name": "http"}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    tls = {"hosts": [expose.host], "secretName": expose.tls_secret_name}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": part.metadata,
        "spec": {
            **({"ingressClassName": expose.class_name} if expose.class_name else {}),
            "rules": [{"host": expose.host, "http": {"paths": paths}}],
            **({"tls": [tls]} if expose.tls_secret_name else {}),
        },
    }
