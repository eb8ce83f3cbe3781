"""What a request costs at each target: for the order of lowestCost, and for a route that degrades."""

from dataclasses import replace
from decimal import Decimal

from aistack.api.retrieval import Traffic
from aistack.cost.prices import Price, Prices, token_prices
from aistack.resolved import ResolvedModel, ResolvedRoute, ResolvedStack, SelfHostedModel, WeightedTarget

NOTHING = Decimal(0)


def cheapest_first(stack: ResolvedStack, prices: Prices) -> ResolvedStack:
    """The same stack; of equals the declared order stays.

    A self-hosted model is paid whether it answers or not, so one request more costs nothing there. Where a
    price is not known, the model comes last: it could be any.
    """
    traffic = stack.spec.traffic
    if traffic is None or all(route.spec.strategy != "lowestCost" for route in stack.gateway.routes):
        return stack
    routes = tuple(_ordered(route, prices, traffic) for route in stack.gateway.routes)
    return replace(stack, gateway=replace(stack.gateway, routes=routes))


def cheapest_only(stack: ResolvedStack, prices: Prices) -> ResolvedStack:
    """The same stack, each route of which leads to the cheapest of its targets and fallbacks, and after it to
    none that costs more by the request."""
    traffic = stack.spec.traffic or Traffic(requests_per_month=1, input_tokens=1, output_tokens=1)
    routes = tuple(_cheapest(route, prices, traffic) for route in stack.gateway.routes)
    return replace(stack, gateway=replace(stack.gateway, routes=routes))


def _cheapest(route: ResolvedRoute, prices: Prices, traffic: Traffic) -> ResolvedRoute:
    targets = (target.model for target in route.targets if target.weight)
    known = {model.name: model for model in (*targets, *route.fallbacks)}
    first, *others = sorted(known.values(), key=lambda model: _a_request(model, prices, traffic))
    least = _a_request(first, prices, traffic)
    longer = route.long_context_fallbacks if first.spec.context_window else ()  # too long for what?
    return replace(
        route,
        targets=(WeightedTarget(first, 1),),
        fallbacks=tuple(model for model in others if _a_request(model, prices, traffic) == least),
        long_context_fallbacks=tuple(
            model for model in longer if _a_request(model, prices, traffic) <= least
        ),
    )


def _ordered(route: ResolvedRoute, prices: Prices, traffic: Traffic) -> ResolvedRoute:
    if route.spec.strategy != "lowestCost":
        return route
    targets = sorted(route.targets, key=lambda target: _a_request(target.model, prices, traffic))
    return replace(route, targets=tuple(targets))


def _a_request(model: ResolvedModel, prices: Prices, traffic: Traffic) -> Decimal:
    """In millionths of the books' currency, of the mean request that the stack declares."""
    if isinstance(model, SelfHostedModel):
        return NOTHING
    known = token_prices(prices, model.managed, traffic.input_tokens)
    if not isinstance(known.input, Price) or not isinstance(known.output, Price):
        return Decimal("Infinity")
    return traffic.input_tokens * known.input.amount + traffic.output_tokens * known.output.amount
