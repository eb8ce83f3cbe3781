"""The rhythm in which is looked at what costs money."""

from dataclasses import dataclass
from datetime import datetime, timedelta

NEW_FOR = 2
"""Looks: what is no older has cost nothing that isn't counted."""
SILENT_FOR = 5
"""Looks: a gateway that was not read for longer makes a budget's month stale."""


@dataclass(frozen=True, slots=True)
class Looks:
    """What the time between two of them means for what is found."""

    interval: timedelta

    @property
    def patience(self) -> timedelta:
        return SILENT_FOR * self.interval

    def is_ahead(self, at: datetime, now: datetime) -> bool:
        """Whether a clock was ahead when this was noted; that of another machine may be, by a little."""
        return at - now > self.patience

    def beginning(self, created: str | None, now: datetime) -> datetime:
        """What has just been made is metered from then on, all else from now on."""
        made = datetime.fromisoformat(created) if created else now
        return made if now - made <= NEW_FOR * self.interval else now
