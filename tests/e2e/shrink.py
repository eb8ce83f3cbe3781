"""Manifests of production's size on a small machine: what pods ask for is lowered when they are made.

A MutatingAdmissionPolicy of Kubernetes does it, for pods only: Deployments stay as they were rendered.
"""

from typing import Any

NAME = "shrink-requests"
MOST = {"cpu": "10m", "memory": "16Mi"}
CONTAINERS = 8
"""CEL counts no further than it is told to."""


def policy() -> list[dict[str, Any]]:
    """The policy and its binding."""
    group = {"apiVersion": "admissionregistration.k8s.io/v1"}
    patches = [_patches(list_, resource) for list_ in ("containers", "initContainers") for resource in MOST]
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    spec = {
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "matchConstraints": {"resourceRules": [pods]},
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": " + ".join(patches)}}],
    }
    return [
        {**group, "kind": "MutatingAdmissionPolicy", "metadata": {"name": NAME}, "spec": spec},
        {
            **group,
            "kind": "MutatingAdmissionPolicyBinding",
            "metadata": {"name": NAME},
            "spec": {"policyName": NAME},
        },
    ]


def _patches(list_: str, resource: str) -> str:
    """A patch for each container that requests more than MOST."""
    requests = f"object.spec.{list_}[i].resources.requests"
    asks = (
        f"i < size(object.spec.?{list_}.orValue([])) && has(object.spec.{list_}[i].resources) && "
        f"has({requests}) && '{resource}' in {requests} && "
        f"quantity(string({requests}['{resource}'])).isGreaterThan(quantity('{MOST[resource]}'))"
    )
    path = f"'/spec/{list_}/' + string(i) + '/resources/requests/{resource}'"
    patch = f"JSONPatch{{op: 'replace', path: {path}, value: '{MOST[resource]}'}}"
    return f"{list(range(CONTAINERS))}.filter(i, {asks}).map(i, {patch})"
