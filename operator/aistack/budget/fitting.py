"""What would fit: how many replicas of a model or of the gateway, which cheaper class, which limit of a
managed model, how much traffic."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from itertools import chain

from aistack.api import AcceleratorClass, AIStack
from aistack.api.base import Money
from aistack.api.models import AIModel, SelfHosted
from aistack.units import decimal

LARGEST_LIMIT = 10**12 - 1
"""As much as a monthlyLimit can say."""
Fits = Callable[[AIStack], bool]
"""Whether a changed stack would fit; one that can't be served or priced does not."""


def ways(
    stack: AIStack, classes: Mapping[str, AcceleratorClass], currency: str, fits: Fits
) -> tuple[str, ...]:
    """Single changes with which the stack fits: the least of each sort, none where none is enough. `currency`
    is that of the prices."""
    names = [model.name for model in stack.spec.models if model.self_hosted]
    fewer = chain.from_iterable(_fewer_replicas(stack, name, fits) for name in names)
    cheaper = chain.from_iterable(_cheaper_classes(stack, name, classes, fits) for name in names)
    fronts, requests = _fewer_fronts(stack, fits), _fewer_requests(stack, fits)
    limits = chain.from_iterable(_limits(stack, model, currency, fits) for model in stack.spec.models)
    return tuple(way for sort in (fewer, cheaper, fronts, limits, requests) if (way := next(sort, None)))


def _fewer_replicas(stack: AIStack, name: str, fits: Fits) -> Iterator[str]:
    hosted = _hosted(stack, name)

    def few_enough(most: int) -> bool:
        scaling = hosted.scaling.model_copy(update={"max": most})
        return fits(_with(stack, name, hosted.model_copy(update={"scaling": scaling})))

    if most := _most(max(hosted.scaling.min, 1), hosted.scaling.max, few_enough):
        yield f"models[{name}].selfHosted.scaling.max {most} instead of {hosted.scaling.max}"


def _fewer_fronts(stack: AIStack, fits: Fits) -> Iterator[str]:
    gateway = stack.spec.gateway

    def few_enough(most: int) -> bool:
        replicas = gateway.replicas.model_copy(update={"max": most})
        return fits(_changed(stack, gateway=gateway.model_copy(update={"replicas": replicas})))

    if most := _most(max(gateway.replicas.min, 1), gateway.replicas.max, few_enough):
        yield f"gateway.replicas.max {most} instead of {gateway.replicas.max}"


def _fewer_requests(stack: AIStack, fits: Fits) -> Iterator[str]:
    """What managed models are paid for."""
    traffic = stack.spec.traffic
    if traffic is None:
        return

    def few_enough(most: int) -> bool:
        return fits(_changed(stack, traffic=traffic.model_copy(update={"requests_per_month": most})))

    if most := _most(1, traffic.requests_per_month, few_enough):
        yield f"traffic.requestsPerMonth {most} instead of {traffic.requests_per_month}"


def _limits(stack: AIStack, model: AIModel, currency: str, fits: Fits) -> Iterator[str]:
    """Where the gateway would stop a managed model, in whole units of the currency."""
    managed = model.managed
    if managed is None:
        return
    now = managed.monthly_limit

    def low_enough(most: int) -> bool:
        limit = Money(amount=str(most), currency=currency)
        changed = model.model_copy(update={"managed": managed.model_copy(update={"monthly_limit": limit})})
        return fits(_with_model(stack, changed))

    if most := _most(1, int(Decimal(now.amount)) if now else LARGEST_LIMIT, low_enough):
        instead = f" instead of {now.amount}" if now else ""
        yield f"models[{model.name}].managed.monthlyLimit {most} {currency}{instead}"


def _most(least: int, now: int, fits: Callable[[int], bool]) -> int | None:
    """The largest number from `least` on and below `now` that fits, to a thousandth.

    It is found by halving: more never costs less.
    """
    if least >= now or not fits(least):
        return None
    fitting, too_many = least, now
    while too_many - fitting > max(1, fitting // 1000):
        middle = (fitting + too_many) // 2
        if fits(middle):
            fitting = middle
        else:
            too_many = middle
    return fitting


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
    model = next(each for each in stack.spec.models if each.name == name)
    return _with_model(stack, model.model_copy(update={"self_hosted": hosted}))


def _with_model(stack: AIStack, changed: AIModel) -> AIStack:
    models = (changed if model.name == changed.name else model for model in stack.spec.models)
    return _changed(stack, models=tuple(models))


def _changed(stack: AIStack, **spec: object) -> AIStack:
    return stack.model_copy(update={"spec": stack.spec.model_copy(update=spec)})


def _hourly(accelerator: AcceleratorClass) -> float:
    price = accelerator.spec.price
    return float(price.on_demand_hourly) if price else 0.0


def _memory(accelerator: AcceleratorClass) -> float:
    return float(decimal(accelerator.spec.memory)) if accelerator.spec.memory else 0.0
