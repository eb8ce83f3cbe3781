"""Admission reviews as the API server sends them, for the tests of the webhook."""

from typing import Any

from tests.stacks import API_VERSION, hosted, stack

Object = dict[str, Any]
UID = "3b2f4f3a-8d1c-4a55-9b55-0e1f6a0c7d11"


def broken_stack(name: str = "support") -> Object:
    """Two problems that only the webhook can see: an unknown class and a route to nowhere."""
    routes = [{"name": "chat", "targets": [{"model": "gpt"}]}]
    return stack(name, models=[hosted(accelerator={"class": "tpu"})], gateway={"routes": routes})


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
