"""What a stack's parts use while they run, and what that costs, by the prices of its estimate."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from aistack.cost.assumptions import SECONDS
from aistack.cost.charges import MILLION, Category, Charge, a_replica, volumes
from aistack.cost.money import EXACT
from aistack.cost.prices import AnyPrice, Price, Prices, token_prices
from aistack.resolve import ManagedModel, ResolvedStack
from aistack.spending.counters import Kind, Series
from aistack.spending.meter import Use
from aistack.spending.money import PicoUnits, pico_units


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


@dataclass(frozen=True, slots=True)
class Rates:
    """What a replica uses, what a volume does, and what a million tokens of a model are."""

    replicas: Mapping[str, tuple[Rate, ...]] = field(default_factory=dict)
    """By part; one without a price is not there."""
    volumes: tuple[Rate, ...] = ()
    tokens: Mapping[tuple[str, Kind], Item | None] = field(default_factory=dict)
    """Of managed models, None without a price. A self-hosted one's cost nothing beyond its replicas."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What was used, in money. Clients and routes have what their tokens cost at providers."""

    items: Mapping[Item, Amount]
    clients: Mapping[str, PicoUnits]
    routes: Mapping[str, PicoUnits]
    unpriced: frozenset[str] = frozenset()
    """What was used and has no price."""

    @property
    def total(self) -> PicoUnits:
        return sum(amount.cost for amount in self.items.values())


def rates_of(stack: ResolvedStack, prices: Prices) -> Rates:
    running = list(a_replica(stack, prices))
    unpriced = {charge.component for charge in running if not isinstance(charge.price, Price)}
    replicas: defaultdict[str, tuple[Rate, ...]] = defaultdict(tuple)
    for rate in _rates(charge for charge in running if charge.component not in unpriced):
        replicas[rate.item.component] += (rate,)
    tokens = {key: item for model in stack.managed for key, item in _tokens(model, prices).items()}
    return Rates(dict(replicas), tuple(_rates(volumes(stack, prices))), tokens)


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


def _tokens(model: ManagedModel, prices: Prices) -> dict[tuple[str, Kind], Item | None]:
    known = token_prices(prices, model.managed)
    return {
        (model.name, "prompt"): _tokens_item(model, "input tokens", known.input),
        (model.name, "completion"): _tokens_item(model, "output tokens", known.output),
    }


def _tokens_item(model: ManagedModel, name: str, price: AnyPrice) -> Item | None:
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
    clients: defaultdict[str, PicoUnits] = defaultdict(int)
    routes: defaultdict[str, PicoUnits] = defaultdict(int)
    unpriced = {part for part in use.replica_seconds if part not in rates.replicas}
    for part, seconds in use.replica_seconds.items():
        for rate in rates.replicas.get(part, ()):
            items[rate.item] = items[rate.item].plus(_over(seconds, rate))
    for rate in rates.volumes:
        items[rate.item] = items[rate.item].plus(_over(use.seconds, rate))
    for series, count in use.tokens.items():
        item = _item(series, rates, unpriced)
        if item:
            amount = _amount(item, EXACT.divide(Decimal(count), MILLION))
            items[item] = items[item].plus(amount)
            clients[series.client] += amount.cost
            routes[series.route] += amount.cost
    return Costs(dict(items), dict(clients), dict(routes), frozenset(unpriced))


def _item(series: Series, rates: Rates, unpriced: set[str]) -> Item | None:
    """None where it isn't paid by the token, or nobody knows how much: that is added to `unpriced`."""
    key = series.target, series.kind
    item = rates.tokens.get(key)
    if item is None and key in rates.tokens:
        unpriced.add(f"model/{series.target}")
    return item


def _over(seconds: float, rate: Rate) -> Amount:
    return _amount(rate.item, EXACT.multiply(Decimal(str(seconds)), rate.a_second))


def _amount(item: Item, quantity: Decimal) -> Amount:
    return Amount(pico_units(quantity), pico_units(EXACT.multiply(quantity, item.price.amount)))
