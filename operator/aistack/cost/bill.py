"""A PriceBook out of a bill: the unit prices in a FOCUS 1.x file, for the SKUs that somebody names.

No file says which of a cloud's thousands of SKUs is a core, a volume's GiB or a model's input token; a map
does, shaped like the PriceBook that it becomes, with a SkuId or SkuPriceId where that has an amount.

Only what was charged for use says a price: credits, taxes, purchases, adjustments and corrections don't. What
is free up to some amount has a row of 0 beside that of its price, so 0 counts only where nothing else stands.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import Field

from aistack.api.base import API_VERSION, Model
from aistack.api.scalars import Line
from aistack.cost.money import price_text
from aistack.errors import AIStackError

NEEDED = ("BillingCurrency", "ChargeCategory", "ChargePeriodStart", "PricingUnit", "SkuId")
"""Columns that the file must have, and one of UNIT_PRICES."""
UNIT_PRICES = ("ContractedUnitPrice", "ListUnitPrice")
"""What is paid comes before what is listed."""
GIB_IN_GB = Decimal(1024**3) / Decimal(10**9)
MILLION = 1_000_000

UNITS = {
    "token": {"token": Decimal(1)},
    "GiB": {"gib": Decimal(1), "gb": GIB_IN_GB},
    "GiB-month": {"gib-month": Decimal(1), "gb-month": GIB_IN_GB},
    "hour": {"hour": Decimal(1), "core-hour": Decimal(1), "vcpu-hour": Decimal(1)},
    "GiB-hour": {"gib-hour": Decimal(1), "gb-hour": GIB_IN_GB},
}
"""What is priced → the units that it may be priced in, and how many of them it is."""
WORDS = {"gigabyte": "gb", "gibibyte": "gib", "hr": "hour", "mo": "month"}
"""What else clouds write for a word of a unit, in the singular → how UNITS has it."""
SCALES = {None: 1, "k": 1000, "m": MILLION}
PRICING_UNIT = re.compile(r"(?:([0-9][0-9,]*)\s*)?(?:([km])(?![a-z]))?[\s/]*([a-z].*)")
"""`1000 Tokens`, `1M tokens`, `GB-Mo`: how many, in thousands or millions, and of what."""


class BillError(AIStackError):
    """A file can't be read as prices; the message says what is missing and what to write."""


class TokenSkus(Model):
    """The SKUs of a managed model."""

    provider: Line
    model: Line
    input: Line
    output: Line
    cached_input: Line | None = None


class ComputeSkus(Model):
    """The SKUs of a core and of a GiB of memory, for an hour."""

    cpu: Line
    memory: Line


class AcceleratorSkus(Model):
    """The SKUs of an hour of a node with its accelerators."""

    on_demand: Line
    spot: Line | None = None
    accelerators: Annotated[int, Field(ge=1, le=1024)] = 1
    """How many the node has; the price is one's part of it."""


Skus = Annotated[dict[Line, Line], Field(max_length=256)]


class SkuMap(Model):
    """Which SKU is the price of what."""

    tokens: Annotated[tuple[TokenSkus, ...], Field(max_length=5000)] = ()
    storage: Skus = Field(default={})
    """By StorageClass."""
    compute: Annotated[dict[Line, ComputeSkus], Field(max_length=256)] = Field(default={})
    """By node pool."""
    traffic: Skus = Field(default={})
    """By destination."""
    accelerators: Annotated[dict[Line, AcceleratorSkus], Field(max_length=256)] = Field(default={})
    """By AcceleratorClass."""


@dataclass(frozen=True, slots=True)
class UnitPrice:
    """What one pricing unit of a SKU costs."""

    sku: str
    amount: Decimal
    unit: str
    since: str
    """The day on which the period began in which it was charged."""

    def of(self, what: str, count: int = 1, shared_by: int = 1) -> str:
        """The price of so many of `what`, a key of UNITS, or of a part of them, as the API writes it."""
        price = price_text(self.amount / self._units(what) * count / shared_by)
        if self.amount and not Decimal(price):
            raise BillError(f"SKU {self.sku}: one {what} costs less than a millionth; map another SKU")
        return price

    def _units(self, what: str) -> Decimal:
        """How many of `what` one pricing unit is: `1000 Tokens` is a thousand tokens."""
        match = PRICING_UNIT.fullmatch(self.unit.strip().lower())
        count, scale, unit = match.groups() if match else (None, None, "")
        words = (word.removesuffix("s") for word in re.split(r"[\s/-]+", unit))
        known = UNITS[what].get("-".join(WORDS.get(word, word) for word in words))
        pricing_units = Decimal((count or "1").replace(",", "")) * SCALES[scale]
        if known is None or not pricing_units:
            raise BillError(
                f"SKU {self.sku}: its PricingUnit is {self.unit!r}, and a price of one {what} is needed; "
                f"map a SKU that is priced in one of {', '.join(UNITS[what])}"
            )
        return pricing_units / known


def unit_prices(lines: Iterable[str]) -> tuple[dict[str, set[UnitPrice]], str]:
    """The unit prices of each SkuId and SkuPriceId of a FOCUS file, and the file's currency."""
    reader = csv.DictReader(lines)
    found: dict[str, set[UnitPrice]] = {}
    currencies: set[str] = set()
    try:
        columns = reader.fieldnames or ()
        if missing := [name for name in NEEDED if name not in columns]:
            raise BillError(f"no FOCUS file: it has no column {', '.join(missing)}")
        for row in filter(_is_use, reader):
            for price in _of_row(row, reader.line_num):
                currencies.add(row["BillingCurrency"] or "")
                found.setdefault(price.sku, set()).add(price)
    except csv.Error as error:
        raise BillError(f"line {reader.line_num + 1}: not CSV: {error}") from None
    if len(currencies) > 1:
        raise BillError(f"several currencies ({', '.join(sorted(currencies))}); import a file of one")
    if not found:
        raise BillError(
            "no row of use has a unit price; export the columns ContractedUnitPrice or ListUnitPrice"
        )
    return found, currencies.pop()


def _is_use(row: Mapping[str, str | None]) -> bool:
    """A ChargeClass says that a row corrects an earlier one."""
    return row["ChargeCategory"] == "Usage" and not row.get("ChargeClass")


def _of_row(row: Mapping[str, str | None], line: int) -> Iterator[UnitPrice]:
    """The row's price under its SkuId and its SkuPriceId; none where it says none."""
    said = [_decimal(text, line) for name in UNIT_PRICES if (text := row.get(name))]
    if said:
        amount = next(filter(None, said), Decimal(0))
        since = (row["ChargePeriodStart"] or "")[:10]
        for sku in filter(None, (row["SkuId"], row.get("SkuPriceId"))):
            yield UnitPrice(sku, amount, row["PricingUnit"] or "", since)


def _newest(prices: Set[UnitPrice]) -> Set[UnitPrice]:
    """Those of the last day on which something was paid."""
    paid = {price for price in prices if price.amount} or prices
    day = max(price.since for price in paid)
    return {price for price in paid if price.since == day}


@dataclass(frozen=True, slots=True)
class Bill:
    """The prices of a file, where a SKU that it hasn't is an error that names it."""

    prices: Mapping[str, Set[UnitPrice]]
    currency: str
    file: str

    def __getitem__(self, sku: str) -> UnitPrice:
        """The one price of the SKU on its newest day."""
        if sku not in self.prices:
            raise BillError(f"SKU {sku}: no row of {self.file} has a unit price for its use; map another SKU")
        newest = _newest(self.prices[sku])
        if len(newest) > 1:
            least, most = (pick(newest, key=lambda price: price.amount) for pick in (min, max))
            raise BillError(
                f"SKU {sku}: {len(newest)} prices in {self.file} on {least.since}, from {least.amount} for "
                f"{least.unit} to {most.amount} for {most.unit}; map the SkuPriceId of one"
            )
        return next(iter(newest))

    def source(self, sku: str) -> str:
        """A URI without spaces."""
        return re.sub(r"[^!-~]", "_", f"focus:{self.file}#{sku}")


def read(lines: Iterable[str], file: str) -> Bill:
    """`file` is what the prices' source names."""
    prices, currency = unit_prices(lines)
    return Bill(prices, currency, file)


def book(known: Bill, skus: SkuMap, name: str) -> dict[str, Any]:
    """The PriceBook's manifest, as of the newest price in the bill."""
    spec = {
        "tokens": [
            {
                "provider": each.provider,
                "model": each.model,
                "inputPerMillion": known[each.input].of("token", MILLION),
                "outputPerMillion": known[each.output].of("token", MILLION),
                **_cached(each, known),
                "source": known.source(each.input),
            }
            for each in skus.tokens
        ],
        "storage": [
            {
                "storageClassName": storage_class,
                "perGibMonth": known[sku].of("GiB-month"),
                "source": known.source(sku),
            }
            for storage_class, sku in skus.storage.items()
        ],
        "compute": [
            {
                "name": pool,
                "cpuHourly": known[each.cpu].of("hour"),
                "memoryGibHourly": known[each.memory].of("GiB-hour"),
                "source": known.source(each.cpu),
            }
            for pool, each in skus.compute.items()
        ],
        "traffic": [
            {"name": destination, "perGib": known[sku].of("GiB"), "source": known.source(sku)}
            for destination, sku in skus.traffic.items()
        ],
    }
    as_of = max(price.since for each in known.prices.values() for price in each)
    return {
        "apiVersion": API_VERSION,
        "kind": "PriceBook",
        "metadata": {"name": name},
        "spec": {
            "currency": known.currency,
            "asOf": as_of,
            **{key: value for key, value in spec.items() if value},
        },
    }


def accelerator_price(known: Bill, skus: AcceleratorSkus) -> dict[str, str]:
    """What spec.price of an AcceleratorClass becomes."""
    on_demand = known[skus.on_demand]
    price = {"onDemandHourly": on_demand.of("hour", shared_by=skus.accelerators)}
    if skus.spot:
        price["spotHourly"] = known[skus.spot].of("hour", shared_by=skus.accelerators)
    source = known.source(skus.on_demand)
    return {**price, "currency": known.currency, "source": source, "asOf": on_demand.since}


def _cached(skus: TokenSkus, known: Bill) -> dict[str, str]:
    if skus.cached_input is None:
        return {}
    return {"cachedInputPerMillion": known[skus.cached_input].of("token", MILLION)}


def _decimal(text: str, line: int) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise BillError(f"line {line}: {text!r} is no price; write a decimal number of at least 0")
    return amount
