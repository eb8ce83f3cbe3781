"""Money as it is metered."""

from decimal import ROUND_FLOOR, Decimal

from aistack.cost.money import EXACT, MicroUnits

PicoUnits = int
"""Millionths of a millionth of a currency unit."""
PICO = 1_000_000_000_000
MOST = 10**15
"""Units: nobody spends more, so who says more says no amount."""


def pico_units(amount: Decimal) -> PicoUnits:
    """Rounded down: what is left is not worth a millionth of a cent in a year of looks."""
    return int(EXACT.multiply(amount, Decimal(PICO)).to_integral_value(ROUND_FLOOR, EXACT))


def micro(amount: PicoUnits) -> MicroUnits:
    """Rounded up, once, where it is shown."""
    return -(-amount // 1_000_000)


def said(amount: PicoUnits) -> str:
    """As it is kept, a decimal to the last digit: `12.345678901234`."""
    return str(Decimal(amount).scaleb(-12, EXACT))


def heard(text: str) -> PicoUnits:
    """ValueError or ArithmeticError where it is no amount."""
    amount = Decimal(text)
    if not 0 <= amount <= MOST:
        raise ValueError(f"{amount} is no amount of money")
    return int(amount.scaleb(12, EXACT))
