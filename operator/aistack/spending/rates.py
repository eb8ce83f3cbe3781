"""What a stack's parts cost while they run, and its models' tokens, by the prices of its estimate."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from aistack.cost.assumptions import SECONDS
from aistack.cost.charges import MILLION, Charge, a_replica, volumes
from aistack.cost.money import EXACT
from aistack.cost.prices import AnyPrice, Price, Prices, TokenPrices, token_prices
from aistack.resolve import ResolvedStack
from aistack.spending.counters import Series
from aistack.spending.meter import Use
from aistack.spending.money import PicoUnits, pico_units


@dataclass(frozen=True, slots=True)
class Rates:
    """What a second of a replica costs, a second of a volume, and a token."""

    replicas: Mapping[str, Decimal] = field(default_factory=dict)
    """By part; one without a price is not there."""
    volumes: Mapping[str, Decimal] = field(default_factory=dict)
    tokens: Mapping[str, TokenPrices] = field(default_factory=dict)
    """By the managed model's name; a self-hosted one's cost nothing beyond its replicas."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What was used, in money. Clients and routes have what their tokens cost at providers."""

    components: Mapping[str, PicoUnits]
    clients: Mapping[str, PicoUnits]
    routes: Mapping[str, PicoUnits]
    unpriced: frozenset[str] = frozenset()
    """What was used and has no price."""

    @property
    def total(self) -> PicoUnits:
        return sum(self.components.values())


def rates_of(stack: ResolvedStack, prices: Prices) -> Rates:
    running = list(a_replica(stack, prices))
    unpriced = {charge.component for charge in running if not isinstance(charge.price, Price)}
    return Rates(
        replicas=_a_second(charge for charge in running if charge.component not in unpriced),
        volumes=_a_second(charge for charge in volumes(stack, prices)),
        tokens={model.name: token_prices(prices, model.managed) for model in stack.managed},
    )


def costs(use: Use, rates: Rates) -> Costs:
    """What it costs; what has no price is named, and in no sum."""
    components: dict[str, PicoUnits] = {}
    clients: dict[str, PicoUnits] = {}
    routes: dict[str, PicoUnits] = {}
    unpriced = {part for part in use.replica_seconds if part not in rates.replicas}
    for part, seconds in use.replica_seconds.items():
        _add(components, part, _for(seconds, rates.replicas.get(part)))
    for part, rate in rates.volumes.items():
        _add(components, part, _for(use.seconds, rate))
    for series, count in use.tokens.items():
        price = _price(series, rates)
        if price is None:
            continue
        if not isinstance(price, Price):
            unpriced.add(f"model/{series.target}")
            continue
        amount = pico_units(EXACT.divide(EXACT.multiply(Decimal(count), price.amount), MILLION))
        _add(components, f"model/{series.target}", amount)
        _add(clients, series.client, amount)
        _add(routes, series.route, amount)
    return Costs(components, clients, routes, frozenset(unpriced))


def _price(series: Series, rates: Rates) -> AnyPrice | None:
    """None: it isn't paid by the token."""
    known = rates.tokens.get(series.target)
    if known is None:
        return None
    return known.input if series.kind == "prompt" else known.output


def _a_second(charges: Iterable[Charge]) -> dict[str, Decimal]:
    """The charges are for a month of 730 hours."""
    rates: dict[str, Decimal] = {}
    for charge in charges:
        if amount := charge.amount:
            rate = EXACT.divide(amount.max, SECONDS)
            rates[charge.component] = rates.get(charge.component, Decimal(0)) + rate
    return rates


def _for(seconds: float, rate: Decimal | None) -> PicoUnits:
    return pico_units(EXACT.multiply(Decimal(str(seconds)), rate)) if rate else 0


def _add(sums: dict[str, PicoUnits], name: str, amount: PicoUnits) -> None:
    if amount:
        sums[name] = sums.get(name, 0) + amount
