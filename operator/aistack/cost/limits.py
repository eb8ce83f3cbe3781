"""What a monthlyLimit makes of a model's cost, and limits that could not be held, because nobody could say
what is spent of them."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import ROUND_FLOOR, Context, Decimal

from aistack.api import Reason
from aistack.api.base import Money
from aistack.api.gateway import Client
from aistack.cost.charges import Category, Charge
from aistack.cost.money import Range
from aistack.cost.prices import Price, Prices, Unknown, token_prices
from aistack.problem import Problem
from aistack.resolved import ManagedModel, ResolvedStack

DOWN = Context(prec=32, rounding=ROUND_FLOOR)
"""Parts of a limit add up to no more than it."""


def within_limits(
    stack: ResolvedStack, charges: Iterable[Charge], prices: Prices, declared: Collection[str]
) -> Iterator[Charge]:
    """The charges, where a managed model with a monthlyLimit costs that at the most: there the gateway stops
    it, and nothing but it says how much may be asked. `declared` are the models whose traffic is.
    """
    found = tuple(charges)
    limits = {
        f"model/{model.name}": limit
        for model in stack.managed
        if (limit := holding_limit(model, prices)) is not None
    }
    yield from (charge for charge in found if charge.component not in limits)
    for model in stack.managed:
        component = f"model/{model.name}"
        if component not in limits:
            continue
        if model.name in declared:
            own = [charge for charge in found if charge.component == component]
            yield from _up_to(own, limits[component])
        elif _is_asked(model, stack):
            yield from _whole(model, limits[component], prices)


def bounded(stack: ResolvedStack, prices: Prices) -> set[str]:
    """The managed models of which the most is known, whatever their traffic."""
    return {model.name for model in stack.managed if holding_limit(model, prices) is not None}


def holding_limit(model: ManagedModel, prices: Prices) -> Decimal | None:
    """None where there is none that could be held."""
    limit = model.managed.monthly_limit
    if limit is None or not prices.books or any(_problems("", limit, [model], prices)):
        return None
    return Decimal(limit.amount)


def _is_asked(model: ManagedModel, stack: ResolvedStack) -> bool:
    return not stack.spec.suspend and any(each.name == model.name for each in stack.gateway.reached)


def _up_to(charges: Sequence[Charge], limit: Decimal) -> Iterator[Charge]:
    """All charges of a model grow with its requests: the same part of each is within the limit."""
    amounts = [amount for charge in charges if (amount := charge.amount)]
    least = _part(limit, sum((each.min for each in amounts), Decimal(0)))
    expected = _part(limit, sum((each.expected for each in amounts), Decimal(0)))
    most = sum((each.max for each in amounts), Decimal(0))
    all_of_it = DOWN.divide(limit, most) if most else Decimal(1)
    for charge in charges:
        asked = charge.quantity
        within = Range(asked.min * least, asked.expected * expected, asked.max * all_of_it)
        yield replace(charge, quantity=within)


def _part(limit: Decimal, amount: Decimal) -> Decimal:
    return DOWN.divide(limit, amount) if amount > limit else Decimal(1)


def _whole(model: ManagedModel, limit: Decimal, prices: Prices) -> Iterator[Charge]:
    """As much as the limit pays, for nobody has said how much is asked; nothing where tokens are free."""
    known = token_prices(prices, model.managed)
    for sort, price in (("input", known.input), ("output", known.output)):
        if isinstance(price, Price) and price.amount:
            tokens = DOWN.divide(limit, price.amount)
            yield Charge(
                f"model/{model.name}",
                f"{model.managed.model} {sort} tokens, as its monthlyLimit pays",
                Category.AI,
                Range(Decimal(0), tokens, tokens),
                "1000000 Tokens",
                price,
                model.managed.region,
                model.managed.provider,
            )
            return


def limit_problems(stack: ResolvedStack, prices: Prices) -> Iterator[Problem]:
    """None where no price book was asked at all, as when files are checked without one."""
    if not prices.books:
        return
    for model in stack.managed:
        path = f"spec.models[{model.name}].managed.monthlyLimit"
        yield from _problems(path, model.managed.monthly_limit, [model], prices)
    for client in stack.gateway.clients:
        path = f"spec.gateway.clients[{client.name}].monthlyLimit"
        yield from _problems(path, client.monthly_limit, _used_by(client, stack), prices)


def _problems(
    path: str, limit: Money | None, models: Iterable[ManagedModel], prices: Prices
) -> Iterator[Problem]:
    if limit is None:
        return
    if limit.currency != prices.currency:
        told = f"prices are in {prices.currency} here and there are no exchange rates; write the limit in it"
        yield Problem(path, Reason.CURRENCY_DIFFERS, told)
        return
    for model in models:
        known = token_prices(prices, model.managed)
        unknown = next((price for price in (known.input, known.output) if isinstance(price, Unknown)), None)
        if unknown:
            told = f"nobody knows what {model.name} costs, so no limit can hold: {unknown.what}"
            yield Problem(path, Reason.PRICE_UNKNOWN, told)


def _used_by(client: Client, stack: ResolvedStack) -> list[ManagedModel]:
    """The managed models that answer on the client's routes or embed their questions, each once."""
    routes = [r for r in stack.gateway.routes if not client.routes or r.name in client.routes]
    answering = [model for route in routes for model in route.answering]
    embedding = [route.embedding for route in routes if route.embedding]
    models = {model.name: model for model in (*answering, *embedding)}
    return [model for model in models.values() if isinstance(model, ManagedModel)]
