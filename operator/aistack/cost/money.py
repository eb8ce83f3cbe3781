"""Money in whole millionths of a currency unit: decimals go in, integers come out, never a float."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_UP, Context, Decimal
from typing import Generic, TypeVar

MicroUnits = int
"""Millionths of a currency unit."""

EXACT = Context(prec=64)
"""Holds the largest product of the API's bounds (prices, tokens, replicas) without rounding."""
LARGEST: MicroUnits = 10**18 - 1
"""The most that an amount of the API can say: twelve digits and six decimals."""

N = TypeVar("N", int, Decimal)
M = TypeVar("M", int, Decimal)


@dataclass(frozen=True, slots=True)
class Range(Generic[N]):
    """A number at the least, at the expected and at the most use."""

    min: N
    expected: N
    max: N

    def map(self, function: Callable[[N], M]) -> "Range[M]":
        """The same of each; `function` must not fall where its argument grows."""
        return Range(function(self.min), function(self.expected), function(self.max))


def same(number: N) -> Range[N]:
    """A number that use doesn't change."""
    return Range(number, number, number)


def times(counts: Range[N], factor: Decimal) -> Range[Decimal]:
    """Each times a factor that isn't negative."""
    return counts.map(lambda count: EXACT.multiply(Decimal(count), factor))


def total(ranges: Iterable[Range[MicroUnits]]) -> Range[MicroUnits]:
    """The sum of each, so that parts always add up."""
    least = expected = most = 0
    for each in ranges:
        least, expected, most = least + each.min, expected + each.expected, most + each.max
    return Range(least, expected, most)


def micro_units(amount: Decimal) -> MicroUnits:
    """Rounded up: what is reserved is never less than what is owed."""
    return int(EXACT.multiply(amount, Decimal(1_000_000)).to_integral_value(ROUND_CEILING, EXACT))


def cents(micro: MicroUnits) -> str:
    """To read: `812.00`, rounded to hundredths; more than the API can say is the most that it can."""
    shown = Decimal(min(micro, LARGEST)).scaleb(-6).quantize(Decimal("0.01"), ROUND_HALF_UP, EXACT)
    return str(min(shown, Decimal("999999999999.99")))


def exact(micro: MicroUnits) -> str:
    """To compute with: `812.000000`."""
    return str(Decimal(micro).scaleb(-6, EXACT).quantize(Decimal("0.000001"), context=EXACT))


def plain(number: Decimal, places: int = 12) -> str:
    """Digits without an exponent and without zeros at the end, `394.2`; rounded to `places` decimals."""
    text = f"{number:.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def price_text(amount: Decimal) -> str:
    """A price as the API takes it: at most six decimals."""
    return plain(amount, 6)
