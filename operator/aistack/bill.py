"""What policies can ask about money: an estimate, and the prices that it was made with, as facts."""

from collections.abc import Iterator, Mapping
from datetime import date

from aistack.cost import Estimate, Prices
from aistack.cost.prices import Price
from aistack.govern import Money
from aistack.resolved import ResolvedStack

MICRO = 1_000_000


def money(
    stack: ResolvedStack, estimated: Estimate, prices: Prices, fits: Mapping[str, bool] | None = None
) -> Money:
    """The facts of an estimate. `fits` says of each budget that counts the stack whether it has room."""
    monthly = estimated.monthly
    days = [charge.price.as_of for charge in estimated.charges if isinstance(charge.price, Price)]
    return Money(
        monthly_cost=monthly.max / MICRO if monthly else None,
        unknown_prices=tuple(map(str, estimated.unknown)),
        oldest_price=date.fromisoformat(min(days)) if days else None,
        retirements=dict(_retirements(stack, prices)),
        budgets=fits or {},
    )


def _retirements(stack: ResolvedStack, prices: Prices) -> Iterator[tuple[str, date]]:
    for model in stack.managed:
        found = prices.tokens.get((model.managed.provider, model.managed.model))
        if found and found[1].retires:
            yield model.name, date.fromisoformat(found[1].retires)
