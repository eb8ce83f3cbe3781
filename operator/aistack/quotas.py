"""What a gateway knows of money, to count by itself what is spent of monthly limits."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Quotas:
    """Amounts are in `currency`, and never zero."""

    currency: str
    """Three letters of ISO 4217."""
    zone: str
    """Where months begin, such as `Europe/Berlin`."""
    prices: Mapping[str, Mapping[str, Decimal]]
    """Of one token, or of one byte, by the model that answered and by what is counted: `prompt`, `cached`,
    `completion`, `sent`, `answered`."""
    limits: Mapping[str, Decimal]
    """For a month, by part: `model/gpt`, `client/web`."""
