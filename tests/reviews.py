"""Admission reviews as the API server sends them, for the tests of the webhook."""

from typing import Any

Object = dict[str, Any]
API_VERSION = "aistack.dev/v1alpha1"
UID = "3b2f4f3a-8d1c-4a55-9b55-0e1f6a0c7d11"


def model(name: str = "llama", accelerator: str = "nvidia-l4") -> Object:
    hosted = {
        "source": "hf://acme/llama",
        "revision": "0e9e39f",
        "accelerator": {"class": accelerator, "count": 1},
    }
    return {"name": name, "task": "chat", "selfHosted": hosted}


def stack(name: str = "support", **spec: Any) -> Object:
    """A stack of one model; `spec` replaces fields of its spec."""
    return {
        "apiVersion": API_VERSION,
        "kind": "AIStack",
        "metadata": {"name": name, "namespace": "care"},
        "spec": {"models": [model()], **spec},
    }


def broken_stack(name: str = "support") -> Object:
    """Two problems that only the webhook can see: an unknown class and a route to nowhere."""
    routes = [{"name": "chat", "targets": [{"model": "gpt"}]}]
    return stack(name, models=[model(accelerator="tpu")], gateway={"routes": routes})


def accelerator_class(name: str = "nvidia-l4") -> Object:
    spec = {"resourceName": "nvidia.com/gpu", "memory": "24Gi"}
    return {"apiVersion": API_VERSION, "kind": "AcceleratorClass", "metadata": {"name": name}, "spec": spec}


def price_book(size: int, name: str = "large", filler: str = "x") -> Object:
    """A PriceBook of about `size` bytes, all of them allowed by its schema."""
    row = {"inputPerMillion": "1", "outputPerMillion": "2", "source": filler * 1000}
    count = size // 1100
    tokens = [{"provider": "acme", "model": f"model-{number}", **row} for number in range(count)]
    spec = {"currency": "USD", "asOf": "2026-11-01", "tokens": tokens}
    return {"apiVersion": API_VERSION, "kind": "PriceBook", "metadata": {"name": name}, "spec": spec}


def review(obj: Object | None, old: Object | None = None, user: str = "alice", **request: Any) -> Object:
    """The AdmissionReview of a create, of an update when there is an `old`, of a delete without `obj`."""
    shown = obj or old
    assert shown, "a review is about an object"
    operation = "DELETE" if obj is None else "UPDATE" if old else "CREATE"
    return {
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": UID,
            "kind": {"group": "aistack.dev", "version": "v1alpha1", "kind": shown["kind"]},
            "name": shown["metadata"].get("name", ""),
            "namespace": shown["metadata"].get("namespace", ""),
            "operation": operation,
            "userInfo": {"username": user, "groups": ["system:authenticated"]},
            "object": obj,
            "oldObject": old,
            "dryRun": False,
            **request,
        },
    }
