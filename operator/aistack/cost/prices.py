"""What things cost, and where that stands: a price is known with its source, or unknown and named.

Nothing is zero because nobody said anything. A price of another currency than the books' is unknown: there
are no exchange rates here.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import TypeVar

import yaml

from aistack.api import PriceBook
from aistack.api.catalog import (
    AcceleratorClassSpec,
    ComputePrice,
    PriceBookSpec,
    StoragePrice,
    TokenPrice,
    TrafficPrice,
)
from aistack.api.models import Managed

DEFAULT = "default"
"""The book that is asked last, and the name of what has none: a StorageClass, a node pool."""
INTERNET = "internet"
"""The destination that calls to providers go to."""

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Price:
    """A price of one unit, in the currency of the books."""

    amount: Decimal
    listed_in: str
    """The object that says it, such as `PriceBook default`."""
    source: str
    """Where that object has it from: a URI."""
    as_of: str
    """The day on which it stood there."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A price that nobody has said."""

    what: str
    """What to write, and into which object."""


AnyPrice = Price | Unknown


@dataclass(frozen=True, slots=True)
class Listing:
    """A book that has a price, as its prices name it."""

    name: str
    as_of: str

    def price(self, amount: str, source: str) -> Price:
        return Price(Decimal(amount), f"PriceBook {self.name}", source, self.as_of)


@dataclass(frozen=True, slots=True)
class Prices:
    """The books' prices by what they are asked for; made once whenever a book changes, by `index`."""

    currency: str = "USD"
    """Three letters of ISO 4217."""
    books: tuple[str, ...] = ()
    """`<name>@<day>` of each, in the order in which they are asked."""
    tokens: Mapping[tuple[str, str], tuple[Listing, TokenPrice]] = field(default_factory=dict)
    storage: Mapping[str, tuple[Listing, StoragePrice]] = field(default_factory=dict)
    compute: Mapping[str, tuple[Listing, ComputePrice]] = field(default_factory=dict)
    traffic: Mapping[str, tuple[Listing, TrafficPrice]] = field(default_factory=dict)


NO_PRICES = Prices()


def shipped_text() -> str:
    """The tokens' prices that come with the operator: prices/default.yaml, written by `make prices`."""
    return resources.files("aistack").joinpath("prices/default.yaml").read_text()


@cache
def shipped_book() -> PriceBook:
    return PriceBook.parse(yaml.load(shipped_text(), Loader=yaml.CSafeLoader))


def index(books: Mapping[str, PriceBook]) -> Prices:
    """The prices of all books: the newest book that has a price says it, and `default` is asked last.

    The first book decides the currency; books in another one are left out.
    """
    ordered = sorted(books.values(), key=lambda book: book.metadata.name)
    ordered.sort(key=lambda book: book.spec.as_of, reverse=True)
    ordered.sort(key=lambda book: book.metadata.name == DEFAULT)
    if not ordered:
        return Prices()
    currency = ordered[0].spec.currency
    asked = [book for book in ordered if book.spec.currency == currency]
    return Prices(
        currency=currency,
        books=tuple(f"{book.metadata.name}@{book.spec.as_of}" for book in asked),
        tokens=_first(asked, lambda spec: (((each.provider, each.model), each) for each in spec.tokens)),
        storage=_first(asked, lambda spec: ((each.storage_class_name, each) for each in spec.storage)),
        compute=_first(asked, lambda spec: ((each.name, each) for each in spec.compute)),
        traffic=_first(asked, lambda spec: ((each.name, each) for each in spec.traffic)),
    )


class PriceIndex:
    """The prices of a cluster's books, and of the one that ships unless the cluster has its own `default`.

    An index costs a millisecond, so it is made again only when the books have changed.
    """

    def __init__(self) -> None:
        self._shipped = shipped_book()
        self._books: dict[str, PriceBook] = {}
        self._prices = NO_PRICES

    def of(self, books: Mapping[str, PriceBook]) -> Prices:
        if (known := {DEFAULT: self._shipped, **books}) != self._books:
            self._books, self._prices = known, index(known)
        return self._prices


def _first(
    asked: Sequence[PriceBook], named: Callable[[PriceBookSpec], Iterable[tuple[K, V]]]
) -> dict[K, tuple[Listing, V]]:
    """What the first of the books says of each name."""
    return {
        name: (Listing(book.metadata.name, book.spec.as_of), price)
        for book in reversed(asked)
        for name, price in named(book.spec)
    }


@dataclass(frozen=True, slots=True)
class TokenPrices:
    """What a million tokens cost."""

    input: AnyPrice
    cached_input: AnyPrice
    """Input that the provider had in its cache."""
    output: AnyPrice


def token_prices(prices: Prices, managed: Managed, input_tokens: int = 0) -> TokenPrices:
    """The price of the model's region where the books have one (`<region>/<model>`), else of the model.

    Where long inputs have a second price, it is that which a request of so many input tokens pays.
    """
    regional = prices.tokens.get((managed.provider, f"{managed.region}/{managed.model}"))
    found = regional or prices.tokens.get((managed.provider, managed.model))
    if found is None:
        unknown = _missing(prices, f"tokens[{managed.provider}, {managed.model}]")
        return TokenPrices(unknown, unknown, unknown)
    listed, price = found
    long = price.long_input
    said = long if long and input_tokens > long.above_tokens else price
    return TokenPrices(
        input=listed.price(said.input_per_million, price.source),
        cached_input=listed.price(said.cached_input_per_million or said.input_per_million, price.source),
        output=listed.price(said.output_per_million, price.source),
    )


def accelerator_prices(
    prices: Prices, name: str, accelerator: AcceleratorClassSpec
) -> tuple[AnyPrice, AnyPrice]:
    """An hour of one accelerator of the class `name`, on demand and on spot capacity."""
    price = accelerator.price
    where = f"AcceleratorClass {name}"
    if price is None:
        unknown = Unknown(f"write price into {where}, in {prices.currency}")
        return unknown, unknown
    if price.currency != prices.currency:
        unknown = Unknown(f"write price of {where} in {prices.currency}; it is in {price.currency}")
        return unknown, unknown
    on_demand = Price(Decimal(price.on_demand_hourly), where, price.source, price.as_of)
    if price.spot_hourly is None:
        return on_demand, Unknown(f"write price.spotHourly into {where}")
    return on_demand, Price(Decimal(price.spot_hourly), where, price.source, price.as_of)


def storage_price(prices: Prices, storage_class: str | None) -> AnyPrice:
    """A GiB for a month; a volume without a class is of the class `default`."""
    name = storage_class or DEFAULT
    if name not in prices.storage:
        return _missing(prices, f"storage[{name}]")
    listed, price = prices.storage[name]
    return listed.price(price.per_gib_month, price.source)


def compute_prices(prices: Prices) -> tuple[AnyPrice, AnyPrice]:
    """An hour of a core, and of a GiB of memory, on the node pool `default`."""
    if DEFAULT not in prices.compute:
        unknown = _missing(prices, f"compute[{DEFAULT}]")
        return unknown, unknown
    listed, price = prices.compute[DEFAULT]
    return listed.price(price.cpu_hourly, price.source), listed.price(price.memory_gib_hourly, price.source)


def traffic_price(prices: Prices) -> AnyPrice:
    """A GiB that leaves for the internet."""
    if INTERNET not in prices.traffic:
        return _missing(prices, f"traffic[{INTERNET}]")
    listed, price = prices.traffic[INTERNET]
    return listed.price(price.per_gib, price.source)


def _missing(prices: Prices, what: str) -> Unknown:
    return Unknown(f"write {what} into a PriceBook in {prices.currency}")
