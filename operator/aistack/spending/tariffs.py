"""What asking models costs, those too that a spec has lost: gateways may still tell of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from aistack.spending.meter import Meter
from aistack.spending.rates import Tariff

LINGERS = timedelta(hours=1)
"""So long a request may go on that came while its model was declared."""
MOST_PAST = 200
"""Models that are not declared any more; the ones beyond that went first are named where they were asked."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One model's, as it was last declared."""

    tariff: Tariff
    at: datetime
    """The last look at which it was."""


def listed(
    before: Mapping[str, Listed], declared: Mapping[str, Tariff], meter: Meter, now: datetime
) -> dict[str, Listed]:
    """By model: what is declared now, and what was, until all gateways have told of it."""
    told = meter.read_at or now
    past = {name: each for name, each in before.items() if name not in declared and told - each.at < LINGERS}
    newest = sorted(past.items(), key=lambda entry: entry[1].at)[-MOST_PAST:]
    return dict(newest) | {name: Listed(tariff, now) for name, tariff in declared.items()}
