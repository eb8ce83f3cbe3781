"""What the API writes as text: durations in seconds, Kubernetes quantities in their base unit, times."""

import re
from datetime import datetime
from decimal import Decimal

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_FACTORS = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate("kMGTP", start=1)},
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTP", start=1)},
}
GIB = 1024**3


def seconds(duration: str) -> float:
    """`1h30m` is 5400. `duration` is one that the API accepted."""
    return sum(int(count) * _SECONDS[unit] for count, unit in re.findall(r"([0-9]+)(ms|s|m|h|d)", duration))


def decimal(quantity: str) -> Decimal:
    """`500m` is 0.5 (cores), `24Gi` is 25769803776 (bytes), exactly; ValueError for what is no quantity."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([a-zA-Z]*)", quantity)
    if not match or match[2] not in _FACTORS:
        raise ValueError(f"{quantity!r} is no quantity; write one such as 500m, 4 or 24Gi")
    return Decimal(match[1]) * _FACTORS[match[2]]


def number(quantity: str) -> float:
    """The same as a float, for what needs no last digit."""
    return float(decimal(quantity))


def timestamp(now: datetime) -> str:
    """In whole seconds; `now` is UTC."""
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")
