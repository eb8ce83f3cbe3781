"""Kubernetes' quantities as CEL computes with them: exact decimals."""

import re
from decimal import Decimal

from aistack.govern.tagged import Tagged, untagged

_QUANTITY = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:([eE][+-]?[0-9]{1,2})|([A-Za-z]*))")
_FACTORS = {
    "": Decimal(1),
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate(("n", "u", "m"), start=-3)},
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate("kMGTPE", start=1)},
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", start=1)},
}
_LARGEST = 2**63


def quantity(text: str) -> Tagged:
    """`1.5Gi`, `500m`, `2e3`; ValueError for what is none."""
    match = _QUANTITY.fullmatch(text)
    if not match or (match[3] or "") not in _FACTORS:
        raise ValueError(f"{text!r} is no quantity")
    exponent, suffix = match[2] or "", match[3] or ""
    return amount(Decimal(match[1] + exponent) * _FACTORS[suffix])


def amount(number: Decimal) -> Tagged:
    """Equal amounts are equal maps: 1k and 1000 are."""
    return {"quantity": str(number.normalize() if number else Decimal(0))}


def number(value: Tagged) -> Decimal:
    return Decimal(untagged(value, "quantity"))


def sign(value: Decimal) -> int:
    return (value > 0) - (value < 0)


def is_integer(value: Tagged) -> bool:
    """It fits into 64 bits and nothing is lost."""
    exact = number(value)
    return -_LARGEST <= exact < _LARGEST and exact == exact.to_integral_value()


def as_integer(value: Tagged) -> int:
    if not is_integer(value):
        raise ValueError("cannot convert value to integer")
    return int(number(value))
