"""What one month has used: by item and price, by part, by client and by route."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from aistack.cost.charges import Category
from aistack.cost.money import plain
from aistack.cost.prices import Price
from aistack.spending.money import PicoUnits, heard, said
from aistack.spending.rates import NO_CALL, NOTHING, Amount, Call, Called, Costs, Item

RUNNING = frozenset({Category.COMPUTE, Category.STORAGE})
"""What a model costs whether or not it is asked."""
Sums = Mapping[str, PicoUnits]


@dataclass(frozen=True, slots=True)
class Tally:
    """What was used in one month."""

    month: str = ""
    """`2026-11`, in the time zone of the first budget that counts the stack, or UTC."""
    items: Mapping[Item, Amount] = field(default_factory=dict)
    calls: Mapping[Call, Called] = field(default_factory=dict)
    unpriced: tuple[str, ...] = ()
    """What was used and has no price, so that it is in no sum."""
    unread_seconds: float = 0
    """How long gateways counted without being read before they ended or were started again."""

    @property
    def cost(self) -> PicoUnits:
        return sum(amount.cost for amount in self.items.values())

    @property
    def components(self) -> Sums:
        """What each part has cost; they add up to the whole."""
        return summed((item.component, amount.cost) for item, amount in self.items.items())

    @property
    def clients(self) -> Sums:
        """What each client's calls have cost, with its part of what self-hosted models have."""
        return summed((call.client, cost) for call, cost in self._costs_of_calls())

    @property
    def routes(self) -> Sums:
        """The same by route."""
        return summed((call.route, cost) for call, cost in self._costs_of_calls())

    def limited(self, parts: Iterable[str]) -> Sums:
        """What being asked has cost of models (`model/gpt`), and of clients (`client/web`): who asks a
        self-hosted model makes it no dearer, also where a managed one has its name since.
        """
        used = summed(
            (item.component, amount.cost)
            for item, amount in self.items.items()
            if item.category not in RUNNING
        )
        asked = summed((f"client/{call.client}", called.cost) for call, called in self.calls.items())
        known = {**used, **asked}
        return {part: known.get(part, 0) for part in parts}

    def _costs_of_calls(self) -> Iterator[tuple[Call, PicoUnits]]:
        """What a self-hosted model costs is shared out by the tokens of the month, idle hours and all; what
        nobody has used is nobody's."""
        hosted = summed(
            (item.component, amount.cost) for item, amount in self.items.items() if item.category in RUNNING
        )
        tokens = summed((call.target, called.tokens) for call, called in self.calls.items())
        for call, called in self.calls.items():
            share = hosted.get(f"model/{call.target}", 0) * called.tokens
            yield call, called.cost + (share // tokens[call.target] if share else 0)

    def plus(self, spent: Costs, unread_seconds: float) -> "Tally":
        return Tally(
            month=self.month,
            items={
                item: self.items.get(item, NOTHING).plus(spent.items.get(item, NOTHING))
                for item in {**self.items, **spent.items}
            },
            calls={
                call: self.calls.get(call, NO_CALL).plus(spent.calls.get(call, NO_CALL))
                for call in {**self.calls, **spent.calls}
            },
            unpriced=tuple(sorted({*self.unpriced, *spent.unpriced})),
            unread_seconds=self.unread_seconds + unread_seconds,
        )


EMPTY = Tally()


def summed(amounts: Iterable[tuple[str, int]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for name, amount in amounts:
        sums[name] = sums.get(name, 0) + amount
    return sums


def shown(tally: Tally) -> dict[str, Any]:
    """To be read by anybody; the calls are kept apart, for they may be many."""
    return {
        "month": tally.month,
        "monthToDate": said(tally.cost),
        "components": _said(tally.components),
        "clients": _said(tally.clients),
        "routes": _said(tally.routes),
        "unpriced": list(tally.unpriced),
        "unreadSeconds": tally.unread_seconds,
        "items": [_item_shown(item, amount) for item, amount in tally.items.items()],
    }


def read(shown: Mapping[str, Any], calls: Iterable[tuple[str, str, str, int, str]]) -> Tally:
    """What `shown` and `calls_said` have written."""
    return Tally(
        month=shown["month"],
        items=dict(map(_item, shown["items"])),
        calls={
            Call(client, route, target): Called(int(tokens), heard(cost))
            for client, route, target, tokens, cost in calls
        },
        unpriced=tuple(map(str, shown["unpriced"])),
        unread_seconds=max(0, shown["unreadSeconds"]),
    )


def calls_said(tally: Tally) -> list[list[str | int]]:
    return [[*call, called.tokens, said(called.cost)] for call, called in sorted(tally.calls.items())]


def _item_shown(item: Item, amount: Amount) -> dict[str, str | None]:
    return {**item_said(item), "quantity": said(amount.quantity), "cost": said(amount.cost)}


def _item(row: Mapping[str, Any]) -> tuple[Item, Amount]:
    return item_read(row), Amount(heard(row["quantity"]), heard(row["cost"]))


def item_said(item: Item) -> dict[str, str | None]:
    """As JSON."""
    return {
        "component": item.component,
        "item": item.name,
        "category": item.category.value,
        "provider": item.provider,
        "region": item.region,
        "unit": item.unit,
        "price": plain(item.price.amount),
        "listedIn": item.price.listed_in,
        "source": item.price.source,
        "asOf": item.price.as_of,
    }


def item_read(row: Mapping[str, Any]) -> Item:
    """What `item_said` has made. It raises one of NO_BOOK for anything else."""
    price = Price(Decimal(row["price"]), row["listedIn"], row["source"], row["asOf"])
    return Item(
        row["component"],
        row["item"],
        Category(row["category"]),
        row["unit"],
        price,
        row["region"],
        row["provider"],
    )


def _said(sums: Sums) -> dict[str, str]:
    return {name: said(amount) for name, amount in sorted(sums.items())}
