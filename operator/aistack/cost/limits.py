"""Limits on money that could not be held, because nobody could say what is spent of them."""

from collections.abc import Iterable, Iterator

from aistack.api import Reason
from aistack.api.base import Money
from aistack.api.gateway import Client
from aistack.cost.prices import Prices, Unknown, token_prices
from aistack.problem import Problem
from aistack.resolve import ManagedModel, ResolvedStack


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
