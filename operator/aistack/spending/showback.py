"""What a stack has really cost in a month, as rows of FOCUS 1.2."""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from zoneinfo import ZoneInfo

from aistack.cost.focus import Row, Usage, usage_row
from aistack.cost.money import EXACT
from aistack.resolved import StackRef
from aistack.spending.book import Book
from aistack.spending.money import micro
from aistack.spending.month import month_named
from aistack.spending.tally import Tally
from aistack.units import timestamp


def rows(ref: StackRef, book: Book, tally: Tally, tags: Mapping[str, str]) -> Iterator[Row]:
    """One for each item and price of one of the book's months: from its beginning, or that of metering, to
    its end, or the last look; none where nothing was used.
    """
    if not tally.items:
        return
    month = month_named(tally.month, ZoneInfo(book.zone))
    whole = {
        "BillingCurrency": book.currency,
        "BillingPeriodStart": timestamp(month.begin),
        "BillingPeriodEnd": timestamp(month.end),
        "ChargePeriodStart": timestamp(max(month.begin, book.meter.since)),
        "ChargePeriodEnd": timestamp(min(month.end, book.meter.at)),
        "Tags": json.dumps(tags, sort_keys=True),
        "x_Estimate": "false",
        "x_MaxCost": "",
        "x_MinCost": "",
    }
    for item, amount in tally.items.items():
        used = Usage(
            component=item.component,
            item=item.name,
            category=item.category,
            provider=item.provider,
            region=item.region,
            unit=item.unit,
            price=item.price,
            quantity=Decimal(amount.quantity).scaleb(-12, EXACT),
            cost=micro(amount.cost),
        )
        yield {**whole, **usage_row(ref, used)}
