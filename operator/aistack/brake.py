"""The gateway's own count of what is spent of monthly limits, which stops between two looks of the metering.

It counts by the prices of the metering, which stays the truth: of what both see, this is never more.
"""

from dataclasses import replace
from decimal import Decimal
from zoneinfo import ZoneInfo

from aistack.allowances import limits_of
from aistack.cost.money import EXACT
from aistack.cost.prices import Prices
from aistack.quotas import Quotas
from aistack.resolved import ResolvedStack
from aistack.spending.rates import UNITS, Tariff, tariffs_of


def braked(stack: ResolvedStack, prices: Prices, zone: ZoneInfo) -> ResolvedStack:
    """The same stack; its gateway knows prices where monthly limits are to hold over all its replicas."""
    quotas = _quotas(stack, prices, zone) if stack.spec.gateway.limit_scope == "Global" else None
    return replace(stack, gateway=replace(stack.gateway, quotas=quotas)) if quotas else stack


def _quotas(stack: ResolvedStack, prices: Prices, zone: ZoneInfo) -> Quotas | None:
    """None where nobody has limits; one of nothing, or in another currency, is no count's affair."""
    amounts = {
        part: Decimal(limit.amount)
        for part, limit in limits_of(stack.spec).items()
        if limit.currency == prices.currency
    }
    limits = {part: amount for part, amount in amounts.items() if amount}
    if not limits or not prices.books:
        return None
    known = {target: _each(tariff) for target, tariff in tariffs_of(stack, prices).items()}
    return Quotas(prices.currency, zone.key, {name: each for name, each in known.items() if each}, limits)


def _each(tariff: Tariff) -> dict[str, Decimal]:
    """What one token, or one byte, costs."""
    priced = {kind: item.price.amount for kind, item in tariff.items() if item and item.price.amount}
    return {kind: EXACT.divide(amount, UNITS[kind]) for kind, amount in priced.items()}
