"""Monthly limits over all replicas: what an answer has cost is counted in Redis when it ends.

Models and clients are stopped where they have spent their limit, long before the metering has seen it. A
request only asks whether anything is left, so those under way at once may pass a limit.

The service counts whole numbers below 2**32, so money is counted in a unit of at most a 400 millionth
of a limit. What an answer cost is rounded down: less is counted than the metering sees, never more, so nobody
is stopped of whom the status would not say so. A limit that needs another unit is counted anew.

A counter is of one month, whose name Envoy tells by the time of the request. The service forgets it with its
longest window, a year of 365 days; where one ends, counting begins anew, as after a loss of Redis.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal

from aistack.kinds import Manifest
from aistack.quotas import Quotas
from aistack.render.gateway.envoy import CLIENT_HEADER, METADATA, extension
from aistack.render.gateway.estimates import ESTIMATES, READ
from aistack.render.gateway.neutral import NeutralGateway
from aistack.resolved import ManagedModel

MOST = 2**32 - 1
"""Of a counter's limit."""
MOST_AT_ONCE = 1_000_000_000
"""What Envoy charges for one request at most: a fifth of a limit, or more."""
SMALLEST = 12
"""Decimals of the smallest unit, as in the metering."""
TARGET = f"xds.upstream_host_metadata.filter_metadata['{METADATA}'].target"
COUNTS: Mapping[str, str] = {
    **{
        kind: f"(has({READ}.{kind}_tokens) ? {READ}.{kind}_tokens : 0.0)"
        for kind in ("prompt", "cached", "completion")
    },
    **ESTIMATES,
    "sent": "double(request.size)",
    "answered": "double(response.size)",
}
"""What is counted of a request, in CEL; the metering reads the same from the metrics."""


def clients_ask(gateway: NeutralGateway) -> Iterator[Manifest]:
    """Whether the client has anything left."""
    if quotas := gateway.resolved.quotas:
        for unit in _units(quotas, "client"):
            yield {"actions": _counter(quotas, unit, _client()), "hits_addend": {"number": 0}}


def model_asks(gateway: NeutralGateway, model: ManagedModel) -> Iterator[Manifest]:
    """The same of a model, on the way out to it."""
    quotas = gateway.resolved.quotas
    if quotas and (limit := quotas.limits.get(f"model/{model.name}")):
        named = {"generic_key": {"descriptor_key": "model", "descriptor_value": model.name}}
        yield {"actions": _counter(quotas, unit_of(limit), named), "hits_addend": {"number": 0}}


def charges(gateway: NeutralGateway, *, answered: bool) -> Iterator[Manifest]:
    """What an answer has cost, of its client's money and of the model's that gave it.

    Of a request that the adapter hands on, what is `answered` leaves with its own answer.
    """
    quotas = gateway.resolved.quotas
    if quotas is None:
        return
    for subject, named in (("client", _client()), ("model", _told("model", TARGET))):
        for unit in _units(quotas, subject):
            counted = {"format": f"%CEL({_cost(quotas, unit, subject, answered=answered)})%"}
            actions = _counter(quotas, unit, named)
            yield {"actions": actions, "apply_on_stream_done": True, "hits_addend": counted}


def money_descriptors(gateway: NeutralGateway) -> Iterator[Manifest]:
    """The service's limits: any month has them. One is reached when nothing is left, as in the metering."""
    quotas = gateway.resolved.quotas
    if quotas is None:
        return
    by_unit: defaultdict[Decimal, list[Manifest]] = defaultdict(list)
    for part, limit in quotas.limits.items():
        unit, (subject, _, name) = unit_of(limit), part.partition("/")
        most = {"unit": "year", "requests_per_unit": int(limit / unit) - 1}
        by_unit[unit].append({"key": subject, "value": name, "rate_limit": most})
    units = [
        {"key": "unit", "value": _name(quotas, unit), "descriptors": found} for unit, found in by_unit.items()
    ]
    yield {"key": "month", "descriptors": units}


def unit_of(limit: Decimal) -> Decimal:
    """The smallest power of ten of which a limit is no more than the service can count."""
    decimals = SMALLEST
    while limit.scaleb(decimals) > MOST:
        decimals -= 1
    return Decimal(1).scaleb(-decimals)


def _units(quotas: Quotas, subject: str) -> list[Decimal]:
    limits = (limit for part, limit in quotas.limits.items() if part.startswith(f"{subject}/"))
    return sorted({unit_of(limit) for limit in limits})


def _counter(quotas: Quotas, unit: Decimal, named: Manifest) -> list[Manifest]:
    zone = f"'{quotas.zone}'"
    month = f"request.time.getFullYear({zone}) * 100 + request.time.getMonth({zone}) + 1"
    of_unit = {"generic_key": {"descriptor_key": "unit", "descriptor_value": _name(quotas, unit)}}
    return [_told("month", month), of_unit, named]


def _name(quotas: Quotas, unit: Decimal) -> str:
    return f"{unit:E} {quotas.currency}"


def _client() -> Manifest:
    return {"request_headers": {"descriptor_key": "client", "header_name": CLIENT_HEADER}}


def _told(key: str, expression: str) -> Manifest:
    """What an expression says; where it says nothing, nothing is asked or charged."""
    descriptor = "rate_limit_descriptors.expr.v3.Descriptor"
    return {"extension": extension("expr", descriptor, descriptor_key=key, text=expression)}


def _cost(quotas: Quotas, unit: Decimal, subject: str, *, answered: bool) -> str:
    """In whole units. Only what costs anything has a price, so whatever else answers has cost nothing."""
    cost = "0.0"
    for target, prices in quotas.prices.items():
        terms = dict(_terms(prices, answered=answered and subject == "client"))
        if terms:
            costs = " + ".join(f"{COUNTS[kind]} * {float(price / unit)}" for kind, price in terms.items())
            cost = f"{TARGET} == '{target}' ? {costs} : ({cost})"
    most = float(MOST_AT_ONCE)
    return f"int(({cost}) > {most} ? {most} : ({cost}))"


def _terms(prices: Mapping[str, Decimal], *, answered: bool) -> Iterator[tuple[str, Decimal]]:
    """What a provider had in its cache is part of what it read, so for that only the difference is added."""
    for kind, price in prices.items():
        if kind == "cached":
            yield kind, price - prices.get("prompt", Decimal(0))
        elif kind != "answered" or answered:
            yield kind, price
