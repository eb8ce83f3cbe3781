"""The labels that tie an object to its stack: what is watched by, and what a part's pods are found by."""

STACK_LABEL = "aistack.dev/stack"
COMPONENT_LABEL = "aistack.dev/component"
"""`model`, `gateway` or `adapter`: with the name label it says which part an object belongs to."""
NAME_LABEL = "app.kubernetes.io/name"
SYNC_ANNOTATION = "aistack.dev/sync"
"""On a stack, written by its owner: its Secrets have changed. On a front's pod: which news it was told."""
