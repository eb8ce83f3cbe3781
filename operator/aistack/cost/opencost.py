"""A PriceBook out of what OpenCost says that cores, memory and volumes have cost: cost over use.

https://opencost.io/docs/integrations/api-examples: the answer of /allocation, however it is aggregated.
OpenCost names no currency, and no class of an accelerator or volume. What else it knows is named, with
what to write instead.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from aistack.api.base import API_VERSION
from aistack.cost.assumptions import HOURS
from aistack.cost.money import price_text
from aistack.cost.prices import DEFAULT
from aistack.errors import AIStackError
from aistack.units import GIB

LEFT_OUT = {
    "gpuCost": "write it into spec.price of the AcceleratorClass",
    "networkCost": "write traffic[internet] into a PriceBook",
    "loadBalancerCost": "nothing is priced by it",
    "sharedCost": "nothing is priced by it",
    "externalCost": "nothing is priced by it",
}
"""What OpenCost has besides → what to do about it."""


class AllocationError(AIStackError):
    """The document is no answer of /allocation; the message says what is missing."""


def book(document: Any, name: str, currency: str, file: str) -> dict[str, Any]:
    """The PriceBook's manifest, as of the last day of the answer. `document` is the answer's JSON."""
    allocations = list(_allocations(document))
    cores = _price(allocations, "cpuCost", "cpuCoreHours")
    memory = _price(allocations, "ramCost", "ramByteHours")
    volumes = _price(allocations, "pvCost", "pvByteHours")
    spec: dict[str, Any] = {"currency": currency, "asOf": _last_day(allocations)}
    source = f"opencost:{file}"
    if cores is not None and memory is not None:
        prices = {"cpuHourly": price_text(cores), "memoryGibHourly": price_text(memory * GIB)}
        spec["compute"] = [{"name": DEFAULT, **prices, "source": source}]
    if volumes is not None:
        a_month = price_text(volumes * GIB * HOURS)
        spec["storage"] = [{"storageClassName": DEFAULT, "perGibMonth": a_month, "source": source}]
    if "compute" not in spec and "storage" not in spec:
        raise AllocationError(
            f"{file}: nothing was used and paid for in it; ask for a longer window, such as 7d"
        )
    return {"apiVersion": API_VERSION, "kind": "PriceBook", "metadata": {"name": name}, "spec": spec}


def left_out(document: Any) -> Iterator[str]:
    """What was paid for and is in no price of the book."""
    allocations = list(_allocations(document))
    for cost, advice in LEFT_OUT.items():
        paid = _paid(allocations, cost)
        an_hour = _price(allocations, "gpuCost", "gpuHours") if cost == "gpuCost" else None
        rate = f", {price_text(an_hour)} an hour of one" if an_hour else ""
        if paid > 0:
            yield f"{cost} of {price_text(paid)}{rate} is left out: {advice}"


def _allocations(document: Any) -> Iterator[Mapping[str, Any]]:
    """`data` is a list of steps in time, each a map of allocations by name."""
    steps = document.get("data") if isinstance(document, dict) else None
    if not isinstance(steps, list):
        raise AllocationError("no answer of OpenCost's /allocation: it has no list `data`")
    for step in steps:
        if isinstance(step, dict):
            yield from (each for each in step.values() if isinstance(each, dict))


def _price(allocations: list[Mapping[str, Any]], cost: str, use: str) -> Decimal | None:
    """What one unit has cost, adjusted to the bill; None where nothing was used, or nothing was paid."""
    paid, used = _paid(allocations, cost), _sum(allocations, use)
    return paid / used if paid > 0 and used > 0 else None


def _paid(allocations: list[Mapping[str, Any]], cost: str) -> Decimal:
    return _sum(allocations, cost) + _sum(allocations, f"{cost}Adjustment")


def _sum(allocations: list[Mapping[str, Any]], field: str) -> Decimal:
    numbers = (each.get(field, 0) for each in allocations)
    return sum((Decimal(each) for each in numbers if isinstance(each, int | Decimal)), Decimal(0))


def _last_day(allocations: list[Mapping[str, Any]]) -> str:
    ends = [str(each.get("end", ""))[:10] for each in allocations]
    return max(ends, default="")
