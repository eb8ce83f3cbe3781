"""What a stack costs, for a program: amounts and quantities are decimal strings."""

from collections.abc import Sequence
from typing import Any

from aistack.cost.breakeven import BreakEven
from aistack.cost.charges import Charge
from aistack.cost.estimate import Estimate
from aistack.cost.matrix import Cell
from aistack.cost.money import MicroUnits, Range, exact, plain
from aistack.cost.prices import AnyPrice, Price


def report(
    title: str, estimated: Estimate, verdicts: Sequence[BreakEven], cells: Sequence[Cell]
) -> dict[str, Any]:
    return {
        "object": title,
        "currency": estimated.currency,
        "priceBooks": list(estimated.books),
        "monthly": _money(estimated.monthly),
        "components": {name: _money(cost) for name, cost in estimated.components.items()},
        "charges": [_charge(charge) for charge in estimated.charges],
        "unknown": [
            {"component": gap.component, "item": gap.item, "write": gap.what} for gap in estimated.unknown
        ],
        "assumptions": [
            {
                "name": name,
                "value": plain(assumed.value),
                "provenance": assumed.provenance.value,
                "why": assumed.why,
            }
            for name, assumed in estimated.assumptions
        ],
        "breakEvens": [_break_even(verdict) for verdict in verdicts],
        "alternatives": [_cell(cell) for cell in cells],
    }


def _charge(charge: Charge) -> dict[str, Any]:
    quantity = charge.quantity
    return {
        "component": charge.component,
        "item": charge.item,
        "quantity": {
            "min": plain(quantity.min),
            "expected": plain(quantity.expected),
            "max": plain(quantity.max),
        },
        "unit": charge.unit,
        "price": _price(charge.price),
        "monthly": _money(charge.cost),
    }


def _price(price: AnyPrice) -> dict[str, str] | None:
    if not isinstance(price, Price):
        return None
    return {
        "amount": plain(price.amount),
        "listedIn": price.listed_in,
        "source": price.source,
        "asOf": price.as_of,
    }


def _money(cost: Range[MicroUnits] | None) -> dict[str, str] | None:
    """null is unknown."""
    if cost is None:
        return None
    return {"min": exact(cost.min), "expected": exact(cost.expected), "max": exact(cost.max)}


def _break_even(verdict: BreakEven) -> dict[str, Any]:
    return {
        "model": verdict.model,
        "alternative": verdict.alternative,
        "noVerdict": verdict.no_verdict,
        "tokensPerMonth": verdict.tokens,
        "band": list(verdict.band) if verdict.band else None,
        "validUpTo": verdict.capacity,
        "steps": [
            {"replicas": step.replicas, "validUpTo": step.capacity, "cheaperFrom": step.cheaper_from}
            for step in verdict.steps
        ],
    }


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        "alternative": cell.alternative.value,
        "volume": plain(cell.volume),
        "monthly": _money(cell.estimate.monthly),
        "isLowerBound": cell.is_lower_bound,
        "remarks": list(cell.remarks),
    }
