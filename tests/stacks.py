"""Stacks that tests start from: a small valid one, and what it refers to."""

from typing import Any

from aistack.api import AcceleratorClass, AIStack
from aistack.catalog import Abilities, Catalog
from aistack.images import default_images
from aistack.resolve import resolve
from aistack.resolved import ResolvedStack

API_VERSION = "aistack.dev/v1alpha1"


def accelerator_class(name: str = "nvidia-l4", resource: str | None = "nvidia.com/gpu") -> dict[str, Any]:
    spec = {"resourceName": resource, "memory": "24Gi"} if resource else {}
    return {
        "apiVersion": API_VERSION,
        "kind": "AcceleratorClass",
        "metadata": {"name": name},
        "spec": spec,
    }


def hosted(name: str = "llama", **fields: Any) -> dict[str, Any]:
    """A model on one nvidia-l4; `fields` go into `selfHosted`."""
    self_hosted = {
        "source": "hf://acme/llama",
        "revision": "0e9e39f",
        "accelerator": {"class": "nvidia-l4"},
        **fields,
    }
    return {"name": name, "selfHosted": self_hosted}


def stack(name: str = "support", namespace: str = "care", **spec: Any) -> dict[str, Any]:
    """An AIStack with one self-hosted model, unless `spec` says otherwise."""
    return {
        "apiVersion": API_VERSION,
        "kind": "AIStack",
        "metadata": {"name": name, "namespace": namespace, "uid": "uid-of-the-stack", "generation": 1},
        "spec": {"models": [hosted()], **spec},
    }


def tiny(name: str = "support") -> dict[str, Any]:
    """A stack of which nothing runs but one replica of its gateway."""
    model = {"name": "gpt", "managed": {"provider": "openai", "model": "gpt-5-mini"}}
    return stack(name, models=[model], gateway={"replicas": {"min": 1, "max": 1}})


def catalog(**abilities: bool) -> Catalog:
    """nvidia-l4 and cpu, the default images, and the abilities of the cluster that are named."""
    classes = [accelerator_class(), accelerator_class("cpu", resource=None)]
    return Catalog(
        images=default_images(),
        accelerator_classes={item["metadata"]["name"]: AcceleratorClass.parse(item) for item in classes},
        abilities=Abilities(**abilities),
    )


def resolved(**spec: Any) -> ResolvedStack:
    """The same resolved; AssertionError with the problems if there are any."""
    found = resolve(AIStack.parse(stack(**spec)), catalog())
    assert found.stack, "; ".join(map(str, found.problems))
    return found.stack
