"""Charges as rows of FOCUS 1.2, the FinOps Open Cost and Usage Specification: a CSV that FinOps tools read.

https://focus.finops.org/focus-specification/v1-2 names the columns, their types and their values. An estimate
is not a bill: its rows are marked by x_Estimate, and their costs are the expected ones.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from aistack.api import AIStack
from aistack.cost.charges import Category, Charge
from aistack.cost.estimate import Estimate
from aistack.cost.money import MicroUnits, Range, exact, plain
from aistack.cost.prices import Price
from aistack.resolved import ResolvedStack, StackRef

COLUMNS = (
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingAccountType",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "RegionId",
    "RegionName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "SkuId",
    "SkuPriceId",
    "SubAccountId",
    "SubAccountName",
    "Tags",
    "x_Estimate",
    "x_MaxCost",
    "x_MinCost",
    "x_PriceAsOf",
    "x_PriceSource",
)
"""All mandatory columns of FOCUS 1.2, the conditional ones that we can fill, then ours (x_…)."""

LABELS = {"team": "team", "costCenter": "cost-center"}
"""A tag → the label of the stack that says it."""
Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month in UTC."""

    year: int
    month: int

    @property
    def start(self) -> str:
        return f"{self.year:04}-{self.month:02}-01T00:00:00Z"

    @property
    def end(self) -> str:
        """Exclusive."""
        return (Month(self.year, self.month + 1) if self.month < 12 else Month(self.year + 1, 1)).start


def rows(ref: StackRef, estimated: Estimate, month: Month, tags: Mapping[str, str]) -> Iterator[Row]:
    """A row for each charge with a known price: an unknown cost can't be written, and zero would be a lie."""
    whole = {
        "BillingCurrency": estimated.currency,
        "BillingPeriodEnd": month.end,
        "BillingPeriodStart": month.start,
        "ChargePeriodEnd": month.end,
        "ChargePeriodStart": month.start,
        "Tags": json.dumps(tags, sort_keys=True),
    }
    for charge in estimated.charges:
        if isinstance(charge.price, Price) and charge.cost:
            yield {**whole, **_row(ref, charge, charge.price, charge.cost)}


def _row(ref: StackRef, charge: Charge, price: Price, cost: Range[MicroUnits]) -> Row:
    used = Usage(
        component=charge.component,
        item=charge.item,
        category=charge.category,
        provider=charge.provider,
        region=charge.region,
        unit=charge.unit,
        price=price,
        quantity=charge.quantity.expected,
        cost=cost.expected,
    )
    return {
        **usage_row(ref, used),
        "x_Estimate": "true",
        "x_MaxCost": exact(cost.max),
        "x_MinCost": exact(cost.min),
    }


@dataclass(frozen=True, slots=True)
class Usage:
    """A quantity of something at one price, and what it costs."""

    component: str
    item: str
    category: Category
    provider: str
    region: str | None
    unit: str
    price: Price
    quantity: Decimal
    cost: MicroUnits


def usage_row(ref: StackRef, used: Usage) -> Row:
    """All of a row but its periods, its tags, and whether it is an estimate."""
    cost, quantity, price = exact(used.cost), plain(used.quantity), used.price
    return {
        "BilledCost": cost,
        "BillingAccountId": ref.namespace,
        "BillingAccountName": ref.namespace,
        "BillingAccountType": "Namespace",
        "ChargeCategory": "Usage",
        "ChargeClass": "",  # null: no correction of an earlier period
        "ChargeDescription": f"{used.component} of {ref.name}: {used.item}",
        "ChargeFrequency": "Usage-Based",
        "ConsumedQuantity": quantity,
        "ConsumedUnit": used.unit,
        "ContractedCost": cost,
        "ContractedUnitPrice": plain(price.amount),
        "EffectiveCost": cost,
        "InvoiceIssuerName": used.provider,
        "ListCost": cost,
        "ListUnitPrice": plain(price.amount),
        "PricingCategory": "Dynamic" if used.item.endswith(" spot") else "Standard",
        "PricingQuantity": quantity,
        "PricingUnit": used.unit,
        "ProviderName": used.provider,
        "PublisherName": used.provider,
        "RegionId": used.region or "",
        "RegionName": used.region or "",
        "ResourceId": f"{ref.namespace}/{ref.name}/{used.component}",
        "ResourceName": used.component,
        "ResourceType": used.component.partition("/")[0],
        "ServiceCategory": used.category,
        "ServiceName": "AIStack",
        "SkuId": used.item,
        "SkuPriceId": f"{price.listed_in}: {used.item}",
        "SubAccountId": f"{ref.namespace}/{ref.name}",
        "SubAccountName": ref.name,
        "x_PriceAsOf": price.as_of,
        "x_PriceSource": price.source,
    }


def tags_of(stack: AIStack | ResolvedStack) -> dict[str, str]:
    """What a bill is divided by."""
    labels = stack.metadata.labels
    said = {tag: labels[label] for tag, label in LABELS.items() if label in labels}
    return {**said, "environment": stack.spec.environment}


def table(all_rows: Iterable[Row]) -> str:
    """The CSV with its header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(all_rows)
    return text.getvalue()
