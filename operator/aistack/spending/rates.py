"""What a stack's parts use while they run, and what that costs, by the prices of its estimate."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from aistack.cost.assumptions import SECONDS
from aistack.cost.charges import MILLION, Category, Charge, a_replica, volumes
from aistack.cost.money import EXACT
from aistack.cost.prices import AnyPrice, Price, Prices, token_prices, traffic_price
from aistack.cost.running import NO_CLASSES, Classes, a_pod
from aistack.resolved import ManagedModel, ResolvedStack
from aistack.spending.counters import ABSENT, Kind, Series
from aistack.spending.meter import Replica, Use
from aistack.spending.money import PicoUnits, pico_units
from aistack.units import GIB

BEHIND = ("adapter", "gateway", "queue")
"""Who answers clients of routes that are intercepted or queued: the adapter, the gateway itself behind its
clients, the queue. What these asked models for is counted by the models' names."""
ESTIMATED = "estimated"
"""On the bill, what answers have taken that ended before they said how much."""
NO_MODELS = frozenset({*BEHIND, "whenDown", ABSENT, ""})
"""Targets of a gateway's counters that no spec names; `whenDown` has given a route's last answer."""


@dataclass(frozen=True, slots=True)
class Item:
    """Something that is paid for, at one price."""

    component: str
    """The part of the stack, as in its status: `model/llama`, `gateway`."""
    name: str
    """What of it, such as `nvidia-l4 on demand`."""
    category: Category
    unit: str
    """What the price is for, in FOCUS's form of units: `Hours`, `1000000 Tokens`, `GiB-Months`."""
    price: Price
    region: str | None
    provider: str


Tariff = Mapping[Kind, Item | None]
"""What is paid for as a model's answers are counted; None without a price. A self-hosted one's tokens cost
nothing beyond its replicas."""


class Rate(NamedTuple):
    """What a second uses of an item, in the item's unit."""

    item: Item
    a_second: Decimal


class Amount(NamedTuple):
    """How much was used of an item."""

    quantity: PicoUnits
    """Millionths of a millionth of the item's unit."""
    cost: PicoUnits

    def plus(self, other: "Amount") -> "Amount":
        return Amount(self.quantity + other.quantity, self.cost + other.cost)


NOTHING = Amount(0, 0)


class Call(NamedTuple):
    """Who asked, by which route, and which model answered."""

    client: str
    """Empty where clients have no keys."""
    route: str
    target: str


class Called(NamedTuple):
    """What came of such calls."""

    tokens: int
    """Of a self-hosted model, read and written: by them its cost is shared out."""
    cost: PicoUnits
    """Of a managed model, and of traffic: what the calls alone have cost."""

    def plus(self, other: "Called") -> "Called":
        return Called(self.tokens + other.tokens, self.cost + other.cost)


NO_CALL = Called(0, 0)


@dataclass(frozen=True, slots=True)
class Rates:
    """What a replica uses, what a volume does, and what is paid for as it is counted."""

    replicas: Mapping[Replica, tuple[Rate, ...]] = field(default_factory=dict)
    """One without a price is not there."""
    volumes: tuple[Rate, ...] = ()
    tariffs: Mapping[str, Tariff] = field(default_factory=dict)
    """By the model that answers."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What was used, in money."""

    items: Mapping[Item, Amount]
    calls: Mapping[Call, Called]
    unpriced: frozenset[str] = frozenset()
    """What was used and has no price."""

    @property
    def total(self) -> PicoUnits:
        return sum(amount.cost for amount in self.items.values())


def rates_of(
    stack: ResolvedStack, prices: Prices, classes: Classes = NO_CLASSES, running: Iterable[Replica] = ()
) -> Rates:
    """Of what the spec declares, and of replicas that run by what they hold."""
    charged: defaultdict[Replica, list[Charge]] = defaultdict(list)
    for charge in a_replica(stack, prices):
        charged[Replica(charge.component)].append(charge)
    declared = {f"model/{model.name}": model.hosted.accelerator.class_ for model in stack.self_hosted}
    for replica in running:
        if replica.hardware:
            component, class_ = replica.component, declared.get(replica.component, "")
            found = a_pod(component, replica.hardware, class_, classes, prices)
            charged[replica] = list(found) or charged.get(Replica(component), [])
    replicas = {
        replica: tuple(_rates(charges))
        for replica, charges in charged.items()
        if charges and all(isinstance(charge.price, Price) for charge in charges)
    }
    return Rates(replicas, tuple(_rates(volumes(stack, prices))), tariffs_of(stack, prices))


def tariffs_of(stack: ResolvedStack, prices: Prices) -> dict[str, Tariff]:
    """By the model that answers, and who is behind the clients where its answers leave the cluster."""
    mean = stack.spec.traffic.input_tokens if stack.spec.traffic else 0
    tariffs: dict[str, Tariff] = {model.name: {} for model in stack.self_hosted}
    tariffs |= {model.name: _of_managed(model, prices, mean) for model in stack.managed}
    if stack.spec.gateway.expose.type == "ClusterIP":
        return tariffs
    behind: dict[str, Tariff] = {name: {} for name in BEHIND}
    answers = _traffic("gateway", "traffic to clients", prices)
    return {name: {**tariff, "answered": answers} for name, tariff in (tariffs | behind).items()}


def _rates(charges: Iterable[Charge]) -> Iterable[Rate]:
    """The charges are for a month of 730 hours."""
    for charge in charges:
        if isinstance(charge.price, Price):
            item = Item(
                charge.component,
                charge.item,
                charge.category,
                charge.unit,
                charge.price,
                charge.region,
                charge.provider,
            )
            yield Rate(item, EXACT.divide(charge.quantity.max, SECONDS))


def _of_managed(model: ManagedModel, prices: Prices, mean: int) -> Tariff:
    """`mean` is the input tokens of a request, as declared: what is counted are sums, not each request."""
    known = token_prices(prices, model.managed, mean)
    return {
        "prompt": _tokens(model, "input tokens", known.input),
        "cached": _tokens(model, "cached input tokens", known.cached_input),
        "completion": _tokens(model, "output tokens", known.output),
        "estimated_prompt": _tokens(model, f"input tokens, {ESTIMATED}", known.input),
        "estimated_completion": _tokens(model, f"output tokens, {ESTIMATED}", known.output),
        "sent": _traffic(f"model/{model.name}", "traffic to the provider", prices),
    }


def _traffic(component: str, name: str, prices: Prices) -> Item | None:
    price = traffic_price(prices)
    if not isinstance(price, Price):
        return None
    return Item(component, name, Category.NETWORKING, "GiB", price, None, "Kubernetes")


def _tokens(model: ManagedModel, name: str, price: AnyPrice) -> Item | None:
    if not isinstance(price, Price):
        return None
    managed = model.managed
    return Item(
        f"model/{model.name}",
        f"{managed.model} {name}",
        Category.AI,
        "1000000 Tokens",
        price,
        managed.region,
        managed.provider,
    )


def costs(use: Use, rates: Rates) -> Costs:
    """What it costs; what has no price is named, and in no sum."""
    items: defaultdict[Item, Amount] = defaultdict(lambda: NOTHING)
    calls: dict[Call, Called] = {}
    unpriced = {replica.component for replica in use.replica_seconds if replica not in rates.replicas}
    for replica, seconds in use.replica_seconds.items():
        for rate in rates.replicas.get(replica, ()):
            items[rate.item] = items[rate.item].plus(_over(seconds, rate))
    for rate in rates.volumes:
        items[rate.item] = items[rate.item].plus(_over(use.seconds, rate))
    for call, counted in _by_call(use.counted).items():
        cost, tariff = 0, rates.tariffs.get(call.target, {})
        if call.target not in {*rates.tariffs, *NO_MODELS}:
            unpriced.add(f"model/{call.target}")  # it came and went between two looks
        for kind, count in _charged(counted).items():
            item = tariff.get(kind)
            if item:
                amount = _amount(item, EXACT.divide(Decimal(count), UNITS[kind]))
                items[item], cost = items[item].plus(amount), cost + amount.cost
            elif kind in tariff:
                unpriced.add("traffic" if kind in TRAFFIC else f"model/{call.target}")
        calls[call] = Called(0 if "prompt" in tariff else _tokens_of(counted), cost)
    return Costs(dict(items), calls, frozenset(unpriced))


UNITS: Mapping[Kind, Decimal] = {
    "prompt": MILLION,
    "cached": MILLION,
    "completion": MILLION,
    "estimated_prompt": MILLION,
    "estimated_completion": MILLION,
    "sent": Decimal(GIB),
    "answered": Decimal(GIB),
}
"""How much is counted of what a price is for."""
TRAFFIC: frozenset[Kind] = frozenset({"sent", "answered"})
TOKENS: tuple[Kind, ...] = ("prompt", "completion", "estimated_prompt", "estimated_completion")


def _by_call(counted: Mapping[Series, int]) -> Mapping[Call, Mapping[Kind, int]]:
    found: defaultdict[Call, dict[Kind, int]] = defaultdict(dict)
    for (client, route, target, kind), count in counted.items():
        found[Call(client, route, target)][kind] = count
    return found


def _charged(counted: Mapping[Kind, int]) -> Mapping[Kind, int]:
    """What a provider had in its cache is part of what it read, and isn't paid twice."""
    uncached = max(0, counted.get("prompt", 0) - counted.get("cached", 0))
    found: dict[Kind, int] = {**counted, "prompt": uncached}
    return {kind: count for kind, count in found.items() if count}


def _tokens_of(counted: Mapping[Kind, int]) -> int:
    return sum(counted.get(kind, 0) for kind in TOKENS)


def _over(seconds: float, rate: Rate) -> Amount:
    return _amount(rate.item, EXACT.multiply(Decimal(str(seconds)), rate.a_second))


def _amount(item: Item, quantity: Decimal) -> Amount:
    return Amount(pico_units(quantity), pico_units(EXACT.multiply(quantity, item.price.amount)))
