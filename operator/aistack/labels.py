"""The labels that tie an object to its stack: what is watched by, and what a part's pods are found by."""

STACK_LABEL = "aistack.dev/stack"
COMPONENT_LABEL = "aistack.dev/component"
"""`model`, `gateway` or `adapter`: with the name label it says which part an object belongs to."""
MODEL = "model"
"""The component of a self-hosted model's objects."""
GATEWAY = "gateway"
"""The component of the front's objects, and its part's name."""
ENVOY = "envoy"
"""The container of a front's pod that serves, and counts."""
NAME_LABEL = "app.kubernetes.io/name"
KEYS_LABEL = "aistack.dev/keys"
"""On a front's pod, with the value `true`: it asks its clients for keys."""
SYNC_ANNOTATION = "aistack.dev/sync"
"""On a stack, written by its owner: its Secrets have changed. On a front's pod: which news it was told."""
PURGE_PREFIX, ALL = "purge.aistack.dev", "ALL"
"""An annotation on a stack says since when kept answers count; no route or client has a name in capitals."""


def purge_annotation(route: str, client: str) -> str:
    """Whose answers it is about; an empty name is every one."""
    return f"{PURGE_PREFIX}/{route or ALL}.{client or ALL}"
