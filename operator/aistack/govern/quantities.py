"""Kubernetes' quantities as CEL computes with them: decimals, exact to a billionth.

Source: k8s.io/apimachinery/pkg/api/resource. One difference is known: the API server takes some integers for
none, those with a fraction in their text (1.5Gi, 2.0) and those of more than 18 digits.
"""

import re
from decimal import ROUND_UP, Decimal, localcontext

from aistack.govern.tagged import Tagged, untagged

_QUANTITY = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?(?:([eE][+-]?[0-9]{1,4})|([A-Za-z]*))")
_FACTORS = {
    "": Decimal(1),
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate(("n", "u", "m"), start=-3)},
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate("kMGTPE", start=1)},
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", start=1)},
}
_LARGEST = 2**63
_LEAST = Decimal("1e-9")
_DIGITS = 256
"""More than anybody's quantities have."""


def quantity(text: str) -> Tagged:
    """`1.5Gi`, `500m`, `2e3`, and `Mi`, which is zero; ValueError for what is none."""
    match = _QUANTITY.fullmatch(text)
    if not text or not match or (match[5] or "") not in _FACTORS:
        raise ValueError(f"{text!r} is no quantity")
    plus_or_minus, whole, fraction, exponent, suffix = (part or "" for part in match.groups())
    with localcontext(prec=_DIGITS):
        exact = Decimal(f"{plus_or_minus}{whole or 0}.{fraction or 0}{exponent}") * _FACTORS[suffix]
        return amount(exact)


def amount(number: Decimal) -> Tagged:
    """Equal amounts are equal maps: 1k and 1000 are."""
    with localcontext(prec=_DIGITS):
        rounded = number.quantize(_LEAST, ROUND_UP) if _is_finer(number) else number
    return {"quantity": str(rounded.normalize() or Decimal(0))}


def _is_finer(number: Decimal) -> bool:
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and exponent < _LEAST.adjusted()


def added(left: Decimal, right: Decimal) -> Tagged:
    with localcontext(prec=_DIGITS):
        return amount(left + right)


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
