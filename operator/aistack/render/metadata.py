"""What every child object carries: its name, its labels, its owner."""

from aistack.api import API_VERSION
from aistack.kinds import Manifest
from aistack.labels import COMPONENT_LABEL, NAME_LABEL, STACK_LABEL
from aistack.resolved import StackRef


def selector(stack: StackRef, component: str, name: str) -> dict[str, str]:
    """The labels that pick the pods of one part; they never change, a Deployment's selector can't."""
    return {STACK_LABEL: stack.name, COMPONENT_LABEL: component, NAME_LABEL: name}


def labels(stack: StackRef, component: str, name: str) -> dict[str, str]:
    return {
        **selector(stack, component, name),
        "app.kubernetes.io/instance": stack.name,
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/managed-by": "aistack",
        "app.kubernetes.io/part-of": stack.name,
    }


def metadata(stack: StackRef, component: str, name: str, object_name: str) -> Manifest:
    """The metadata of a child: owned by its stack, so that deleting the stack deletes it."""
    return {
        "name": object_name,
        "namespace": stack.namespace,
        "labels": labels(stack, component, name),
        "ownerReferences": [
            {
                "apiVersion": API_VERSION,
                "kind": "AIStack",
                "name": stack.name,
                "uid": stack.uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }
