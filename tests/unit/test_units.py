"""Written amounts mean what Kubernetes and the API say they mean."""

from decimal import Decimal

import pytest

from aistack.units import decimal, number, seconds


@pytest.mark.parametrize(
    ("written", "meant"), [("250ms", 0.25), ("30s", 30), ("5m", 300), ("1h30m", 5400), ("2d", 172_800)]
)
def test_a_duration_is_the_sum_of_its_parts(written: str, meant: float) -> None:
    assert seconds(written) == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("4", 4),
        ("500m", 0.5),
        ("1.5", 1.5),
        ("2k", 2000),
        ("1Ki", 1024),
        ("24Gi", 24 * 1024**3),
        ("1T", 1e12),
    ],
)
def test_a_quantity_is_in_its_base_unit(written: str, meant: float) -> None:
    assert number(written) == meant


@pytest.mark.parametrize("written", ["", "large", "4 Gi", "-1", "1Zi"])
def test_what_is_no_quantity_is_said_to_be_none(written: str) -> None:
    with pytest.raises(ValueError, match="24Gi"):
        number(written)


def test_as_a_decimal_a_quantity_keeps_every_digit() -> None:
    assert decimal("123456789012345.123456789") == Decimal("123456789012345.123456789")
    assert decimal("0.1m") * 10 == Decimal("0.001")
