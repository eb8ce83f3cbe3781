"""Prices and priced stacks that the tests of the cost start from."""

from collections.abc import Mapping
from typing import Any

from aistack.api import AcceleratorClass, AIStack, PriceBook
from aistack.catalog import Catalog
from aistack.cost.prices import Prices, index
from aistack.images import default_images
from aistack.resolve import resolve
from aistack.resolved import ResolvedStack
from tests.stacks import API_VERSION, accelerator_class, hosted, stack

SOURCE = "https://cloud.example.com/pricing"
CLUSTER: Mapping[str, Any] = {
    "storage": [
        {"storageClassName": "default", "perGibMonth": "0.10", "source": SOURCE},
        {"storageClassName": "fast", "perGibMonth": "0.25", "source": SOURCE},
    ],
    "compute": [{"name": "default", "cpuHourly": "0.03", "memoryGibHourly": "0.004", "source": SOURCE}],
    "traffic": [{"name": "internet", "perGib": "0.09", "source": SOURCE}],
}
GPT = {
    "provider": "openai",
    "model": "gpt-x",
    "inputPerMillion": "2",
    "cachedInputPerMillion": "0.5",
    "outputPerMillion": "8",
    "source": SOURCE,
}
TRAFFIC = {"requestsPerMonth": 1_000_000, "inputTokens": 1000, "outputTokens": 500}


def book(name: str = "cluster", as_of: str = "2026-11-01", **spec: Any) -> PriceBook:
    manifest = {
        "apiVersion": API_VERSION,
        "kind": "PriceBook",
        "metadata": {"name": name},
        "spec": {"asOf": as_of, **spec},
    }
    return PriceBook.parse(manifest)


def prices(*tokens: Mapping[str, Any]) -> Prices:
    """The cluster's prices and those of some managed models; GPT's when none is named."""
    return index({"cluster": book(**CLUSTER, tokens=list(tokens) or [GPT])})


def managed(name: str = "gpt", **fields: Any) -> dict[str, Any]:
    return {"name": name, "managed": {"provider": "openai", "model": "gpt-x", **fields}}


def route(*targets: tuple[str, int], name: str = "chat", **fields: Any) -> dict[str, Any]:
    listed = [{"model": model, "weight": weight} for model, weight in targets]
    return {"name": name, "targets": listed, **fields}


def shared(*models: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """A spec with one route to all models, each with the same weight."""
    return {"models": list(models), "gateway": {"routes": [route(*((m["name"], 1) for m in models))]}, **spec}


def priced(**spec: Any) -> ResolvedStack:
    """A resolved stack; an nvidia-l4 costs 0.80 an hour, and a cpu what its requests cost."""
    l4 = accelerator_class()
    l4["spec"]["price"] = {
        "onDemandHourly": "0.80",
        "spotHourly": "0.30",
        "source": SOURCE,
        "asOf": "2026-11-01",
    }
    catalog = Catalog(default_images(), {"nvidia-l4": AcceleratorClass.parse(l4)})
    found = resolve(AIStack.parse(stack(**({"models": [hosted()]} | spec))), catalog)
    assert found.stack, "; ".join(map(str, found.problems))
    return found.stack
