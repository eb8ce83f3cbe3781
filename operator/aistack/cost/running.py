"""What is charged for a model's pod that runs, by what it holds: its spec may say something else by now."""

from collections.abc import Mapping
from decimal import Decimal

from aistack.api import AcceleratorClass
from aistack.cost.assumptions import HOURS
from aistack.cost.charges import Charge, PodRequests, on_demand, pods
from aistack.cost.money import same
from aistack.cost.prices import Prices
from aistack.hardware import Hardware
from aistack.units import GIB

Classes = Mapping[str, AcceleratorClass]
NO_CLASSES: Classes = {}


def a_pod(
    component: str, pod: Hardware, declared: str, classes: Classes, prices: Prices
) -> tuple[Charge, ...]:
    """What it is charged for a month; empty where the pod doesn't say enough.

    `declared` is the class that the newest spec of its model names, or nothing where there is none. A class
    that has a price and no accelerator leaves no trace in a pod.
    """
    name = _class_of(pod, declared, classes)
    if name:
        accelerator = classes[name].spec
        hours = pod.amount(accelerator.resource_name or "") * HOURS
        return (on_demand(component, name, accelerator, same(hours), prices),)
    if pod.is_accelerated or (declared in classes and _is_priced_cpu(classes[declared])):
        return ()
    return tuple(pods(component, same(1), PodRequests(pod.amount("cpu"), pod.amount("memory") / GIB), prices))


def _class_of(pod: Hardware, declared: str, classes: Classes) -> str | None:
    """The class of its accelerators: of those whose nodes it may run on the one that says most about them.

    Of classes that the scheduler doesn't tell apart it is the declared one, or else the dearest.
    """
    holding = {name: each.spec for name, each in classes.items() if pod.amount(each.spec.resource_name or "")}

    def rank(name: str) -> tuple[bool, int, bool, Decimal, str]:
        wanted, price = holding[name].node_selector.items(), holding[name].price
        hourly = Decimal(price.on_demand_hourly) if price else Decimal(0)
        fits = wanted <= pod.nodes
        return fits, len(wanted) if fits else 0, name == declared, hourly, name

    return max(holding, key=rank, default=None)


def _is_priced_cpu(accelerator: AcceleratorClass) -> bool:
    return accelerator.spec.resource_name is None and accelerator.spec.price is not None
