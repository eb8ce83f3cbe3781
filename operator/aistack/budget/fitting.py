"""What would fit: how many replicas of a model, or which cheaper class."""

from collections.abc import Callable, Iterator, Mapping
from itertools import chain

from aistack.api import AcceleratorClass, AIStack
from aistack.api.models import SelfHosted
from aistack.units import decimal

Fits = Callable[[AIStack], bool]
"""Whether a changed stack would fit; one that can't be served or priced does not."""


def ways(stack: AIStack, classes: Mapping[str, AcceleratorClass], fits: Fits) -> tuple[str, ...]:
    """Changes of one model with which the stack fits: the least of each sort, none where none is enough."""
    names = [model.name for model in stack.spec.models if model.self_hosted]
    fewer = chain.from_iterable(_fewer_replicas(stack, name, fits) for name in names)
    cheaper = chain.from_iterable(_cheaper_classes(stack, name, classes, fits) for name in names)
    return tuple(way for way in (next(fewer, None), next(cheaper, None)) if way)


def _fewer_replicas(stack: AIStack, name: str, fits: Fits) -> Iterator[str]:
    """The most replicas that fit, found by halving: more of them never cost less."""
    hosted = _hosted(stack, name)
    fitting, too_many = max(hosted.scaling.min, 1) - 1, hosted.scaling.max
    while too_many - fitting > 1:
        middle = (fitting + too_many) // 2
        scaling = hosted.scaling.model_copy(update={"max": middle})
        if fits(_with(stack, name, hosted.model_copy(update={"scaling": scaling}))):
            fitting = middle
        else:
            too_many = middle
    if fitting >= max(hosted.scaling.min, 1):
        yield f"models[{name}].selfHosted.scaling.max {fitting} instead of {hosted.scaling.max}"


def _cheaper_classes(
    stack: AIStack, name: str, classes: Mapping[str, AcceleratorClass], fits: Fits
) -> Iterator[str]:
    """Classes with as much memory at a lower price, the dearest of them first: the smallest step down."""
    hosted = _hosted(stack, name)
    now = classes.get(hosted.accelerator.class_)
    if now is None or now.spec.price is None:
        return
    alike = [
        each
        for each in classes.values()
        if each.spec.price
        and each.spec.price.currency == now.spec.price.currency
        and _hourly(each) < _hourly(now)
        and _memory(each) >= _memory(now)
        and bool(each.spec.resource_name) == bool(now.spec.resource_name)
    ]
    for each in sorted(alike, key=_hourly, reverse=True):
        accelerator = hosted.accelerator.model_copy(update={"class_": each.metadata.name})
        if fits(_with(stack, name, hosted.model_copy(update={"accelerator": accelerator}))):
            yield f"class {each.metadata.name} instead of {hosted.accelerator.class_} for model {name}"


def _hosted(stack: AIStack, name: str) -> SelfHosted:
    return next(each.self_hosted for each in stack.spec.models if each.name == name and each.self_hosted)


def _with(stack: AIStack, name: str, hosted: SelfHosted) -> AIStack:
    models = tuple(
        model.model_copy(update={"self_hosted": hosted}) if model.name == name else model
        for model in stack.spec.models
    )
    return stack.model_copy(update={"spec": stack.spec.model_copy(update={"models": models})})


def _hourly(accelerator: AcceleratorClass) -> float:
    price = accelerator.spec.price
    return float(price.on_demand_hourly) if price else 0.0


def _memory(accelerator: AcceleratorClass) -> float:
    return float(decimal(accelerator.spec.memory)) if accelerator.spec.memory else 0.0
