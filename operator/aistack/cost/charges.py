"""What a stack is charged for in a month: quantities, and the price of each.

Self-hosted (hours are 730 a month, replicas are whole): replicas x accelerators x hourly price, of which the
spot part is `(1 + interruption)` times as long at the spot price; storage; the gateway's pods; traffic.
Managed: requests x (input x ((1 - cached) x price + cached x cached price) + output x price); the requests
are those that no cache answers, with those that fall back.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from enum import StrEnum

from aistack.api.catalog import AcceleratorClassSpec
from aistack.api.retrieval import Traffic
from aistack.cost import demand
from aistack.cost.assumptions import DEFAULTS, HOURS, Assumptions
from aistack.cost.money import MicroUnits, Range, micro_units, same, times
from aistack.cost.prices import (
    AnyPrice,
    Prices,
    Unknown,
    accelerator_prices,
    compute_prices,
    storage_price,
    token_prices,
    traffic_price,
)
from aistack.resolved import ManagedModel, Replicas, ResolvedStack, SelfHostedModel
from aistack.units import GIB, decimal

MILLION = Decimal(1_000_000)


class Category(StrEnum):
    """What kind of thing is charged, as FOCUS names it (ServiceCategory)."""

    AI = "AI and Machine Learning"
    COMPUTE = "Compute"
    STORAGE = "Storage"
    NETWORKING = "Networking"


@dataclass(frozen=True, slots=True)
class Charge:
    """A quantity of something that has a price."""

    component: str
    """The part of the stack, as in its status: `model/llama`, `gateway`, `adapter`."""
    item: str
    """What of it, such as `nvidia-l4 on demand`."""
    category: Category
    quantity: Range[Decimal]
    unit: str
    """What the price is for, in FOCUS's form of units: `Hours`, `1000000 Tokens`, `GiB-Months`."""
    price: AnyPrice
    region: str | None = None
    provider: str = "Kubernetes"
    """Who runs it, as in spec.models.managed.provider, or the cluster."""

    @property
    def amount(self) -> Range[Decimal] | None:
        """Before it is rounded; None is unknown."""
        return None if isinstance(self.price, Unknown) else times(self.quantity, self.price.amount)

    @property
    def cost(self) -> Range[MicroUnits] | None:
        """None is unknown."""
        amount = self.amount
        return amount.map(micro_units) if amount else None


@dataclass(frozen=True, slots=True)
class PodRequests:
    """What the scheduler sets aside for one pod."""

    cores: Decimal
    memory: Decimal
    """GiB."""


FRONT = PodRequests(Decimal("0.27"), Decimal("0.15625"))
"""Envoy and the loader, as render.gateway.front_pod writes them."""
ADAPTER = PodRequests(Decimal("0.5"), Decimal("0.75"))
"""LiteLLM, as render.gateway.adapter_pod writes it."""
RATELIMIT = PodRequests(Decimal("0.05"), Decimal("0.0625"))
REDIS = PodRequests(Decimal("0.05"), Decimal("0.09375"))
QUEUE = PodRequests(Decimal("0.05"), Decimal("0.125"))
CACHE = PodRequests(Decimal("0.05"), Decimal("0.3125"))
"""The rate-limit service, the Redis that it shares with the queue, the queue, and the cache's Redis, as
render.gateway writes them."""
PARTS = {
    "gateway": FRONT,
    "adapter": ADAPTER,
    "ratelimit": RATELIMIT,
    "redis": REDIS,
    "queue": QUEUE,
    "cache": CACHE,
}
"""A pod of each part of a gateway."""
DEFAULT_REQUESTS = PodRequests(Decimal(2), Decimal(8))
"""vLLM for each accelerator, where nothing is declared, as render.engine writes it."""


def charges(
    stack: ResolvedStack, prices: Prices, assumptions: Assumptions, coming: demand.Requests | None
) -> Iterator[Charge]:
    """Every charge of the stack whose quantity isn't zero."""
    for charge in _charges(stack, prices, assumptions, coming):
        if charge.quantity.max:
            yield charge


def _charges(
    stack: ResolvedStack, prices: Prices, assumptions: Assumptions, coming: demand.Requests | None
) -> Iterator[Charge]:
    for model in stack.self_hosted:
        running = demand.replicas(model, coming, stack, assumptions)
        yield from hosting(model, running, prices, assumptions)
    for component, replicas in stack.gateway.tiers.items():
        yield from pods(component, _at_least(replicas), PARTS[component], prices)
    if stack.spec.traffic and coming is not None:
        embedded = demand.questions(stack)
        question = stack.spec.traffic.model_copy(update={"output_tokens": 0})
        for managed in stack.managed:
            if managed.name in coming:
                yield from calls(managed, coming[managed.name], stack.spec.traffic, prices, assumptions)
            if managed.name in embedded:
                yield from calls(managed, embedded[managed.name], question, prices, assumptions)
        if stack.spec.gateway.expose.type != "ClusterIP" and not stack.spec.suspend:
            yield _answers(stack.spec.traffic, prices, assumptions)


def a_replica(stack: ResolvedStack, prices: Prices) -> Iterator[Charge]:
    """What one replica of each part is charged when it runs for a month, its volume not with it."""
    one = same(1)
    for model in stack.self_hosted:
        yield from (charge for charge in _engine(model, one, prices, DEFAULTS) if charge.quantity.max)
    for component, pod in PARTS.items():
        yield from pods(component, one, pod, prices)


def volumes(stack: ResolvedStack, prices: Prices) -> Iterator[Charge]:
    """What the stack's volumes are charged for a month."""
    for model in stack.self_hosted:
        yield from _cache(model, prices)


def hosting(
    model: SelfHostedModel, running: Range[int], prices: Prices, assumptions: Assumptions
) -> Iterator[Charge]:
    """What a self-hosted model is charged with so many replicas, its volume with them."""
    yield from _engine(model, running, prices, assumptions)
    yield from _cache(model, prices)


def calls(
    model: ManagedModel, coming: Range[Decimal], traffic: Traffic, prices: Prices, assumptions: Assumptions
) -> Iterator[Charge]:
    """What a managed model is charged for so many requests of the traffic's size."""
    yield from _tokens(model, coming, traffic, prices, assumptions)
    yield _sent(model, coming, traffic, prices, assumptions)


def _engine(
    model: SelfHostedModel, running: Range[int], prices: Prices, assumptions: Assumptions
) -> Iterator[Charge]:
    """The class's own price where it has one; a CPU class without one costs its pods' cores and memory."""
    component = f"model/{model.name}"
    if not model.accelerator.resource_name and not model.accelerator.price:
        yield from pods(component, running, _requests(model), prices)
        return
    name, accelerator = model.hosted.accelerator.class_, model.accelerator
    _, spot = accelerator_prices(prices, name, accelerator)
    share = Decimal(str(model.hosted.spot.share))
    a_replica = HOURS * model.hosted.accelerator.count * model.hosted.parallelism.nodes
    spot_hours = a_replica * (1 + assumptions.interruption.value)
    hours = running.map(lambda count: (count - _on_spot(count, share)) * a_replica)
    yield on_demand(component, name, accelerator, hours, prices)
    yield Charge(
        component,
        f"{name} spot",
        Category.COMPUTE,
        running.map(lambda count: _on_spot(count, share) * spot_hours),
        "Hours",
        spot,
        accelerator.region,
    )


def on_demand(
    component: str, name: str, accelerator: AcceleratorClassSpec, hours: Range[Decimal], prices: Prices
) -> Charge:
    """Hours of accelerators of the class `name`, of which the cloud takes none back."""
    price, _ = accelerator_prices(prices, name, accelerator)
    item = f"{name} on demand"
    return Charge(component, item, Category.COMPUTE, hours, "Hours", price, accelerator.region)


def _on_spot(replicas: int, share: Decimal) -> int:
    """A replica is on spot capacity or it isn't."""
    return int((replicas * share).to_integral_value(ROUND_FLOOR))


def _requests(model: SelfHostedModel) -> PodRequests:
    """Kubernetes takes the limit where nothing is requested."""
    declared = dict(model.hosted.resources.limits) | dict(model.hosted.resources.requests)
    count = model.hosted.accelerator.count
    return PodRequests(
        cores=decimal(declared["cpu"]) if "cpu" in declared else DEFAULT_REQUESTS.cores * count,
        memory=decimal(declared["memory"]) / GIB if "memory" in declared else DEFAULT_REQUESTS.memory * count,
    )


def pods(component: str, running: Range[int], pod: PodRequests, prices: Prices) -> Iterator[Charge]:
    """What so many pods are charged that hold no accelerator."""
    core, memory = compute_prices(prices)
    cores, gib = times(running, pod.cores * HOURS), times(running, pod.memory * HOURS)
    yield Charge(component, "CPU", Category.COMPUTE, cores, "Core-Hours", core)
    yield Charge(component, "memory", Category.COMPUTE, gib, "GiB-Hours", memory)


def _at_least(replicas: Replicas) -> Range[int]:
    """One replica of the front serves thousands of requests a second: its least is what is expected."""
    return Range(replicas.min, replicas.min, replicas.max)


def _cache(model: SelfHostedModel, prices: Prices) -> Iterator[Charge]:
    """One volume a model, kept while the stack is suspended."""
    if cache := model.hosted.cache:
        yield Charge(
            f"model/{model.name}",
            f"volume of class {cache.storage_class_name}" if cache.storage_class_name else "volume",
            Category.STORAGE,
            same(decimal(cache.size) / GIB),
            "GiB-Months",
            storage_price(prices, cache.storage_class_name),
        )


def _tokens(
    model: ManagedModel, coming: Range[Decimal], traffic: Traffic, prices: Prices, assumptions: Assumptions
) -> Iterator[Charge]:
    known = token_prices(prices, model.managed, traffic.input_tokens)
    cached = assumptions.cached_input.value
    for item, a_request, price in (
        ("input tokens", traffic.input_tokens * (1 - cached), known.input),
        ("cached input tokens", traffic.input_tokens * cached, known.cached_input),
        ("output tokens", Decimal(traffic.output_tokens), known.output),
    ):
        yield Charge(
            f"model/{model.name}",
            f"{model.managed.model} {item}",
            Category.AI,
            times(coming, a_request / MILLION),
            "1000000 Tokens",
            price,
            model.managed.region,
            model.managed.provider,
        )


def _sent(
    model: ManagedModel, coming: Range[Decimal], traffic: Traffic, prices: Prices, assumptions: Assumptions
) -> Charge:
    """What is sent to a provider leaves the cluster; its answers come in, which clouds don't charge."""
    gib = times(coming, traffic.input_tokens * assumptions.bytes_a_token.value / GIB)
    return _leaving(f"model/{model.name}", "traffic to the provider", gib, prices)


def _answers(traffic: Traffic, prices: Prices, assumptions: Assumptions) -> Charge:
    """A published endpoint answers clients outside of the cluster, out of the cache too."""
    tokens = Decimal(traffic.requests_per_month * traffic.output_tokens)
    gib = same(tokens * assumptions.bytes_a_token.value / GIB)
    return _leaving("gateway", "traffic to clients", gib, prices)


def _leaving(component: str, item: str, gib: Range[Decimal], prices: Prices) -> Charge:
    return Charge(component, item, Category.NETWORKING, gib, "GiB", traffic_price(prices))
