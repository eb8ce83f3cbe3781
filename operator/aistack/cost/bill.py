"""A PriceBook out of a bill: the unit prices in a FOCUS 1.x file, for the SKUs that somebody names.

No file says which of a cloud's thousands of SKUs is a core, a volume's GiB or a model's input token; a map
does, shaped like the PriceBook that it becomes, with a SkuId or SkuPriceId where that has an amount.
"""

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import Field

from aistack.api.base import API_VERSION, Model
from aistack.api.scalars import Line
from aistack.cost.money import price_text
from aistack.errors import AIStackError

NEEDED = ("BillingCurrency", "ChargePeriodStart", "PricingUnit", "SkuId")
"""Columns that the file must have, and one of UNIT_PRICES."""
UNIT_PRICES = ("ContractedUnitPrice", "ListUnitPrice")
"""What is paid comes before what is listed."""
GIB_IN_GB = Decimal(1024**3) / Decimal(10**9)

UNITS = {
    "token": {"tokens": Decimal(1), "token": Decimal(1)},
    "GiB": {"gib": Decimal(1), "gb": GIB_IN_GB},
    "GiB-month": {"gib-months": Decimal(1), "gib-mo": Decimal(1), "gb-months": GIB_IN_GB, "gb-mo": GIB_IN_GB},
    "hour": {"hours": Decimal(1), "hour": Decimal(1), "core-hours": Decimal(1), "vcpu-hours": Decimal(1)},
    "GiB-hour": {"gib-hours": Decimal(1), "gb-hours": GIB_IN_GB},
}
"""What is priced → the units that it may be priced in, and how many of them it is."""


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


@dataclass(frozen=True, slots=True)
class UnitPrice:
    """The newest price of a SKU in the file."""

    sku: str
    amount: Decimal
    unit: str
    since: str
    """The start of the period in which it was charged."""

    def of(self, what: str) -> str:
        """The price of one `what`, a key of UNITS, as the API writes it."""
        return price_text(self.amount / self._units(what))

    def of_million_tokens(self) -> str:
        return price_text(self.amount / self._units("token") * 1_000_000)

    def _units(self, what: str) -> Decimal:
        """How many of `what` one pricing unit is: `1000 Tokens` is a thousand tokens."""
        match = re.fullmatch(r"(?:([0-9,]+)\s+)?(.+)", self.unit.strip().lower())
        count, unit = (match[1], match[2]) if match else (None, "")
        if unit not in UNITS[what]:
            raise BillError(
                f"SKU {self.sku}: its PricingUnit is {self.unit!r}, and the price of a {what} is asked for; "
                f"map a SKU that is priced in one of {', '.join(UNITS[what])}"
            )
        return Decimal((count or "1").replace(",", "")) / UNITS[what][unit]


def unit_prices(lines: Iterable[str]) -> tuple[dict[str, UnitPrice], str]:
    """The newest unit price of each SkuId and SkuPriceId of a FOCUS file, and the file's currency."""
    reader = csv.DictReader(lines)
    columns = reader.fieldnames or ()
    if missing := [name for name in NEEDED if name not in columns]:
        raise BillError(f"no FOCUS file: it has no column {', '.join(missing)}")
    found: dict[str, UnitPrice] = {}
    currencies: set[str] = set()
    for row in reader:
        price = next((row[name] for name in UNIT_PRICES if row.get(name)), "")
        if not price:
            continue
        currencies.add(row["BillingCurrency"] or "")
        for sku in filter(None, (row["SkuId"], row.get("SkuPriceId"))):
            since = (row["ChargePeriodStart"] or "")[:10]
            if sku not in found or found[sku].since <= since:
                found[sku] = UnitPrice(sku, _decimal(price, reader.line_num), row["PricingUnit"] or "", since)
    if len(currencies) > 1:
        raise BillError(f"several currencies ({', '.join(sorted(currencies))}); import a file of one")
    if not found:
        raise BillError("no row has a unit price; export the columns ContractedUnitPrice or ListUnitPrice")
    return found, currencies.pop()


def book(lines: Iterable[str], skus: SkuMap, name: str, file: str) -> dict[str, Any]:
    """The PriceBook's manifest, as of the newest price in it. `file` is what the prices' source names."""
    prices, currency = unit_prices(lines)
    known = _Known(prices, file)
    spec = {
        "tokens": [
            {
                "provider": each.provider,
                "model": each.model,
                "inputPerMillion": known[each.input].of_million_tokens(),
                "outputPerMillion": known[each.output].of_million_tokens(),
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
    as_of = max(price.since for price in prices.values())
    return {
        "apiVersion": API_VERSION,
        "kind": "PriceBook",
        "metadata": {"name": name},
        "spec": {"currency": currency, "asOf": as_of, **{key: value for key, value in spec.items() if value}},
    }


@dataclass(frozen=True, slots=True)
class _Known:
    """The prices of the file, where a SKU that it hasn't is an error that names it."""

    prices: Mapping[str, UnitPrice]
    file: str

    def __getitem__(self, sku: str) -> UnitPrice:
        if sku not in self.prices:
            raise BillError(f"SKU {sku}: no row of {self.file} has a unit price for it; map another SKU")
        return self.prices[sku]

    def source(self, sku: str) -> str:
        """A URI without spaces."""
        return re.sub(r"[^!-~]", "_", f"focus:{self.file}#{sku}")


def _cached(skus: TokenSkus, known: _Known) -> dict[str, str]:
    if skus.cached_input is None:
        return {}
    return {"cachedInputPerMillion": known[skus.cached_input].of_million_tokens()}


def _decimal(text: str, line: int) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise BillError(f"line {line}: {text!r} is no price; write a decimal number of at least 0")
    return amount
